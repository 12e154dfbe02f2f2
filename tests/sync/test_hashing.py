"""What hashes equally and what does not."""

from decimal import Decimal

import pytest

from p2c.model import Value
from p2c.sync.hashing import BLANK, MAYBE, hash_value, hash_values

KEY = b"a key of this installation"


def hashed(value: Value | None, field: str = "Amount") -> str:
    return hash_value(KEY, field, value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Decimal(10), Decimal("10.00")),
        (Decimal(10), 10),
        (Decimal("1E+1"), 10),
        (Decimal("0.00"), 0),
        (Decimal("-2.50"), Decimal("-2.5")),
    ],
)
def test_numbers_of_equal_value_hash_equally(one: Value, other: Value):
    assert hashed(one) == hashed(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, "1"),
        (True, "1"),
        (0, False),
        (Decimal(10), Decimal("10.01")),
        (10, "10"),
        ("Yes", "No"),
        ("", None),
        ("a", "A"),
        ("a", "a "),
    ],
)
def test_different_values_hash_differently(one: Value, other: Value | None):
    assert hashed(one) != hashed(other)


def test_a_value_hashes_differently_in_another_field():
    assert hashed("Oslo", "AddressCity") != hashed("Oslo", "AddressCounty")


def test_a_value_hashes_differently_under_another_key():
    assert hash_value(KEY, "City", "Oslo") != hash_value(b"another key", "City", "Oslo")


def test_a_field_and_its_value_cannot_be_shifted_into_each_other():
    assert hashed("bc", "a") != hashed("c", "ab")


def test_a_blank_has_its_own_sign_which_no_hash_can_be():
    assert hashed(None) == BLANK
    assert {len(BLANK), len(MAYBE)} == {1}
    assert len(hashed("Oslo")) == 12


def test_a_hash_shows_nothing_of_its_value():
    assert "Oslo" not in hashed("Oslo")


def test_a_record_is_hashed_field_by_field():
    hashes = hash_values(KEY, {"City": "Oslo", "Credit": Decimal("10.00"), "Fax": None})
    assert hashes == {
        "City": hash_value(KEY, "City", "Oslo"),
        "Credit": hash_value(KEY, "Credit", 10),
        "Fax": BLANK,
    }
