"""Text that is too long for a property of Azure Tables comes back whole."""

import pytest

from p2c.storage.limits import check_body
from p2c.sync.long_text import TEXT_PART, cut_text, joined_text


@pytest.mark.parametrize("length", [0, 1, TEXT_PART, TEXT_PART + 1, 3 * TEXT_PART])
def test_text_of_any_length_is_cut_into_properties_that_fit_and_joined_again(length: int):
    text = "".join(str(number % 10) for number in range(length))
    body = cut_text("keys", text)
    check_body("row", body)
    assert len(body) == -(-length // TEXT_PART)
    assert joined_text({**body, "other": "x"}, "keys") == text


def test_short_text_is_one_property_of_its_own_name():
    assert cut_text("keys", "[]") == {"keys": "[]"}
