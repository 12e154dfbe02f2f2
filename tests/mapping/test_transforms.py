from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.mapping import countries
from p2c.mapping.conversion import FieldType, convert
from p2c.mapping.countries import country_code
from p2c.mapping.transforms import (
    Country,
    Default,
    Truncate,
    ValueMap,
    apply_all,
    left_side,
)
from p2c.mapping.values import Rejection

COLOURS = ValueMap("value map 'colours'", {"red": "R", "1": "one", "true": "T", "": "none"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "10"), ("", "10"), ("   ", "10"), ("20", "20"), (0, 0), (False, False)],
)
def test_a_default_fills_blanks_only(value, expected):
    assert Default("10").apply(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("red", "R"),
        ("RED", "R"),
        ("  Red ", "R"),
        (1, "one"),
        (1.0, "one"),
        (Decimal("1.00"), "one"),
        (True, "T"),
        (None, "none"),
        ("", "none"),
    ],
)
def test_a_value_map_finds_its_left_side_whatever_case_blanks_and_number_type(value, expected):
    assert COLOURS.apply(value) == expected


def test_a_value_that_the_map_lacks_is_rejected_by_name():
    assert COLOURS.apply(" Blue\n") == Rejection(
        "value-not-mapped",
        "'Blue' is not in value map 'colours'",
        "add it there or correct the row in Sales",
    )


def test_a_long_value_is_named_by_its_beginning():
    result = COLOURS.apply("x" * 500)
    assert isinstance(result, Rejection)
    assert len(result.text) < 160


def test_a_value_that_the_map_lacks_passes_through_when_the_map_says_so():
    assert ValueMap("m", {"a": "b"}, pass_through=True).apply("Blue") == "Blue"


def test_a_blank_stays_blank_without_a_blank_left_side():
    assert convert(ValueMap("m", {"a": "b"}).apply("  "), FieldType("Edm.String")) is None


def test_letters_that_only_fold_alike_are_one_left_side():
    assert ValueMap("m", {left_side("Hauptstraße"): "found"}).apply("HAUPTSTRASSE") == "found"


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_upper_and_lower_case_of_a_left_side_are_one(text):
    entries = {left_side(text): "found"}
    assert ValueMap("m", entries).apply(text) == "found"
    assert ValueMap("m", entries).apply(f" {text}\t") == "found"
    if left_side(text.upper()) == left_side(text):
        assert ValueMap("m", entries).apply(text.upper()) == "found"


def test_truncate_cuts_text_and_leaves_other_values():
    assert Truncate(3).apply("Østfold") == "Øst"
    assert Truncate(3).apply("abc   ") == "abc"
    assert Truncate(3).apply(12345) == 12345


def test_transforms_run_in_order_and_the_first_rejection_ends_them():
    assert apply_all(None, (Default("RED"), COLOURS, Truncate(1))) == "R"
    later = ValueMap("another map", {"a": "b"})
    assert apply_all("green", (COLOURS, later)) == COLOURS.apply("green")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NO", "NO"),
        ("no", "NO"),
        ("NOR", "NO"),
        ("578", "NO"),
        ("Norge", "NO"),
        ("Noreg", "NO"),
        ("norway", "NO"),
        ("Kingdom of Norway", "NO"),
        ("Tyskland", "DE"),
        ("Storbritannia", "GB"),
        ("United Kingdom", "GB"),
        ("the Netherlands", "NL"),
        ("Nederland", "NL"),
        ("U.S.A.", "US"),
        ("United States of America", "US"),
        ("Østerrike", "AT"),
        ("ØSTERRIKE", "AT"),
        ("Cote d'Ivoire", "CI"),
        ("Côte d\u2019Ivoire", "CI"),
        ("South Korea", "KR"),
        ("Tsjekkia", "CZ"),
        ("Sverige", "SE"),
        ("  sverige ", "SE"),
        ("Japan", "JP"),
        ("Åland", "AX"),
        ("IN", "IN"),
        ("Tyrkia", "TR"),
        ("Viet Nam", "VN"),
    ],
)
def test_a_country_is_known_by_code_and_by_english_or_norwegian_name(text, code):
    assert country_code(text) == code
    assert Country().apply(text) == code


@pytest.mark.parametrize("text", ["ja", "Narnia", "EU", "Europa", "001", "999", "-", "XX"])
def test_what_is_no_country_is_not_guessed(text):
    assert country_code(text) is None
    result = Country().apply(text)
    assert isinstance(result, Rejection)
    assert result.code == "value-not-mapped"
    assert f"'{text}'" in result.text


def test_no_spelling_stands_for_two_countries():
    codes: dict[str, set[str]] = {}
    for code, spelling in countries._spellings():
        codes.setdefault(countries._folded(spelling), set()).add(code)
    assert {spelling: found for spelling, found in codes.items() if len(found) > 1} == {}


def test_a_blank_country_is_blank():
    assert Country().apply(" ") is None


def test_spellings_of_countries_are_asked_first_and_not_questioned():
    spellings = ValueMap("m", {"kosovo": "XK", "xk": "XK", "ja": "JP", "norway": "SJ", "": "NO"})
    country = Country(spellings)
    given = ("Kosovo", "XK", "JA", "norway", "Norge", "NO", None)
    assert [country.apply(text) for text in given] == ["XK", "XK", "JP", "SJ", "NO", "NO", "NO"]
    assert isinstance(country.apply("Narnia"), Rejection)


def test_an_unknown_country_passes_through_when_the_spellings_say_so():
    country = Country(ValueMap("m", {"ja": "JP"}, pass_through=True))
    assert [country.apply(text) for text in ("ja", "Norge", "Narnia")] == ["JP", "NO", "Narnia"]
