from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.mapping.conversion import FieldType, convert, empty_value
from p2c.mapping.values import Rejection, cut_text, text_length

TEXT = FieldType("Edm.String")
DECIMAL = FieldType("Edm.Decimal")
INT32 = FieldType("Edm.Int32")
INT64 = FieldType("Edm.Int64")
INSTANT = FieldType("Edm.DateTimeOffset")
BOOLEAN = FieldType("Edm.Boolean")
NO_YES = FieldType("enum:NoYes", ("No", "Yes"))
GENDER = FieldType("enum:Gender", ("Unknown", "Male", "Female", "NonSpecific"))
TYPES = [TEXT, DECIMAL, INT32, INT64, INSTANT, BOOLEAN, NO_YES, GENDER]

JSON_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.text(st.characters(), max_size=4)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)


@pytest.mark.parametrize(
    ("value", "field_type", "expected"),
    [
        ("Ålesund Måleservice", TEXT, "Ålesund Måleservice"),
        ("東京商事", TEXT, "東京商事"),
        ("  two  spaces  ", TEXT, "  two  spaces"),
        (7, TEXT, "7"),
        (True, TEXT, "true"),
        (1.50, TEXT, "1.5"),
        (Decimal("1E+3"), TEXT, "1000"),
        (12, DECIMAL, Decimal(12)),
        (0.1, DECIMAL, Decimal("0.1")),
        (Decimal("12500.00"), DECIMAL, Decimal(12500)),
        (" 12.5 ", DECIMAL, Decimal("12.5")),
        ("-3", DECIMAL, Decimal(-3)),
        (-0.0, DECIMAL, Decimal(0)),
        (42, INT32, 42),
        ("42", INT32, 42),
        (42.9, INT32, 42),
        (Decimal("-42.9"), INT32, -42),
        (2**31 - 1, INT32, 2**31 - 1),
        (-(2**63), INT64, -(2**63)),
        ("2026-11-20", INSTANT, "2026-11-20T12:00:00Z"),
        ("2026-11-20T08:00:00Z", INSTANT, "2026-11-20T08:00:00Z"),
        ("2026-11-20T08:00:00.123+01:00", INSTANT, "2026-11-20T07:00:00Z"),
        ("2026-11-20T08:00:00", INSTANT, "2026-11-20T08:00:00Z"),
        (True, BOOLEAN, True),
        ("No", BOOLEAN, False),
        (1, BOOLEAN, True),
        (True, NO_YES, "Yes"),
        (False, NO_YES, "No"),
        ("yes", NO_YES, "Yes"),
        ("FALSE", NO_YES, "No"),
        (0, NO_YES, "No"),
        (" female ", GENDER, "Female"),
    ],
)
def test_a_value_converts_to_the_type_of_its_field(value, field_type, expected):
    result = convert(value, field_type)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "field_type", "said"),
    [
        ("twelve", DECIMAL, "expected a number (Edm.Decimal), found text"),
        ("1_000", DECIMAL, "expected a number (Edm.Decimal), found text"),
        ("٣", DECIMAL, "expected a number (Edm.Decimal), found text"),
        (float("nan"), DECIMAL, "expected a number (Edm.Decimal), found a number"),
        (float("inf"), DECIMAL, "expected a number (Edm.Decimal), found a number"),
        (Decimal("1E+400"), DECIMAL, "expected a number (Edm.Decimal), found a number"),
        (True, DECIMAL, "expected a number (Edm.Decimal), found a boolean"),
        (2**31, INT32, "the number is too large for Edm.Int32"),
        (-(2**63) - 1, INT64, "the number is too large for Edm.Int64"),
        ("few", INT32, "expected a whole number (Edm.Int32), found text"),
        ("20.11.2026", INSTANT, "expected a date or time in ISO 8601 form, found text"),
        ("2026-02-30", INSTANT, "expected a date or time in ISO 8601 form, found text"),
        (5, INSTANT, "expected a date or time in ISO 8601 form, found a number"),
        (
            "0001-01-01T00:00:00+05:00",
            INSTANT,
            "expected a date or time in ISO 8601 form, found text",
        ),
        ("perhaps", BOOLEAN, "expected yes or no, found text"),
        (2, NO_YES, "expected one of No, Yes, found a number"),
        (1, GENDER, "expected one of Unknown, Male, Female, NonSpecific, found a number"),
        pytest.param(10**5000, TEXT, "expected text, found a number", id="endless-text"),
        pytest.param(
            10**5000, DECIMAL, "expected a number (Edm.Decimal), found a number", id="endless"
        ),
        ([1], TEXT, "expected text, found an unreadable value"),
        ("half \ud83d", TEXT, "expected text, found half a character"),
    ],
)
def test_a_value_that_does_not_convert_is_rejected_without_being_shown(value, field_type, said):
    assert convert(value, field_type) == Rejection("value-not-convertible", said)


def test_text_is_measured_as_the_database_stores_it():
    assert convert("ab😀", FieldType("Edm.String", max_length=4)) == "ab😀"
    result = convert("abc😀", FieldType("Edm.String", max_length=4))
    assert isinstance(result, Rejection)
    assert result.code == "value-too-long"
    assert result.text.startswith("5 characters, at most 4 fit")
    assert "abc" not in result.text


@pytest.mark.parametrize("field_type", TYPES)
@pytest.mark.parametrize("blank", [None, "", "  \t\n"])
def test_a_blank_is_no_value_for_any_type(blank, field_type):
    assert convert(blank, field_type) is None


@pytest.mark.parametrize(
    ("field_type", "expected"),
    [
        (TEXT, ""),
        (DECIMAL, Decimal(0)),
        (INT32, 0),
        (INSTANT, "1900-01-01T12:00:00Z"),
        (BOOLEAN, False),
        (NO_YES, "No"),
        (GENDER, "Unknown"),
    ],
)
def test_each_type_has_a_value_that_clears_a_field(field_type, expected):
    assert empty_value(field_type) == expected
    assert type(empty_value(field_type)) is type(expected)


@given(JSON_SCALARS, st.sampled_from(TYPES))
def test_converting_anything_gives_a_value_of_the_type_or_a_rejection(value, field_type):
    result = convert(value, field_type)
    if result is None or isinstance(result, Rejection):
        return
    if field_type.members:
        assert result in field_type.members
    elif field_type.name == "Edm.DateTimeOffset":
        assert datetime.fromisoformat(str(result)).tzinfo is not None
    else:
        kind = {"Edm.String": str, "Edm.Decimal": Decimal, "Edm.Boolean": bool}
        assert type(result) is kind.get(field_type.name, int)
    if isinstance(result, str):
        result.encode()


@given(JSON_SCALARS, st.sampled_from(TYPES))
def test_a_converted_value_converts_to_itself(value, field_type):
    once = convert(value, field_type)
    if not isinstance(once, Rejection):
        assert convert(once, field_type) == once


@given(st.text(), st.integers(1, 20))
def test_cut_text_is_the_beginning_and_fits(text, length):
    cut = cut_text(text, length)
    assert text.startswith(cut)
    assert text_length(cut) <= length
    assert cut == text or text_length(text) > length


def test_no_character_is_split_by_a_cut():
    assert cut_text("abc😀", 4) == "abc"
    assert cut_text("abc😀", 5) == "abc😀"
    assert cut_text("abc def", 4) == "abc"
