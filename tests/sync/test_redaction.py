"""People's data in a service's words."""

import pytest

from p2c.errors import cut
from p2c.sync.redaction import redacted


@pytest.mark.parametrize(
    ("text", "values", "kept"),
    [
        ("'Ann Moe' exists.", {"Name": "Ann Moe"}, "'<Name>' exists."),
        ("Met Ann. Bring tea.", {"Notes": "Met Ann.\r\nBring  tea."}, "<Notes>"),
        ("  x  Moe", {"Name": " Moe "}, "  x  <Name>"),
        ("Moesen, Moe", {"First": "Moe", "Last": "Moesen"}, "<Last>, <First>"),
        ("Fill it in, in", {"State": "in"}, "Fill it <State>, <State>"),
        ("within the line", {"State": "in"}, "within the line"),
        ("Name: Name", {"First": "Name", "Last": "First"}, "<First>: <First>"),
        ("x 5 Yes", {"Limit": 5, "Mark": "Y", "None": None}, "x 5 Yes"),
    ],
)
def test_values_are_replaced_by_the_names_of_their_fields(text, values, kept) -> None:
    assert redacted(text, values) == kept


def test_a_value_that_was_cut_off_is_replaced_as_well() -> None:
    words = cut("x" * 250 + " Annabella Moe")
    assert words.endswith(" Anna…")
    kept = redacted(f"F&O: {words}. Retry.", {"Name": "Annabella Moe"})
    assert "Anna" not in kept
    assert kept.endswith("x <Name>…. Retry.")
