"""`templates` lists, shows and gives schemas; it needs no settings, storage or service."""

import json

import pytest
from typer.testing import CliRunner

from p2c.cli.main import commands
from p2c.templates import shipped_names
from p2c.templates.json_schema import FOLDER


def called(*words, status=0, **settings):
    done = CliRunner().invoke(commands, ["templates", *words], env=settings)
    assert done.exit_code == status, done.output
    return done


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("P2C_DATAVERSE_URL", "P2C_FNO_URL", "P2C_LEGAL_ENTITY", "P2C_PROJECTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def projects(tmp_path):
    (tmp_path / "north.toml").write_text(
        'template = "accounts"\n'
        '[tasks."Accounts - Customers"]\n'
        'remove = ["SalesMemo"]\n'
        '[tasks."Accounts - Customers".fields]\n'
        'SiteId = { default = "2" }\n'
    )
    return str(tmp_path)


@pytest.mark.parametrize("words", [(), ("list",)])
def test_templates_are_listed_with_and_without_the_word(words, projects):
    shown = called(*words, P2C_PROJECTS=projects).stdout
    assert [line.partition(":")[0] for line in shown.splitlines() if line[0] != " "] == list(
        shipped_names()
    )
    assert "  Accounts - Customers: account → CustomersV2\n" in shown
    assert "  runs after accounts\n  schedule in P2C_SCHEDULE_CONTACTS\n" in shown
    assert shown.count("  project none: as shipped\n") == 2
    document = json.loads(called(*words, "--json", P2C_PROJECTS=projects).stdout)
    assert [one["project"] for one in document] == ["north.toml", None, None]
    assert document[2] == {
        "name": "contacts-to-customer",
        "title": "Contacts to Customer (Sales to Fin and Ops) - Direct",
        "tasks": [{"name": "ContactToCustomer", "source": "contact", "destination": "CustomersV2"}],
        "prerequisites": ["accounts"],
        "schedule_setting": "P2C_SCHEDULE_CONTACTS_TO_CUSTOMER",
        "project": None,
    }


def test_a_template_is_shown_line_by_line_and_what_the_project_changes_is_marked(projects):
    rows = called("show", "accounts", P2C_PROJECTS=projects).stdout.splitlines()
    assert "Project north.toml: what it changes is marked *." in rows
    assert "Not mapped*: SalesMemo" in rows
    site = next(row.split() for row in rows if "SiteId" in row)
    assert site[:5] == ["*", "Fn", "SiteId", "default", '"2"']
    name = next(row.split() for row in rows if " OrganizationName " in row)
    assert name[:3] == ["name", "=", "OrganizationName"]
    assert "  usa → US" in rows


def test_a_template_is_shown_as_json(projects):
    document = json.loads(called("show", "accounts", "--json", P2C_PROJECTS=projects).stdout)
    assert document["schedule_setting"] == "P2C_SCHEDULE_ACCOUNTS"
    (task,) = document["tasks"]
    assert task["removed"] == ["SalesMemo"]
    site = next(line for line in task["lines"] if line["destination"] == "SiteId")
    assert site == {
        "source": "",
        "map_type": "Fn",
        "destination": "SiteId",
        "transform": 'default "2"',
        "is_key": False,
        "is_mandatory": False,
        "length": 10,
        "is_overridden": True,
    }


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ((), "template.schema.json"),
        (("template",), "template.schema.json"),
        (("project", "--json"), "project.schema.json"),
    ],
    ids=str,
)
def test_the_schema_is_that_of_the_file(words, file):
    assert called("schema", *words).stdout == (FOLDER / file).read_text("utf-8")


def test_an_unknown_template_is_wrong_use():
    done = called("show", "acounts", status=2)
    assert done.stderr.startswith("TEMPLATE: found 'acounts'; expected one of accounts, contacts,")


def test_a_folder_of_projects_that_is_not_there_is_an_error():
    done = called(status=2, P2C_PROJECTS="/no/such/folder")
    assert done.stderr.startswith("P2C_PROJECTS: found '/no/such/folder'")
    assert done.stderr.count("\n") == 1, "other settings do not matter"
