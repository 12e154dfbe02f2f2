from decimal import Decimal

import pytest

from p2c.mapping.conversion import FieldType
from p2c.mapping.engine import FieldMapping, RecordMapping, Requirement, SkipReason, fingerprint
from p2c.mapping.filters import parse_filter
from p2c.mapping.result import Mapped, NotMapped, Prerequisite
from p2c.mapping.sources import Column, LookupColumn
from p2c.mapping.transforms import Default, ValueMap
from p2c.model import LookupRow, Outcome, Reason, RecordKey, SourceRow

TEXT = FieldType("Edm.String", max_length=20)
NUMBER = FieldMapping("Account", Column("number"), (), TEXT)
PARENT = FieldMapping("Parent", LookupColumn("company", (("account", "number"),)), (), TEXT)
GROUP = FieldMapping("Group", Column("group"), (Default("10"),), TEXT)
LIMIT = FieldMapping("Limit", Column("limit"), (), FieldType("Edm.Decimal"))
COLOUR = FieldMapping("Colour", Column("colour"), (ValueMap("its map", {"red": "R"}),), TEXT)
REASONS = (
    SkipReason(parse_filter("state eq 1", Column), Reason("inactive", "it is inactive")),
    SkipReason(None, Reason("other", "for another reason")),
)


def mapping(*fields, key=("dataAreaId", "Account"), requirements=()):
    return RecordMapping(
        "Customers",
        key,
        "usmf",
        fields or (NUMBER, GROUP, LIMIT, COLOUR),
        parse_filter("state eq 0", Column),
        REASONS,
        requirements,
    )


CONTACTS = mapping(
    NUMBER,
    PARENT,
    COLOUR,
    key=("dataAreaId", "Account", "Parent"),
    requirements=(Requirement(PARENT, "company", {"account": ("accounts", "Customers", "Party")}),),
)


def row(company: LookupRow | None = None, **columns) -> SourceRow:
    return SourceRow("r1", "1", {"number": "ACC-1", "state": 0, **columns}, {"company": company})


def test_a_row_becomes_a_record_with_its_key_and_its_blanks():
    assert mapping()(row(limit=12.5, colour="Red")) == Mapped(
        RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", "ACC-1"))),
        {"Account": "ACC-1", "Group": "10", "Limit": Decimal("12.5"), "Colour": "R"},
    )
    blank = mapping()(row(limit=None, colour=" "))
    assert isinstance(blank, Mapped)
    assert blank.values == {"Account": "ACC-1", "Group": "10", "Limit": None, "Colour": None}


@pytest.mark.parametrize(("state", "code"), [(1, "inactive"), (2, "other"), (None, "other")])
def test_a_row_that_the_filter_leaves_out_is_skipped_with_the_first_reason_that_holds(state, code):
    result = mapping()(row(state=state, colour="green"))
    assert isinstance(result, NotMapped)
    assert (result.outcome, result.reason.code) == (Outcome.SKIPPED, code)


@pytest.mark.parametrize(("number", "key"), [("ACC-1", "ACC-1"), (" ", None), ("x" * 21, None)])
def test_a_row_that_is_left_out_still_says_whose_key_it_has(number, key):
    result = mapping()(row(state=1, number=number))
    assert isinstance(result, NotMapped)
    assert (result.key and result.key.parts[1]) == (key and ("Account", key))


@pytest.mark.parametrize("number", [None, "", "  "])
def test_a_row_without_its_number_is_skipped_even_when_a_value_is_bad(number):
    result = mapping()(row(number=number, colour="green"))
    assert isinstance(result, NotMapped)
    assert (result.outcome, result.reason) == (
        Outcome.SKIPPED,
        Reason(
            "number-missing",
            "number is blank, and Account is part of the integration key of Customers; "
            "fill it in Sales",
        ),
    )


@pytest.mark.parametrize("number", ["ACC*", "*", "ACC\t1", "ACC\x001", "ACC\n1"])
def test_a_number_that_f_and_o_would_misread_is_rejected(number):
    result = mapping()(row(number=number))
    assert isinstance(result, NotMapped)
    assert (result.outcome, result.reason.code) == (Outcome.REJECTED, "key-not-usable")
    assert result.reason.text.startswith("Account (from number): an integration key may hold")


@pytest.mark.parametrize("number", ["O'Brien", "ACC/1", "Å-1", "ACC 1", "%2A", "a,b='c'"])
def test_a_number_with_other_marks_is_a_key_as_it_is(number):
    result = mapping()(row(number=number))
    assert isinstance(result, Mapped)
    assert result.key.parts[1] == ("Account", number)


def test_rejected_fields_are_all_named_and_the_first_gives_the_code():
    result = mapping()(row(number="x" * 21, limit="much", colour="green", group="g" * 30))
    assert isinstance(result, NotMapped)
    assert result.outcome is Outcome.REJECTED
    assert result.reason == Reason(
        "value-too-long",
        "Account (from number): 21 characters, at most 20 fit; shorten it in Sales or let the "
        "field truncate; "
        "Group (from group): 30 characters, at most 20 fit; shorten it in Sales or let the "
        "field truncate; "
        "Limit (from limit): expected a number (Edm.Decimal), found text; "
        "rejected as well: Colour",
    )


def test_a_record_names_the_record_it_needs_first():
    company = LookupRow("account", "a1", {"number": "ACC-9"})
    result = CONTACTS(row(company, number="CON-1"))
    assert isinstance(result, Mapped)
    assert result.key.parts == (
        ("dataAreaId", "usmf"),
        ("Account", "CON-1"),
        ("Parent", "ACC-9"),
    )
    assert result.prerequisites == (
        Prerequisite("Customers", "Party", "ACC-9", "accounts", "account", "a1"),
    )


def test_a_parent_without_a_number_makes_the_row_wait_for_it_by_id():
    result = CONTACTS(row(LookupRow("account", "a1", {"number": " "})))
    assert isinstance(result, NotMapped)
    assert (result.outcome, result.reason.code) == (
        Outcome.WAITING,
        "prerequisite-without-number",
    )
    assert result.prerequisite == Prerequisite(
        "Customers", "Party", "", "accounts", "account", "a1"
    )


def test_a_missing_number_or_a_bad_value_comes_before_waiting():
    company = LookupRow("account", "a1", {})
    skipped = CONTACTS(row(company, number=None))
    rejected = CONTACTS(row(company, colour="green"))
    assert isinstance(skipped, NotMapped)
    assert isinstance(rejected, NotMapped)
    assert skipped.reason.code == "number-missing"
    assert rejected.reason.code == "value-not-mapped"


def test_an_empty_lookup_in_the_key_is_a_missing_number():
    result = CONTACTS(row(None))
    assert isinstance(result, NotMapped)
    assert (result.outcome, result.reason.code) == (Outcome.SKIPPED, "number-missing")
    assert result.reason.text.startswith("company.number is blank")


def test_a_bad_number_of_a_parent_is_rejected_rather_than_waited_for():
    result = CONTACTS(row(LookupRow("account", "a1", {"number": "ACC*"})))
    assert isinstance(result, NotMapped)
    assert result.reason.code == "key-not-usable"


def test_a_fingerprint_changes_with_what_it_is_of():
    assert fingerprint(mapping()) == fingerprint(mapping())
    assert fingerprint(mapping()) != fingerprint(mapping(NUMBER))
