"""Names as table keys: reversible, permitted, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.storage.names import decode_name, encode_name, name_order

# Mostly the characters that matter, so that short names meet every case.
NAMES = st.text(
    st.one_of(
        st.sampled_from('/\\#?.~[>" _x0A7F\x00\x1f\x7f\x9f'),
        st.characters(codec="utf-8"),
    ),
    max_size=12,
)


@given(NAMES)
def test_a_name_comes_back_from_its_key(name: str) -> None:
    assert decode_name(encode_name(name)) == name


@given(NAMES)
def test_a_key_holds_nothing_that_azure_forbids(name: str) -> None:
    key = encode_name(name)
    assert not set(key) & set("/\\#?")
    assert not [char for char in key if ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F]


@given(NAMES, NAMES)
def test_keys_sort_as_their_names_do(one: str, other: str) -> None:
    assert (name_order(encode_name(one)) < name_order(encode_name(other))) == (
        name_order(one) < name_order(other)
    )


@given(NAMES, NAMES)
def test_a_prefix_of_a_name_is_a_prefix_of_its_key(start: str, rest: str) -> None:
    assert encode_name(start + rest).startswith(encode_name(start))


def test_ordinary_names_are_their_own_keys() -> None:
    name = "accounts|7f0c1c8e-2b1d-4e7c-9a55-0d3f6a1b2c3d:USMF=ACC-01000_BVRCPS"
    assert encode_name(name) == name


def test_the_limit_counts_utf16_units() -> None:
    encode_name("😀" * 256)
    with pytest.raises(ValueError, match="takes 514 UTF-16 units"):
        encode_name("😀" * 257)
