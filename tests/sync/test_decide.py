"""Tables of what is written for a row, by what the ledger knows and what F&O was seen to hold."""

from decimal import Decimal
from typing import Any

import pytest

from p2c.mapping.result import Mapped
from p2c.model import Create, Outcome, RecordKey, Update, Value
from p2c.sync.decide import (
    LEFT_KEPT,
    is_trusted,
    keys_to_look_up,
    match_records,
    plan_from_ledger,
    plan_from_look,
    same_value,
    with_inherited,
)
from p2c.sync.hashing import BLANK, MAYBE, hash_values
from p2c.sync.ledger import Entry
from tests.support.memory import START
from tests.sync.builders import CONTACTS, HASH_KEY, replace, row_id

TASK = replace(
    CONTACTS,
    field_types={**CONTACTS.field_types, "Credit": "Edm.Decimal"},
    empty_values={**CONTACTS.empty_values, "Credit": 0},
)
ROW = row_id(1)


def key(number: str = "CON-1", party: str = "ACC-1") -> RecordKey:
    return RecordKey("Contacts", (("dataAreaId", "usmf"), ("Number", number), ("Party", party)))


def mapped(record_key: RecordKey | None = None, **values: Value | None) -> Mapped:
    found = record_key or key()
    return Mapped(found, {**dict(found.parts), **values})


def entry(record_key: RecordKey | None = None, **values: Value | None) -> Entry:
    """A row for which p2c wrote these values, settled."""
    return Entry(ROW, keys=(record_key or key(),), hashes=hash_values(HASH_KEY, values))


def hashed(**values: Value | None) -> dict[str, str]:
    """What the ledger holds of a record with these values, whose mark of retirement is blank."""
    return hash_values(HASH_KEY, {"IsInactive": None, **values})


def seen(*records: Any) -> Any:
    return match_records(TASK.entity_set, TASK.key_fields, records)


def record(record_key: RecordKey | None = None, **values: object) -> dict[str, object]:
    return {**dict((record_key or key()).parts), **values}


# What the ledger is trusted to know.


@pytest.mark.parametrize(
    ("known", "trusted"),
    [
        (entry(Name="Ida"), True),
        (Entry(ROW), False),
        (Entry(ROW, keys=(key(),)), False),
        (replace(entry(Name="Ida"), unsettled_until=START), False),
        (replace(entry(Name="Ida"), hashes={"Name": MAYBE}), False),
        (entry(key(party="ACC-2"), Name="Ida"), False),
        (entry(key("con-1 ", "acc-1"), Name="Ida"), True),
        (replace(entry(Name="Ida"), keys=(key(), key(party="ACC-2"))), False),
        (replace(entry(Name="Ida"), keys=(key(party="ACC-2"), key())), True),
    ],
    ids=[
        "written",
        "nothing stored",
        "key without hashes",
        "unsettled",
        "a field perhaps written",
        "another key",
        "a key that F&O takes for the same",
        "a key it had before",
        "moved and written",
    ],
)
def test_the_ledger_is_trusted_only_where_it_is_certain(known: Entry, *, trusted: bool):
    assert is_trusted(known, key()) is trusted


def test_every_key_under_which_f_and_o_may_hold_the_row_is_looked_up():
    known = replace(entry(Name="Ida"), keys=(key(party="ACC-0"), key()))
    moved = mapped(key(party="ACC-2"), Name="Ida")
    assert set(keys_to_look_up(known, moved)) == {key(party="ACC-0"), key(), key(party="ACC-2")}


# Plans from the ledger.


@pytest.mark.parametrize(
    ("before", "now", "sent"),
    [
        ({"Name": "Ida"}, {"Name": "Ida"}, {}),
        ({"Name": "Ida"}, {"Name": "Eva"}, {"Name": "Eva"}),
        ({"Name": "Ida", "Phone": "1"}, {"Name": "Ida", "Phone": "2"}, {"Phone": "2"}),
        ({"Name": "Ida"}, {"Name": "Ida", "Phone": "1"}, {"Phone": "1"}),
        ({"Name": "Ida", "Phone": None}, {"Name": "Ida", "Phone": "1"}, {"Phone": "1"}),
        ({"Name": "Ida", "Phone": "1"}, {"Name": "Ida", "Phone": None}, {"Phone": ""}),
        ({"Name": "Ida", "Phone": None}, {"Name": "Ida", "Phone": None}, {}),
        ({"Name": "Ida"}, {"Name": "Ida", "Phone": None}, {}),
        ({"Credit": Decimal(5)}, {"Credit": None}, {"Credit": 0}),
        ({"Credit": Decimal(10)}, {"Credit": Decimal("10.00")}, {}),
        ({"Name": "Ida", "Phone": "1"}, {"Name": "Ida"}, {}),
    ],
    ids=[
        "nothing changed",
        "one field changed",
        "only the changed one of two",
        "a field newly mapped",
        "a blank filled",
        "a value blanked becomes the type's empty value",
        "a blank stays blank",
        "a blank that was never written",
        "a number blanked",
        "another scale",
        "a field no longer mapped",
    ],
)
def test_only_fields_that_changed_are_sent(
    before: dict[str, Value | None], now: dict[str, Value | None], sent: dict[str, Value]
):
    plan = plan_from_ledger(TASK, entry(**before), mapped(**now), HASH_KEY)
    assert plan.operations == ((Update(key(), sent),) if sent else ())
    assert plan.outcome is (Outcome.UPDATED if sent else Outcome.UNCHANGED)
    assert plan.hashes_after == hashed(**now)
    assert not plan.creates


def test_a_field_first_written_is_stored_before_it_is_sent():
    plan = plan_from_ledger(TASK, entry(Name="Ida"), mapped(Name="Ida", Phone="1"), HASH_KEY)
    assert plan.needs_intent
    assert plan.hashes_before == {**hash_values(HASH_KEY, {"Name": "Ida"}), "Phone": MAYBE}


def test_a_field_written_before_needs_no_note_before_it_is_sent():
    plan = plan_from_ledger(TASK, entry(Name="Ida"), mapped(Name="Eva"), HASH_KEY)
    assert not plan.needs_intent
    assert plan.hashes_before == hash_values(HASH_KEY, {"Name": "Ida"})


def test_a_plan_without_operations_needs_no_note():
    assert not plan_from_ledger(TASK, entry(Name="A"), mapped(Name="A"), HASH_KEY).needs_intent


def test_a_cleared_field_is_not_known_to_be_blank_while_earlier_requests_may_act():
    before = entry(Name="Ida", Phone="1")
    plan = plan_from_ledger(TASK, before, mapped(Name="Ida", Phone=None), HASH_KEY)
    assert plan.hashes_after["Phone"] == BLANK
    assert plan.hashes_meanwhile == {**plan.hashes_after, "Phone": MAYBE}


def test_a_field_that_was_never_written_is_known_to_be_blank_meanwhile():
    plan = plan_from_ledger(TASK, entry(Name="A"), mapped(Name="B", Phone=None), HASH_KEY)
    assert plan.hashes_meanwhile == plan.hashes_after


# Plans from a look.


def test_a_record_that_is_not_there_is_created_with_every_field_that_is_not_blank():
    plan = plan_from_look(TASK, Entry(ROW), mapped(Name="Ida", Phone=None), seen(), HASH_KEY)
    values = {"dataAreaId": "usmf", "Number": "CON-1", "Party": "ACC-1", "Name": "Ida"}
    assert plan.operations == (Create(key(), values),)
    assert (plan.outcome, plan.creates, plan.needs_intent) == (Outcome.CREATED, True, True)
    assert plan.keys == (key(),)
    assert plan.hashes_before == {"Name": MAYBE}


def test_a_record_that_is_equal_is_adopted_without_a_write():
    found = seen(record(Name="Ida ", Phone="", Credit=Decimal("10.0"), Note="theirs"))
    row = mapped(Name="Ida", Phone=None, Credit=Decimal("10.00"))
    plan = plan_from_look(TASK, Entry(ROW), row, found, HASH_KEY)
    assert plan.operations == ()
    assert (plan.outcome, plan.needs_intent) == (Outcome.UNCHANGED, False)
    assert plan.keys == (key(),)
    assert plan.hashes_after == hashed(Name="Ida", Phone=None, Credit=Decimal(10))


def test_a_record_of_the_same_key_in_another_case_is_adopted():
    found = seen(record(key("con-1", "Acc-1"), Name="Ida"))
    assert plan_from_look(TASK, Entry(ROW), mapped(Name="Ida"), found, HASH_KEY).operations == ()


def test_of_an_adopted_record_only_the_fields_that_differ_are_sent():
    found = seen(record(Name="Old", Phone="1"))
    plan = plan_from_look(TASK, Entry(ROW), mapped(Name="Ida", Phone="1"), found, HASH_KEY)
    assert plan.operations == (Update(key(), {"Name": "Ida"}),)
    assert (plan.outcome, plan.needs_intent) == (Outcome.UPDATED, True)


@pytest.mark.parametrize(
    ("hashes", "sent"),
    [
        ({}, {}),
        ({"Phone": BLANK}, {}),
        ({"Phone": MAYBE}, {"Phone": ""}),
        (hash_values(HASH_KEY, {"Phone": "1"}), {"Phone": ""}),
    ],
    ids=["never written", "blank when written", "perhaps written", "written"],
)
def test_a_blank_clears_only_what_p2c_wrote_or_may_have_written(
    hashes: dict[str, str], sent: dict[str, Value]
):
    known = Entry(ROW, keys=(key(),), hashes=hashes, unsettled_until=START)
    found = seen(record(Name="Ida", Phone="555"))
    plan = plan_from_look(TASK, known, mapped(Name="Ida", Phone=None), found, HASH_KEY)
    assert plan.operations == ((Update(key(), sent),) if sent else ())


def test_what_somebody_else_filled_in_an_adopted_record_is_left_alone():
    found = seen(record(Name="Ida", Phone="555"))
    plan = plan_from_look(TASK, Entry(ROW), mapped(Name="Ida", Phone=None), found, HASH_KEY)
    assert plan.operations == ()


def test_a_field_already_cleared_is_not_cleared_again():
    known = replace(entry(Phone="1"), unsettled_until=START)
    found = seen(record(Name="Ida", Phone=""))
    plan = plan_from_look(TASK, known, mapped(Name="Ida", Phone=None), found, HASH_KEY)
    assert plan.operations == ()


def test_a_look_that_finds_an_unconfirmed_creation_done_counts_it_as_created():
    known = replace(entry(Name="Ida"), unsettled_until=START, intended=Outcome.CREATED)
    plan = plan_from_look(TASK, known, mapped(Name="Ida"), seen(record(Name="Ida")), HASH_KEY)
    assert (plan.operations, plan.outcome) == ((), Outcome.CREATED)


def test_a_moved_row_is_created_under_its_new_key_and_retired_under_the_old_one():
    new = mapped(key(party="ACC-2"), Name="Ida", IsInactive="No")
    found = seen(record(Name="Ida", IsInactive="No"))
    plan = plan_from_look(TASK, entry(Name="Ida", IsInactive="No"), new, found, HASH_KEY)
    create, retire = plan.operations
    assert isinstance(create, Create)
    assert create.key == key(party="ACC-2")
    assert retire == Update(key(), {"IsInactive": "Yes"})
    assert plan.keys == (key(), key(party="ACC-2"))
    assert (plan.outcome, plan.needs_intent) == (Outcome.UPDATED, True)


OTHER = key(party="ACC-2")
BACK = mapped(Name="Ida", Phone=None, Credit=None, IsInactive="No")


def moved(*, left: dict[tuple[str, ...], frozenset[str]]) -> Entry:
    """A row whose record is under the other key now."""
    known = entry(OTHER, Name="Ida", IsInactive="No")
    return replace(known, keys=(key(), OTHER), left=left)


def test_what_p2c_wrote_under_a_key_is_remembered_when_the_row_leaves_it():
    known = entry(Name="Ida", Phone="1", Credit=None)
    doubtful = replace(known, hashes={**known.hashes, "IsInactive": MAYBE})
    found = seen(record(Name="Ida"))
    plan = plan_from_look(TASK, doubtful, mapped(OTHER, Name="Ida"), found, HASH_KEY)
    assert plan.left == {key().identity: {"Name", "Phone", "IsInactive"}}
    stays = plan_from_look(TASK, doubtful, mapped(Name="Ida"), found, HASH_KEY)
    assert stays.left == {}


def test_a_row_that_comes_back_clears_what_p2c_wrote_and_leaves_what_people_filled():
    found = seen(
        record(Name="Ida", Phone="1", Credit=5, IsInactive="Yes"),
        record(OTHER, Name="Ida", IsInactive="No"),
    )
    known = moved(left={key().identity: frozenset({"Name", "Phone"})})
    plan = plan_from_look(TASK, known, BACK, found, HASH_KEY)
    back, retired = plan.operations
    assert back == Update(key(), {"Phone": "", "IsInactive": "No"})
    assert retired == Update(OTHER, {"IsInactive": "Yes"})
    assert plan.keys == (OTHER, key())
    assert plan.left == {OTHER.identity: {"Name", "IsInactive"}}


def test_of_a_record_that_another_row_wrote_meanwhile_nothing_is_known():
    known = moved(left={key().identity: frozenset({"Name"}), OTHER.identity: frozenset()})
    heir = with_inherited(TASK, known, BACK)
    assert heir.left == {OTHER.identity: frozenset()}
    assert heir.current_key == OTHER


def test_where_it_is_not_known_what_p2c_wrote_it_may_have_been_any_field():
    found = seen(record(Name="Ida", Phone="1", Credit=5, IsInactive="Yes"))
    plan = plan_from_look(TASK, moved(left={}), BACK, found, HASH_KEY)
    assert plan.operations == (Update(key(), {"Phone": "", "Credit": 0, "IsInactive": "No"}),)


def test_a_mark_that_the_mapping_does_not_know_is_taken_back_under_a_former_key():
    unmapped = mapped(Name="Ida")
    found = seen(record(Name="Ida", IsInactive="Yes"))
    known = moved(left={key().identity: frozenset({"Name"})})
    plan = plan_from_look(TASK, known, unmapped, found, HASH_KEY)
    assert plan.operations == (Update(key(), {"IsInactive": "No"}),)


def test_of_the_keys_that_were_left_the_latest_are_remembered():
    left = {key(party=f"OLD-{number}").identity: frozenset("a") for number in range(LEFT_KEPT)}
    plan = plan_from_look(TASK, moved(left=left), BACK, seen(), HASH_KEY)
    assert len(plan.left) == LEFT_KEPT
    assert list(plan.left)[-1] == OTHER.identity
    assert next(iter(plan.left)) == key(party="OLD-1").identity


@pytest.mark.parametrize(
    "old",
    [None, record(Name="Ida", IsInactive="Yes")],
    ids=["gone", "retired before"],
)
def test_nothing_is_sent_for_an_old_record_that_needs_no_retiring(old: dict[str, object] | None):
    new = mapped(key(party="ACC-2"), Name="Ida")
    found = seen(record(key(party="ACC-2"), Name="Ida"), *([old] if old else []))
    plan = plan_from_look(TASK, entry(Name="Ida"), new, found, HASH_KEY)
    assert plan.operations == ()
    # Its key has changed all the same, and the next look must not forget the old one.
    assert (plan.outcome, plan.keys) == (Outcome.UPDATED, (key(), key(party="ACC-2")))


def test_an_old_record_is_left_alone_where_the_task_retires_nothing():
    keep = replace(TASK, retired={})
    found = seen(record(Name="Ida", IsInactive="No"))
    new = mapped(key(party="ACC-2"), Name="Ida")
    plan = plan_from_look(keep, entry(Name="Ida"), new, found, HASH_KEY)
    assert [type(operation) for operation in plan.operations] == [Create]


def test_a_row_that_moves_back_brings_its_old_record_up_to_date_field_by_field():
    """What was cleared while it was away has to be cleared there: all is uncertain."""
    known = replace(
        entry(Name="Ida", Phone=None, IsInactive="No"), keys=(key(), key(party="ACC-2"))
    )
    back = mapped(Name="Ida", Phone=None, IsInactive="No")
    found = seen(
        record(Name="Ida", Phone="1", IsInactive="Yes"),
        record(key(party="ACC-2"), Name="Ida", Phone="", IsInactive="No"),
    )
    plan = plan_from_look(TASK, known, back, found, HASH_KEY)
    assert plan.operations == (
        Update(key(), {"Phone": "", "IsInactive": "No"}),
        Update(key(party="ACC-2"), {"IsInactive": "Yes"}),
    )
    assert plan.keys == (key(party="ACC-2"), key())
    assert plan.needs_intent
    assert plan.hashes_meanwhile["Phone"] == MAYBE


@pytest.mark.parametrize(
    ("known", "keys", "hashes"),
    [
        (Entry(ROW), (key(),), {"Name": MAYBE, "Phone": MAYBE, "IsInactive": MAYBE}),
        (entry(key(party="ACC-2"), Name="Ida"), (key(), key(party="ACC-2")), None),
    ],
)
def test_a_record_that_another_row_had_is_doubted_in_every_field(
    known: Entry, keys: tuple[RecordKey, ...], hashes: dict[str, str] | None
):
    heir = with_inherited(TASK, known, mapped(Name="Ida", Phone=None))
    assert heir.keys == keys
    assert heir.hashes == (known.hashes if hashes is None else hashes)
    plan = plan_from_look(
        TASK, heir, mapped(Name="Ida", Phone=None), seen(record(Name="Ida", Phone="1")), HASH_KEY
    )
    assert plan.operations[0].values == {"Phone": ""}


def test_a_key_written_in_another_case_is_no_other_key():
    known = entry(key("con-1", "acc-1"), Name="Ida")
    found = seen(record(Name="Ida"))
    plan = plan_from_look(TASK, known, mapped(Name="Ida"), found, HASH_KEY)
    assert (plan.operations, plan.outcome) == ((), Outcome.UNCHANGED)
    assert plan.keys == (key(),)


def test_key_fields_are_never_updated():
    found = seen(record(key("con-1", "acc-1"), Name="Old"))
    plan = plan_from_look(TASK, Entry(ROW), mapped(Name="Ida"), found, HASH_KEY)
    assert plan.operations == (Update(key(), {"Name": "Ida"}),)
    assert set(plan.hashes_after) == {"Name", "IsInactive"}


# Values.


@pytest.mark.parametrize(
    ("field_type", "wanted", "actual", "same"),
    [
        ("Edm.String", "Oslo", "Oslo", True),
        ("Edm.String", "Oslo", "oslo", False),
        ("Edm.String", "Oslo", "Oslo  ", True),
        ("Edm.String", "Oslo ", "Oslo", True),
        ("Edm.String", " Oslo", "Oslo", False),
        ("Edm.String", "", "", True),
        ("Edm.String", "", None, True),
        ("Edm.String", "Oslo", None, False),
        ("Edm.Decimal", Decimal(10), Decimal("10.00"), True),
        ("Edm.Decimal", Decimal("0.1"), Decimal("0.10"), True),
        ("Edm.Decimal", Decimal("0.1"), Decimal("0.11"), False),
        ("Edm.Decimal", Decimal(10), 10, True),
        ("Edm.Decimal", Decimal(10), "ten", False),
        ("Edm.Decimal", 0, None, True),
        ("Edm.Int32", 7, 7, True),
        ("Edm.Int32", 7, 8, False),
        ("Edm.Int64", 7, "7", True),
        ("Edm.Double", Decimal("1.5"), 1.5, True),
        ("Edm.DateTimeOffset", "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z", True),
        ("Edm.DateTimeOffset", "2026-03-02T00:00:00Z", "2026-03-02T01:00:00+01:00", True),
        ("Edm.DateTimeOffset", "2026-03-02", "2026-03-02T00:00:00Z", True),
        ("Edm.DateTimeOffset", "2026-03-02", "2026-03-03T00:00:00Z", False),
        ("Edm.DateTimeOffset", "2026-03-02", "soon", False),
        ("Edm.Boolean", True, True, True),
        ("Edm.Boolean", False, True, False),
        ("enum:NoYes", "Yes", "Yes", True),
        ("enum:NoYes", "Yes", "No", False),
    ],
)
def test_values_compare_as_f_and_o_keeps_them(
    field_type: str, wanted: Value, actual: object, *, same: bool
):
    assert same_value(field_type, wanted, actual) is same


def test_records_are_matched_without_regard_to_case_and_trailing_blanks():
    found = seen(record(key("con-1 ", "ACC-1"), Name="Ida"))
    assert found[key().identity]["Name"] == "Ida"
