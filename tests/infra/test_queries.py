"""The queries of the alerts and the workbook, by Kusto's language service and by what p2c tells."""

import ast
import inspect
import json
import re

import pytest

from p2c.functions.logs import log
from p2c.model import Outcome
from p2c.telemetry.metrics import METRICS
from tests.docs.pages import blocks
from tests.infra.alerting import MINUTES
from tests.infra.deployment import deployed
from tests.infra.files import INFRA, ROOT
from tools.kql_check.check import check_queries

FILES = {path.name: path.read_text("utf-8") for path in sorted((INFRA / "queries").glob("*.kql"))}
OF_METRICS = [name for name, text in FILES.items() if "AppMetrics\n" in text]
OF_RECORDS = [name for name, text in FILES.items() if "AppTraces\n" in text]
FUNCTIONS = [
    ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "p2c/functions").glob("*.py"))
]
QUERIES_OF_PAGES = {block.page: block.text for block in blocks("kusto")}
NUMBERS = {"int", "long", "real", "decimal"}
OUTCOMES = {outcome.value for outcome in Outcome}

# What is wrong: file, what stands there, what is put instead, what the service says.
MISTAKES = [
    ("poison.kql", "AppTraces", "AppTrace", "'AppTrace' does not refer to any known"),
    ("poison.kql", "where Message", "where Mesage", "'Mesage' does not refer to any known"),
    ("poison.kql", "count()", "cout()", "'cout' does not refer to any known function"),
    ("rejected.kql", "sumif(Sum, P", "sumif(P", "'sumif' expects 2 arguments"),
    ("rejected.kql", "by Template =", "by Template ==", "'Template' does not refer to any known"),
    ("late.kql", ") on Template", ") on Templates", "'Templates' does not refer to any known"),
    ("late.kql", "kind=leftouter", "kind=leftoutermost", "Expected one of: inner"),
    ("late.kql", "]", "", "Expected: ]"),
    ("late.kql", "isnull(", "isnul(", "'isnul' does not refer to any known function"),
    ("old-messages.kql", "TimeGenerated, Sum)", "TimeGenerated, Sums)", "'Sums' does not refer"),
    ("old-messages.kql", "| project", "| projects", "Query operator expected"),
    ("outcomes.kql", "sum(Sum)", "sum(Value)", "'Value' does not refer to any known"),
    ("outcomes.kql", '"p2c.rows"', '"p2c.rows', "Missing: "),
    ("rows.kql", "Rows = -Rows", "Rows = -Row", "'Row' does not refer to any known"),
    ("rows.kql", "    (told |", "    (tolled |", "'tolled' does not refer to any known"),
    ("executions.kql", "order by Ended", "order by Began", "'Began' does not refer to any known"),
    ("executions.kql", "todatetime(", "todate(", "'todate' does not refer to any known function"),
    ("freshness.kql", "60, 1)", "60, 1", "Expected: )"),
    ("requests.kql", "Properties[", "Property[", "'Property' does not refer to any known"),
    ("reasons.kql", "top 20 by", "top by", "Missing"),
    ("throttled.kql", "100 * Requests429", "100 * Request429", "'Request429' does not refer"),
    ("throttled.kql", "100 * Operations429", "100 * Service", "not defined for the operand"),
]  # fmt: skip


def changed(file, old, new):
    assert old in FILES[file], f"{file} has no {old!r}; mend the test"
    return FILES[file].replace("{templates}", '"a", 30').replace(old, new, 1)


def alert_criteria():
    rules = deployed().of_type("Microsoft.Insights/scheduledQueryRules")
    return {
        rule.name: criterion
        for rule in rules
        for criterion in rule.body["properties"]["criteria"]["allOf"]
    }


def workbook_items():
    (workbook,) = deployed().of_type("Microsoft.Insights/workbooks")
    return json.loads(workbook.body["properties"]["serializedData"])["items"]


def workbook_queries():
    return {
        item["name"]: item["content"]["query"] for item in workbook_items() if item["type"] == 3
    }


@pytest.fixture(scope="module")
def checked():
    """Everything at once, for the service takes two seconds to start."""
    deployed_queries = {name: found["query"] for name, found in alert_criteria().items()}
    mistaken = {f"mistake {number}": changed(*row[:3]) for number, row in enumerate(MISTAKES)}
    return check_queries(deployed_queries | workbook_queries() | mistaken | QUERIES_OF_PAGES)


def test_every_query_is_deployed():
    texts = " ".join(path.read_text("utf-8") for path in INFRA.glob("*.bicep"))
    assert set(re.findall(r"'queries/([\w-]+\.kql)'", texts)) == set(FILES)
    assert len(alert_criteria()) == 5
    assert len(workbook_queries()) == 11


def test_the_queries_have_no_problems(checked):
    names = [*alert_criteria(), *workbook_queries(), *QUERIES_OF_PAGES]
    assert {name: checked[name].problems for name in names if checked[name].problems} == {}
    assert all(checked[name].columns for name in names)


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_a_mistake_is_found(checked, number):
    told = MISTAKES[number][3]
    problems = checked[f"mistake {number}"].problems
    assert problems
    assert any(told in problem for problem in problems)


def test_a_problem_names_its_line_and_column(checked):
    number = next(i for i, row in enumerate(MISTAKES) if row[2] == "where Mesage")
    (problem,) = checked[f"mistake {number}"].problems
    assert problem.startswith("3:9: ")


def test_alerts_compare_a_number_and_split_by_a_text(checked):
    for name, criterion in alert_criteria().items():
        columns = checked[name].columns
        if criterion["timeAggregation"] != "Count":
            assert columns[criterion["metricMeasureColumn"]] in NUMBERS
        for dimension in criterion["dimensions"]:
            assert columns[dimension["name"]] == "string"


def test_alerts_look_as_far_back_as_azure_lets_them_and_no_less_than_their_window():
    for rule in deployed().of_type("Microsoft.Insights/scheduledQueryRules"):
        properties = rule.body["properties"]
        window = MINUTES[properties["windowSize"]]
        assert MINUTES[properties["evaluationFrequency"]] <= window
        longer = properties["overrideQueryTimeRange"]
        assert longer is None or window < MINUTES[longer] <= MINUTES["P2D"]


def properties_read(text):
    return set(re.findall(r"\bProperties\.(\w+)", text)) | set(
        re.findall(r'\bProperties\["(\w+)"\]', text)
    )


def compared_with(text):
    """The texts that columns and properties are compared with, but for names and messages."""
    found = re.findall(r'(\w+|\]) == "([^"]*)"', text)
    return {value for column, value in found if column not in {"Name", "Message"}}


def test_a_query_reads_metrics_or_records():
    assert set(OF_METRICS) | set(OF_RECORDS) == set(FILES)
    assert not set(OF_METRICS) & set(OF_RECORDS)


def test_every_metric_is_looked_at_and_no_other():
    asked = {name for text in FILES.values() for name in re.findall(r'"(p2c\.[\w.]+)"', text)}
    assert asked == {metric.name for metric in METRICS}


@pytest.mark.parametrize("name", OF_METRICS)
def test_attributes_that_are_read_are_those_of_the_metrics(name):
    metrics = [metric for metric in METRICS if f'"{metric.name}"' in FILES[name]]
    assert metrics
    told = {attribute for metric in metrics for attribute in metric.attributes}
    assert properties_read(FILES[name])
    assert properties_read(FILES[name]) <= told


@pytest.mark.parametrize("name", OF_METRICS)
def test_values_that_are_looked_for_are_told(name):
    metrics = [metric for metric in METRICS if f'"{metric.name}"' in FILES[name]]
    said = {word for metric in metrics for word in re.findall(r"\w+", metric.description)}
    assert compared_with(FILES[name]) <= said | OUTCOMES


def test_every_outcome_is_shown():
    shown = set(re.findall(r'Outcome == "(\w+)"', FILES["rows.kql"]))
    assert shown == OUTCOMES
    found = {name for name in properties_read(FILES["executions.kql"]) if name.startswith("rows_")}
    assert found == {f"rows_{outcome}" for outcome in OUTCOMES}


@pytest.mark.parametrize("name", OF_RECORDS)
def test_messages_that_are_looked_for_are_logged(name):
    texts = {
        node.value
        for tree in FUNCTIONS
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(re.findall(r'Message == "([^"]+)"', FILES[name])) <= texts


@pytest.mark.parametrize("name", OF_RECORDS)
def test_particulars_that_are_read_are_logged(name):
    calls = [
        node
        for tree in FUNCTIONS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "log"
    ]
    given = {keyword.arg for call in calls for keyword in call.keywords}
    of_rows = {f"rows_{outcome}" for outcome in OUTCOMES}
    known = given | set(inspect.signature(log).parameters) | {"code", "reason"} | of_rows
    assert properties_read(FILES[name]) <= known - {"error", "level", "outcomes", "more"}


@pytest.mark.parametrize("name", OF_RECORDS)
def test_records_of_the_host_are_left_out(name):
    """They have no action; a text of p2c's is among them where the worker sends its own, too."""
    assert "isnotempty(Properties.action)" in FILES[name]


def test_the_workbook_asks_for_the_time_that_is_chosen():
    (parameters,) = (item for item in workbook_items() if item["type"] == 9)
    (chosen,) = parameters["content"]["parameters"]
    queries = [item["content"] for item in workbook_items() if item["type"] == 3]
    assert {query["timeContextFromParameter"] for query in queries} == {chosen["name"]}
