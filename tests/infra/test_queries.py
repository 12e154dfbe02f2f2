"""The queries of the alerts and the workbook, by Kusto's language service and by what is logged."""

import ast
import inspect
import json
import re

import pytest

from p2c.functions.logs import log
from p2c.model import Outcome
from tests.infra.deployment import deployed
from tests.infra.files import INFRA, ROOT
from tools.kql_check.check import check_queries

FILES = {path.name: path.read_text("utf-8") for path in sorted((INFRA / "queries").glob("*.kql"))}
FUNCTIONS = [
    ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "p2c/functions").glob("*.py"))
]
NUMBERS = {"int", "long", "real", "decimal"}
HOSTS_OWN = "Trigger Details: MessageId: "

# What is wrong: file, what stands there, what is put instead, what the service says.
MISTAKES = [
    ("poison.kql", "AppTraces", "AppTrace", "'AppTrace' does not refer to any known"),
    ("poison.kql", "where Message", "where Mesage", "'Mesage' does not refer to any known"),
    ("poison.kql", "count()", "cout()", "'cout' does not refer to any known function"),
    ("rejected.kql", "replace_string(", "replace_strings(", "must be a dynamic array"),
    ("rejected.kql", "by Template =", "by Template ==", "'Template' does not refer to any known"),
    ("late.kql", ") on Template", ") on Templates", "'Templates' does not refer to any known"),
    ("late.kql", "kind=leftouter", "kind=leftoutermost", "Expected one of: inner"),
    ("late.kql", "]", "", "Expected: ]"),
    ("old-messages.kql", "1, Message)", "1)", "'extract' expects 4 arguments"),
    ("old-messages.kql", "| extend", "| extends", "Query operator expected"),
    ("outcomes.kql", "mv-expand Outcome =", "mv-expand Outcome ==", "must have the type dynamic"),
    ("outcomes.kql", '"A message is done"', '"A message is done', "Missing: "),
    ("executions.kql", "order by Started", "order by Begun", "'Begun' does not refer to any known"),
    ("freshness.kql", "1m, 1)", "1m, 1", "Expected: )"),
    ("requests.kql", "DurationMs", "Duration", "'Duration' does not refer to any known"),
    ("requests.kql", "percentile(DurationMs, 95)", "percentile(95)", "expects 2 arguments"),
    ("throttled.kql", "100.0 * Throttled", "100.0 * Trottled", "'Trottled' does not refer"),
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
    return check_queries(deployed_queries | workbook_queries() | mistaken)


def test_every_query_is_deployed():
    texts = " ".join(path.read_text("utf-8") for path in INFRA.glob("*.bicep"))
    assert set(re.findall(r"'queries/([\w-]+\.kql)'", texts)) == set(FILES)
    assert len(alert_criteria()) == 5
    assert len(workbook_queries()) == 6


def test_the_deployed_queries_have_no_problems(checked):
    names = [*alert_criteria(), *workbook_queries()]
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
    minutes = {"PT15M": 15, "PT30M": 30, "PT1H": 60, "P2D": 2880}
    for rule in deployed().of_type("Microsoft.Insights/scheduledQueryRules"):
        properties = rule.body["properties"]
        window = minutes[properties["windowSize"]]
        assert minutes[properties["evaluationFrequency"]] <= window
        longer = properties["overrideQueryTimeRange"]
        assert longer is None or window < minutes[longer] <= minutes["P2D"]


@pytest.mark.parametrize("name", FILES)
def test_messages_that_are_looked_for_are_logged(name):
    texts = {
        node.value
        for tree in FUNCTIONS
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    lines = re.findall(r"Message (?:==|in|startswith) .*", FILES[name])
    asked = {text for line in lines for text in re.findall(r'"([^"]+)"', line)}
    assert asked - {HOSTS_OWN} <= texts


@pytest.mark.parametrize("name", FILES)
def test_particulars_that_are_read_are_logged(name):
    calls = [
        node
        for tree in FUNCTIONS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "log"
    ]
    given = {keyword.arg for call in calls for keyword in call.keywords}
    known = given | set(inspect.signature(log).parameters) | {"code", "reason"}
    assert set(re.findall(r"\bProperties\.(\w+)", FILES[name])) <= known - {"error", "level"}
    outcomes = {outcome.value for outcome in Outcome}
    assert set(re.findall(r"\bOutcomes\.(\w+)", FILES[name])) <= outcomes


def test_the_workbook_asks_for_the_time_that_is_chosen():
    (parameters,) = (item for item in workbook_items() if item["type"] == 9)
    (chosen,) = parameters["content"]["parameters"]
    queries = [item["content"] for item in workbook_items() if item["type"] == 3]
    assert {query["timeContextFromParameter"] for query in queries} == {chosen["name"]}
