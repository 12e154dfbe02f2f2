"""docs/deploy.md names what there is, from variables to roles, tables and data entities."""

import json
import re

from p2c.settings import setting_names
from p2c.sync.check_destination import REFERENCES
from p2c.templates import load_templates, shipped_names
from tests.docs.pages import read, section
from tests.infra.azd import asked_variables, main_parameters
from tests.infra.deployment import REQUIRED, ROLE_NAMES, deployed, names_of, roles
from tests.infra.files import bicep_files
from tests.support.triggers import triggers_by_function
from tools.bicep_check.parse import parse

PAGE = read("docs/deploy.md")
TASKS = [task for template in load_templates(legal_entity="usmf") for task in template.tasks]
# What `check` asks of Dataverse and F&O besides what the tasks read and write.
METADATA_TABLES = {"entity", "attribute", "relationship"}
LISTED_ENTITIES = {"Companies"}


def rows(title):
    """The cells of each row of the tables in a section, without the heads."""
    lines = [line for line in section("docs/deploy.md", title).splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def names(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_variable_of_azd_is_listed_with_its_default_and_no_other():
    listed = {row[0].strip("`"): row[2] for row in rows("1. Deploy with timers held back")}
    asked = asked_variables()
    assert set(listed) == set(asked)
    assert {name for name, default in listed.items() if default == "required"} == {
        name for name, default in asked.items() if default is None
    }
    given = {name: default for name, default in asked.items() if default}
    assert {name: listed[name] for name in given} == {
        name: f"`{default}`" for name, default in given.items()
    }


def test_what_is_set_and_got_by_azd_is_there_and_secrets_are_set_as_such():
    pages = PAGE + read("README.md")
    plain = set(re.findall(r"azd env set (\w+)", pages))
    secret = set(re.findall(r"azd env set-secret (\w+)", pages))
    assert plain | secret <= set(asked_variables())
    secure = {
        name
        for name, one in main_parameters().items()
        if any(decorator.name == "secure" for decorator in one.decorators)
    }
    assert len(secret) == len(secure) == 2
    assert secret == {name for name in asked_variables() if "SECRET" in name or "KEY" in name}
    main = parse("main.bicep", bicep_files()["main.bicep"])[0]
    outputs = {output.name for output in main.outputs}
    assert set(re.findall(r"azd env get-value (\w+)", PAGE)) <= outputs
    assert {name for name in outputs if f"`{name}`" not in PAGE} == set()


def test_allowed_values_of_variables_are_those_of_the_bicep():
    listed = {row[0].strip("`"): row[1] for row in rows("1. Deploy with timers held back")}
    for variable, parameter in (
        ("STORAGE_SKU", "storageSku"),
        ("INSTANCE_MEMORY_MB", "instanceMemoryMB"),
    ):
        (allowed,) = (
            decorator.arguments[0]
            for decorator in main_parameters()[parameter].decorators
            if decorator.name == "allowed"
        )
        values = set(re.findall(r"Standard_\w+|\b\d{3,4}\b", str(allowed)))
        assert len(values) > 2
        assert values == set(re.findall(r"Standard_\w+|\b\d{3,4}\b", listed[variable]))


def test_each_role_is_listed_with_its_id_and_who_has_it_and_no_other():
    deployment = deployed(hashKey="k" * 32, operatorPrincipalId="someone")
    found: dict[str, set[str]] = {}
    for _, principal, name in roles(deployment):
        found.setdefault(name, set()).add("operator" if principal == "someone" else "app")
    listed = {row[0].strip("`"): row for row in rows("What each permission is for")}
    assert {name: set(row[3].split(", ")) for name, row in listed.items()} == found
    assert {row[1].strip("`"): name for name, row in listed.items()} == ROLE_NAMES
    places = {
        "storage.account": "storage account",
        "monitoring.insights": "Application Insights",
        "vault.vault": "key vault",
    }
    assert {name: row[2] for name, row in listed.items()} == {
        name: places[scope] for scope, _, name in roles(deployment)
    }


def test_read_is_asked_for_on_every_table_that_a_task_reads_and_on_no_other():
    read_by: dict[str, set[str]] = {table: {"check"} for table in METADATA_TABLES}
    for task in TASKS:
        behind = {target.table for lookup in task.query.lookups for target in lookup.targets}
        for table in {task.query.table, *task.column_types, *behind}:
            read_by.setdefault(table, set()).add(task.template)
    listed = rows("2. Dataverse: a role and an application user")
    assert {row[0].strip("`"): names(row[2]) for row in listed} == read_by
    assert {row[1] for row in listed} == {"Read"}


def test_every_data_entity_is_listed_with_the_access_that_is_needed_and_no_other():
    needed: dict[str, tuple[str, set[str]]] = {
        name: ("Read", {"check"})
        for name in LISTED_ENTITIES | {at for places in REFERENCES.values() for at, _ in places}
    }
    for task in TASKS:
        _, templates = needed.get(task.entity_set, ("", set()))
        needed[task.entity_set] = ("Read, Create, Update", templates | {task.template})
    listed = rows("3. F&O: a user and an application")
    assert {row[0].strip("`"): (row[1], names(row[2])) for row in listed} == needed


def test_functions_settings_and_routes_that_are_named_are_there():
    functions = triggers_by_function()
    disabled = set(re.findall(r"AzureWebJobs\.(\w+)\.Disabled", PAGE))
    assert disabled
    assert disabled <= set(functions)
    assert set(re.findall(r"AzureWebJobsStorage__\w+", PAGE)) <= set(setting_names())
    routes = {
        re.sub(r"\{\w+\}", "[a-z-]+", str(trigger["route"]))
        for trigger in functions.values()
        if trigger["type"] == "httpTrigger"
    }
    called = set(re.findall(r"\$URL/api/([\w/-]+)", PAGE))
    assert len(called) > 4
    assert {path for path in called if not any(re.fullmatch(one, path) for one in routes)} == set()
    assert {f"plan/{name}" for name in shipped_names()} <= called


def test_what_is_said_to_be_made_is_made():
    network = deployed(privateNetwork=True, hashKey="k" * 32)
    (group,) = names_of(network, "Microsoft.Resources/resourceGroups")
    named = set(re.findall(r"\brg-[\w-]+", PAGE))
    assert named == {group}
    assert f"azd env new {REQUIRED['environmentName']}" in PAGE
    assert len(network.of_type("Microsoft.Insights/scheduledQueryRules")) == 5
    assert "five log\nalerts" in PAGE
    assert len(network.of_type("Microsoft.Network/privateEndpoints")) == 4
    (net,) = network.of_type("Microsoft.Network/virtualNetworks")
    assert f"`{net.body['properties']['addressSpace']['addressPrefixes'][0]}`" in PAGE
    assert "`app`" in PAGE
    assert net.body["properties"]["subnets"][0]["name"] == "app"
    # One firing each five minutes, for a month of thirty days.
    firings = len(shipped_names()) * 12 * 24 * 30
    assert f"about {round(firings, -3):,} timer firings a month" in PAGE


def test_the_role_of_dataverse_has_one_name():
    assert PAGE.count('"p2c reader"') > 4
    assert '--role "p2c reader"' in PAGE
    assert set(re.findall(r'"(p2c \w+)"', PAGE)) == {"p2c reader", "p2c writer"}


def test_every_alert_and_every_part_of_the_workbook_is_explained_and_no_other():
    lines = [line.split(" | ") for line in section("docs/deploy.md", "Watch").splitlines()]
    listed = [line[0].removeprefix("| ") for line in lines if len(line) > 1]
    deployment = deployed()
    rules = deployment.of_type("Microsoft.Insights/scheduledQueryRules")
    alerts = [rule.body["properties"]["displayName"].removeprefix("p2c: ") for rule in rules]
    (workbook,) = deployment.of_type("Microsoft.Insights/workbooks")
    items = json.loads(workbook.body["properties"]["serializedData"])["items"]
    parts = [item["name"] for item in items if item["type"] == 3]
    assert listed == ["Alert", *alerts, "Part", *parts]


def test_what_alerts_and_pages_point_at_is_there():
    """Alerts are read in the portal, where nothing else leads to the pages and the workbook."""
    rules = deployed().of_type("Microsoft.Insights/scheduledQueryRules")
    said = " ".join(rule.body["properties"]["description"] for rule in rules) + PAGE
    pointed = re.findall(r'"([^"]+)" in (?:the workbook|docs/(\w+\.md))', said)
    assert len(pointed) >= 5
    parts = section("docs/deploy.md", "Watch")
    for title, page in pointed:
        assert f"\n## {title}\n" in read(f"docs/{page}") if page else f"| {title} |" in parts
