"""JSON with exact decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.odata import exact_json

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_an_amount_keeps_every_digit_from_reading_to_writing():
    text = '{"CreditLimit":0.1000000000000000055511151231257827}'
    assert exact_json.dumps(exact_json.loads(text)) == text


def test_an_amount_is_written_as_a_number_and_not_as_text():
    assert exact_json.dumps({"CreditLimit": Decimal("25000.10")}) == '{"CreditLimit":25000.10}'


def test_an_amount_with_an_exponent_is_written_in_plain_digits():
    assert exact_json.dumps(Decimal("1E+3")) == "1000"


def test_a_huge_exponent_does_not_fill_the_memory():
    assert len(exact_json.dumps(Decimal("1E+999999"))) < 20


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan")])
def test_what_is_no_number_in_json_is_refused(value):
    with pytest.raises(ValueError, match=r"(?i)json"):
        exact_json.dumps(value)


def test_a_value_of_another_type_is_refused_and_named():
    with pytest.raises(ValueError, match="type set has no JSON form"):
        exact_json.dumps({"a": {1, 2}})


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "", "{", '{"a":1} x', "9" * 5000])
def test_what_is_no_json_is_refused_with_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its text, the kind is the promise
        exact_json.loads(text)


def test_a_byte_order_mark_is_skipped():
    assert exact_json.loads(b"\xef\xbb\xbf[1]") == [1]


def test_text_is_written_in_ascii_so_that_no_encoding_can_spoil_it():
    assert exact_json.dumps("Bjørn\u2028").isascii()


@given(JSON_VALUES)
def test_whatever_is_written_reads_back_equal(value):
    assert exact_json.loads(exact_json.dumps(value)) == value
