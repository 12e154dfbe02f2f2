"""The index of owners: who may write which record."""

import pytest

from p2c.model import RecordKey
from p2c.sync.owners import Owner, Owners, name_of
from tests.support.memory import MemoryDocuments

FIRST = Owner("accounts", "Accounts - Customers", "a" * 36)
SECOND = Owner("contacts-to-customer", "Contacts to Customer", "b" * 36)


def key(number: str, entity_set: str = "CustomersV2") -> RecordKey:
    return RecordKey(entity_set, (("dataAreaId", "usmf"), ("CustomerAccount", number)))


@pytest.fixture
def owners() -> Owners:
    return Owners(MemoryDocuments())


def test_the_index_names_the_row_of_each_key_and_is_silent_of_others(owners: Owners):
    assert owners.insert("CustomersV2", {key("A").identity: FIRST, key("B").identity: SECOND})
    assert owners.owners_of([key("A"), key("B"), key("C"), key("A", "CustomersV3")]) == {
        key("A").identity: FIRST,
        key("B").identity: SECOND,
    }


def test_a_key_is_found_as_f_and_o_compares_it(owners: Owners):
    owners.insert("CustomersV2", {key("acc-1").identity: FIRST})
    assert owners.owners_of([key("ACC-1 ")]) == {key("ACC-1").identity: FIRST}


def test_a_key_may_hold_what_no_name_in_storage_may():
    assert name_of(key("A/1#2?ø").identity).isalnum()
    assert name_of(("C", "a", "b")) != name_of(("C", "a|b"))


def test_new_keys_are_stored_together_or_not_at_all(owners: Owners):
    owners.insert("CustomersV2", {key("A").identity: FIRST})
    assert not owners.insert("CustomersV2", {key("A").identity: SECOND, key("B").identity: SECOND})
    assert owners.owners_of([key("A"), key("B")]) == {key("A").identity: FIRST}


def test_an_owner_is_replaced_only_if_the_index_still_says_what_it_did(owners: Owners):
    owners.insert("CustomersV2", {key("A").identity: FIRST, key("B").identity: FIRST})
    read = owners.read([key("A"), key("B")])
    owners.store("CustomersV2", {key("A").identity: (FIRST, read[key("A").identity])})
    taken = {identity: (SECOND, before) for identity, before in read.items()}
    taken[key("C").identity] = (SECOND, None)
    assert owners.store("CustomersV2", taken) == {key("B").identity, key("C").identity}
    assert owners.owners_of([key("A"), key("B"), key("C")]) == {
        key("A").identity: FIRST,
        key("B").identity: SECOND,
        key("C").identity: SECOND,
    }


def test_a_key_that_another_row_had_stays_marked_as_inherited(owners: Owners):
    identity = key("A").identity
    owners.insert("CustomersV2", {identity: FIRST})
    marks = []
    for owner in (FIRST, SECOND, SECOND, FIRST):
        before = owners.read([key("A")])[identity]
        owners.store("CustomersV2", {identity: (owner, before)})
        marks.append(owners.read([key("A")])[identity].inherited)
    assert marks == [False, True, True, True]
