"""What a check says of F&O's metadata, compared with what the tasks write."""

from dataclasses import replace

import pytest

from p2c.model import DestinationMetadata, EntityDefinition
from p2c.sync.check_destination import compare_entity, references
from p2c.sync.findings import Verdict
from p2c.templates import load_templates

TASKS = [task for template in load_templates(legal_entity="usmf") for task in template.tasks]
CONTACTS = next(task for task in TASKS if task.task == "Contacts")
ENUMS = {
    "Gender": frozenset({"Unknown", "Male", "Female", "NonSpecific"}),
    "DirPersonMaritalStatus": frozenset({"None", "Single", "Married", "Divorced", "Widowhood"}),
    "NoYes": frozenset({"No", "Yes"}),
}
RIGHT = EntityDefinition(
    CONTACTS.key_fields,
    {**CONTACTS.field_types, "dataAreaId": "Edm.String"},
    frozenset(CONTACTS.key_fields),
)
PLACE = "data entity 'CDSContactPersons' of contacts: Contacts"


def compare(entity=RIGHT, enums=ENUMS, **changed):
    changed_entity = replace(entity, **changed)
    metadata = DestinationMetadata(
        frozenset({"CDSContactPersons"}), {"CDSContactPersons": changed_entity}, enums
    )
    return compare_entity(metadata, CONTACTS)


def fields(**changed):
    found = {**RIGHT.fields, **changed}
    return {name: kind for name, kind in found.items() if kind is not None}


def test_a_data_entity_as_it_should_be_is_one_line():
    (finding,) = compare()
    assert (finding.verdict, finding.subject) == (Verdict.WELL, PLACE)
    assert finding.found == "key and 23 fields are as the template says"


def test_enums_are_compared_without_case_and_underscores():
    other = {"NOYES": ENUMS["NoYes"], **ENUMS}
    assert compare(fields=fields(IsInactive="enum:NO_YES"), enums=other)[0].verdict is Verdict.WELL


def test_a_data_entity_that_is_not_there_is_broken():
    metadata = DestinationMetadata(frozenset({"CustomersV2"}), {}, {})
    (finding,) = compare_entity(metadata, CONTACTS)
    assert (finding.verdict, finding.code) == (Verdict.BROKEN, "entity-unknown")


WRONG = {
    "key in another order": (
        {"key": ("ContactPersonPartyNumber", "dataAreaId", "AssociatedPartyNumber")},
        (
            "entity-differs",
            PLACE,
            "the key ContactPersonPartyNumber, dataAreaId, AssociatedPartyNumber",
            "the key dataAreaId, ContactPersonPartyNumber, AssociatedPartyNumber",
        ),
    ),
    "field missing": (
        {"fields": fields(Notes=None)},
        ("field-unknown", f"{PLACE}, field 'Notes'", "no such field", "a field of type Edm.String"),
    ),
    "field of another type": (
        {"fields": fields(Notes="Edm.Int32")},
        ("type-mismatch", f"{PLACE}, field 'Notes'", "type Edm.Int32", "type Edm.String"),
    ),
    "enum in place of text": (
        {"fields": fields(ContactPersonPartyType="enum:DirPartyType")},
        (
            "type-mismatch",
            f"{PLACE}, field 'ContactPersonPartyType'",
            "type enum:DirPartyType",
            "type Edm.String",
        ),
    ),
    "member missing": (
        {"enums": {**ENUMS, "DirPersonMaritalStatus": ENUMS["DirPersonMaritalStatus"] - {"None"}}},
        (
            "enum-member-unknown",
            f"{PLACE}, field 'MaritalStatus'",
            "enum DirPersonMaritalStatus has no member 'None'",
            "one of Divorced, Married, Single, Widowhood",
        ),
    ),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_what_differs_is_said_with_what_was_expected(change, said):
    (finding,) = compare(**change)
    code, subject, found, expected = said
    assert finding.verdict is Verdict.BROKEN
    assert (finding.area, finding.code, finding.subject) == ("fno", code, subject)
    assert (finding.found, finding.expected) == (found, expected)
    assert finding.advice


def test_a_field_that_marks_old_records_has_to_be_there_though_nothing_is_mapped_to_it():
    kinds = {name: kind for name, kind in CONTACTS.field_types.items() if name != "IsInactive"}
    task = replace(CONTACTS, field_types=kinds, given={})
    entity = replace(RIGHT, fields=fields(IsInactive=None))
    metadata = DestinationMetadata(frozenset(), {"CDSContactPersons": entity}, ENUMS)
    (finding,) = compare_entity(metadata, task)
    assert (finding.code, finding.subject) == ("field-unknown", f"{PLACE}, field 'IsInactive'")


def test_a_mark_of_old_records_has_to_be_a_member():
    task = replace(CONTACTS, given={}, retired={"IsInactive": "Maybe"})
    metadata = DestinationMetadata(frozenset(), {"CDSContactPersons": RIGHT}, ENUMS)
    (finding,) = compare_entity(metadata, task)
    assert finding.code == "enum-member-unknown"
    assert "'Maybe'" in finding.found


def test_a_mandatory_field_that_is_not_mapped_is_a_warning():
    required = RIGHT.required | {"EmploymentProfession", "Initials"}
    well, warning = compare(required=required, fields=fields(Initials="Edm.String"))
    assert well.verdict is Verdict.WELL
    assert (warning.verdict, warning.code) == (Verdict.WARNING, "mandatory-unmapped")
    assert warning.subject == f"{PLACE}, field 'Initials'"


def test_values_that_refer_to_set_up_data_come_with_the_tasks_that_give_them():
    accounts, customers = (
        "accounts: Accounts - Customers",
        "contacts-to-customer: ContactToCustomer",
    )
    assert references(TASKS) == {
        "CustomerGroupId": {"10": [accounts, customers]},
        "SiteId": {"1": [accounts]},
        "WarehouseId": {"13": [accounts]},
    }
