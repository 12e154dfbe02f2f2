"""A template described as people know it from Data Integrator, with what a project changes."""

from pathlib import Path

import pytest

from p2c.errors import TemplateError
from p2c.templates import bound_templates
from p2c.templates.describe import LineDescription, describe

PROJECT = """
template = "contacts"

[value_maps.genders]
"3" = "NonSpecific"

[tasks.Contacts]
filter = "statecode eq 0"
when_deleted = "report"
remove = ["Notes"]

[tasks.Contacts.fields]
EmploymentProfession = { default = "Buyer", truncate = 30 }
FirstName = { source = "nickname", transforms = '[{"transformType":"Truncate"}]' }
"""


def described(name: str, folder: Path | None = None):
    return next(describe(one) for one in bound_templates(folder) if one.name == name)


def lines(description) -> dict[str, LineDescription]:
    return {line.destination: line for line in description.tasks[0].lines}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "people.toml").write_text(PROJECT)
    return tmp_path


def test_a_copy_a_constant_and_a_function_are_told_apart():
    found = lines(described("contacts"))
    assert found["LastName"] == LineDescription(
        "lastname", "=", "LastName", "", False, True, 25, False
    )
    assert found["ContactPersonPartyType"] == LineDescription(
        "", "Fn", "ContactPersonPartyType", 'default "Person"', False, False, None, False
    )
    number = found["ContactPersonPartyNumber"]
    assert (number.is_key, number.is_mandatory, number.length) == (True, True, 40)


@pytest.mark.parametrize(
    ("template", "field", "transform"),
    [
        ("contacts", "Gender", "value map 'genders'"),
        (
            "contacts",
            "IsReceivingDirectMail",
            "value map blank → Yes, true → No, false → Yes",
        ),
        ("accounts", "AddressCountryRegionISOCode", "value map 'countries'; country code"),
        ("accounts", "AddressDescription", "truncate"),
    ],
)
def test_transforms_are_told_in_the_order_they_run(template, field, transform):
    line = lines(described(template))[field]
    assert (line.map_type, line.transform) == ("Fn", transform)


def test_the_task_tells_filter_prerequisites_and_policies():
    (task,) = described("contacts").tasks
    assert task.filter.startswith("msdynce_isactivecustomer eq false")
    assert task.prerequisites == (
        "AssociatedPartyNumber is the PartyNumber of the record that template 'accounts' makes of "
        "the account",
    )
    assert task.policies["retired"] == "IsInactive → Yes"
    assert {"when_deleted", "when_moved"} < task.policies.keys()


def test_as_shipped_nothing_is_marked():
    found = described("contacts")
    assert (found.project, found.overridden_value_maps) == ("", ())
    (task,) = found.tasks
    assert (task.removed, task.overridden) == ((), ())
    assert not any(line.is_overridden for line in task.lines)


def test_what_a_project_changes_is_marked_and_nothing_else(project):
    found = described("contacts", project)
    assert found.project == "people.toml"
    assert found.overridden_value_maps == ("genders",)
    assert found.value_maps["genders"]["3"] == "NonSpecific"
    (task,) = found.tasks
    assert task.removed == ("Notes",)
    assert task.overridden == ("filter", "when_deleted")
    assert task.filter == "statecode eq 0"
    changed = {line.destination: line for line in task.lines if line.is_overridden}
    assert {name: line.transform for name, line in changed.items()} == {
        "EmploymentProfession": 'default "Buyer"; truncate to 30',
        "FirstName": '{"transformType": "Truncate"}',
    }
    assert changed["EmploymentProfession"].source == "jobtitle"
    assert described("accounts", project).project == ""


def test_a_project_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "mine.toml").write_text('template = "acounts"\n')
    with pytest.raises(TemplateError, match="no template 'acounts'"):
        bound_templates(tmp_path)
