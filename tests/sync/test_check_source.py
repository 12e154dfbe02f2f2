"""What a check says of a table's metadata, compared with what the tasks read."""

from dataclasses import replace

import pytest

from p2c.model import TableDefinition
from p2c.sync.check_source import compare_table, tables_of
from p2c.sync.findings import Verdict
from p2c.templates import load_templates

TASKS = [task for template in load_templates(legal_entity="usmf") for task in template.tasks]
CONTACTS = next(task for task in TASKS if task.task == "Contacts")
RIGHT = TableDefinition(
    "contact",
    "contacts",
    "contactid",
    True,
    {**CONTACTS.column_types["contact"], "parentcustomerid": "Customer"},
    {
        ("parentcustomerid", "account"): "parentcustomerid_account",
        ("parentcustomerid", "contact"): "parentcustomerid_contact",
    },
)


def columns(**changed: str | None) -> dict[str, str]:
    found = {**RIGHT.columns, **changed}
    return {name: kind for name, kind in found.items() if kind is not None}


def test_every_table_is_named_once_with_the_tasks_that_read_it():
    found = tables_of(TASKS)
    assert list(found) == ["account", "transactioncurrency", "contact"]
    assert [task.task for task in found["contact"]] == ["Contacts", "ContactToCustomer"]
    assert [task.task for task in found["account"]] == ["Accounts - Customers", "Contacts"]


def test_a_table_as_it_should_be_is_one_line():
    (finding,) = compare_table(RIGHT, [CONTACTS])
    assert finding.verdict is Verdict.WELL
    assert finding.found == "change tracking is on, columns that are read: 21, all there"


def test_a_table_behind_a_lookup_needs_no_change_tracking():
    account = TableDefinition(
        "account", "accounts", "accountid", False, {"accountnumber": "String"}, {}
    )
    (finding,) = compare_table(account, [CONTACTS])
    assert (finding.verdict, finding.found) == (
        Verdict.WELL,
        "columns that are read: 1, all there",
    )


def test_a_table_behind_a_lookup_has_to_have_the_key_that_is_read():
    account = TableDefinition("account", "accounts", "id", False, {"accountnumber": "String"}, {})
    (finding,) = compare_table(account, [CONTACTS])
    assert (finding.code, finding.subject) == ("table-differs", "table 'account', primary key")
    assert (finding.found, finding.expected) == ("'id'", "'accountid'")


WRONG = {
    "entity set": (
        {"entity_set": "contactses"},
        ("table-differs", "table 'contact', entity set", "'contactses'", "'contacts'"),
    ),
    "primary key": (
        {"primary_key": "id"},
        ("table-differs", "table 'contact', primary key", "'id'", "'contactid'"),
    ),
    "change tracking": (
        {"is_change_tracking_enabled": False},
        ("change-tracking-off", "table 'contact'", "change tracking is off", "it is on"),
    ),
    "column missing": (
        {"columns": columns(jobtitle=None)},
        (
            "column-unknown",
            "table 'contact', column 'jobtitle'",
            "no such column",
            "a column of type String",
        ),
    ),
    "column of another type": (
        {"columns": columns(gendercode="String")},
        (
            "type-mismatch",
            "table 'contact', column 'gendercode'",
            "type String",
            "type Picklist",
        ),
    ),
    "lookup missing": (
        {"columns": columns(parentcustomerid=None)},
        ("lookup-unknown", "table 'contact', lookup 'parentcustomerid'", "no such", "a lookup"),
    ),
    "lookup that is none": (
        {"columns": columns(parentcustomerid="String")},
        (
            "lookup-unknown",
            "table 'contact', lookup 'parentcustomerid'",
            "a column of type String",
            "a lookup",
        ),
    ),
    "navigation spelled otherwise": (
        {
            "navigation": {
                **RIGHT.navigation,
                ("parentcustomerid", "account"): "ParentCustomerId_account",
            }
        },
        (
            "lookup-unknown",
            "table 'contact', lookup 'parentcustomerid' to 'account'",
            "navigation property 'ParentCustomerId_account'",
            "navigation property 'parentcustomerid_account'",
        ),
    ),
    "target missing": (
        {"navigation": {("parentcustomerid", "contact"): "parentcustomerid_contact"}},
        (
            "lookup-unknown",
            "table 'contact', lookup 'parentcustomerid' to 'account'",
            "it does not lead there",
            "navigation property 'parentcustomerid_account'",
        ),
    ),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_what_differs_is_said_once_with_what_was_expected(change, said):
    findings = compare_table(replace(RIGHT, **change), [CONTACTS, CONTACTS])
    code, subject, found, expected = said
    (finding,) = findings
    assert finding.verdict is Verdict.BROKEN
    assert (finding.area, finding.code, finding.subject) == ("dataverse", code, subject)
    assert finding.found.startswith(found)
    assert finding.expected == expected
    assert finding.advice


@pytest.mark.parametrize(
    ("column", "kind"), [("jobtitle", "Memo"), ("statecode", "Status"), ("gendercode", "State")]
)
def test_types_that_a_mapping_treats_alike_fit(column, kind):
    (finding,) = compare_table(replace(RIGHT, columns=columns(**{column: kind})), [CONTACTS])
    assert finding.verdict is Verdict.WELL


def test_everything_that_is_wrong_is_said_not_only_the_first():
    broken = replace(RIGHT, is_change_tracking_enabled=False, columns={}, navigation={})
    findings = compare_table(broken, [CONTACTS])
    assert {finding.code for finding in findings} == {
        "change-tracking-off",
        "column-unknown",
        "lookup-unknown",
    }
    assert len(findings) == 1 + 21 + 1
