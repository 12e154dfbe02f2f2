"""Tables of what becomes of a deleted row's records, and of the marks on them afterwards."""

from typing import Any

import pytest

from p2c.mapping.result import Mapped
from p2c.model import Outcome, Reason, RecordKey, Update, Value
from p2c.sync.decide import (
    deleted_reason,
    is_trusted,
    match_records,
    plan_deleted,
    plan_from_ledger,
    plan_from_look,
)
from p2c.sync.hashing import BLANK, MAYBE, hash_values
from p2c.sync.ledger import Entry
from tests.support.memory import START
from tests.sync.builders import ACCOUNTS, CONTACTS, HASH_KEY, replace, row_id

MAPPED_MARK = replace(CONTACTS, when_deleted="deactivate")
"""Its records are retired by a field that the mapping maps."""
OWN_MARK = replace(ACCOUNTS, when_deleted="deactivate", when_moved="leave")
"""Its records are retired by a field that the mapping does not know."""
ROW = row_id(1)


def contact_key(party: str = "ACC-1") -> RecordKey:
    return RecordKey("Contacts", (("dataAreaId", "usmf"), ("Number", "CON-1"), ("Party", party)))


def account_key(number: str = "ACC-1") -> RecordKey:
    return RecordKey("Customers", (("dataAreaId", "usmf"), ("Account", number)))


def entry(*keys: RecordKey, **values: Value | None) -> Entry:
    return Entry(ROW, keys=keys, hashes=hash_values(HASH_KEY, values), outcome=Outcome.CREATED)


def record(key: RecordKey, **values: object) -> dict[str, object]:
    return {**dict(key.parts), **values}


def seen(task: Any, *records: Any) -> Any:
    return match_records(task.entity_set, task.key_fields, records)


def mapped(key: RecordKey, **values: Value | None) -> Mapped:
    return Mapped(key, {**dict(key.parts), **values})


def test_the_record_of_a_deleted_row_is_marked_and_the_row_restored_is_sent_what_differs():
    known = entry(contact_key(), Name="Ida", IsInactive="No")
    found = seen(MAPPED_MARK, record(contact_key(), Name="Ida", IsInactive="No"))
    plan = plan_deleted(MAPPED_MARK, known, found, HASH_KEY)
    assert plan.operations == (Update(contact_key(), {"IsInactive": "Yes"}),)
    assert (plan.outcome, plan.keys) == (Outcome.DELETED, (contact_key(),))
    assert plan.reason == Reason(
        "deactivated",
        "The row is no longer in Sales. In F&O "
        "Contacts(dataAreaId=usmf,Number=CON-1,Party=ACC-1) has IsInactive=Yes now: the task "
        'deactivates the records of deleted rows (when_deleted = "deactivate").',
    )
    after = replace(known, hashes=plan.hashes_after)
    restored = plan_from_ledger(
        MAPPED_MARK, after, mapped(contact_key(), Name="Ida", IsInactive="No"), HASH_KEY
    )
    assert restored.operations == (Update(contact_key(), {"IsInactive": "No"}),)


def test_a_mark_the_mapping_does_not_map_is_noted_before_it_is_sent_and_cleared_when_restored():
    known = entry(account_key(), Name="Acme")
    found = seen(OWN_MARK, record(account_key(), Name="Acme", OnHold="No"))
    plan = plan_deleted(OWN_MARK, known, found, HASH_KEY)
    assert plan.operations == (Update(account_key(), {"OnHold": "All"}),)
    assert plan.needs_intent
    assert plan.hashes_before == {**known.hashes, "OnHold": MAYBE}
    after = replace(known, hashes=plan.hashes_after)
    row = mapped(account_key(), Name="Acme")
    restored = plan_from_ledger(OWN_MARK, after, row, HASH_KEY)
    assert restored.operations == (Update(account_key(), {"OnHold": "No"}),)
    assert restored.hashes_after["OnHold"] == BLANK


def test_a_hold_that_people_put_on_a_record_is_left_when_its_row_is_deleted_and_restored():
    known = entry(account_key(), Name="Acme", OnHold=None)
    found = seen(OWN_MARK, record(account_key(), Name="Acme", OnHold="All"))
    plan = plan_deleted(OWN_MARK, known, found, HASH_KEY)
    assert plan.operations == ()
    after = replace(known, hashes=plan.hashes_after)
    restored = plan_from_ledger(OWN_MARK, after, mapped(account_key(), Name="Acme"), HASH_KEY)
    assert restored.operations == ()


def test_a_mark_that_p2c_may_have_sent_is_p2cs_to_take_away():
    known = replace(entry(account_key(), Name="Acme"), unsettled_until=START)
    known = replace(known, hashes={**known.hashes, "OnHold": MAYBE})
    found = seen(OWN_MARK, record(account_key(), Name="Acme", OnHold="All"))
    plan = plan_deleted(OWN_MARK, known, found, HASH_KEY)
    assert plan.operations == ()
    assert plan.hashes_after["OnHold"] == hash_values(HASH_KEY, {"OnHold": "All"})["OnHold"]


def test_every_record_a_deleted_row_ever_had_is_marked_unless_it_is_or_is_gone():
    keys = [contact_key(f"ACC-{number}") for number in range(3)]
    known = entry(*keys, Name="Ida", IsInactive="No")
    found = seen(MAPPED_MARK, record(keys[0], IsInactive="No"), record(keys[1], IsInactive="Yes"))
    plan = plan_deleted(MAPPED_MARK, known, found, HASH_KEY)
    assert plan.operations == (Update(keys[0], {"IsInactive": "Yes"}),)
    # The current record was not seen: whatever is there later is looked at first.
    assert not is_trusted(replace(known, hashes=plan.hashes_after), keys[2])


def test_the_reason_of_a_deleted_row_without_a_record_says_so():
    plan = plan_deleted(OWN_MARK, entry(account_key(), Name="Acme"), {}, HASH_KEY)
    assert (plan.operations, plan.needs_intent) == ((), False)
    assert plan.reason == Reason(
        "deleted-in-sales", "The row is no longer in Sales, and its record is not in F&O."
    )


def test_what_an_unsettled_row_held_is_doubted_though_its_mark_was_seen():
    """A late request may have changed the fields that nobody compares on a deleted row."""
    known = replace(entry(contact_key(), Name="Ida", IsInactive="No"), unsettled_until=START)
    found = seen(MAPPED_MARK, record(contact_key(), Name="Old", IsInactive="No"))
    after = plan_deleted(MAPPED_MARK, known, found, HASH_KEY).hashes_after
    assert after["Name"] == MAYBE
    assert after["IsInactive"] not in (BLANK, MAYBE)


@pytest.mark.parametrize(
    ("task", "cleared"),
    [
        (OWN_MARK, {"OnHold": "No"}),
        (replace(OWN_MARK, when_deleted="report"), {}),
        (replace(OWN_MARK, when_deleted="report", when_moved="deactivate"), {"OnHold": "No"}),
    ],
    ids=["deleted rows are retired", "nothing is retired", "moved rows are retired"],
)
def test_a_row_that_comes_back_to_a_number_is_taken_off_hold_only_where_p2c_puts_on_hold(
    task: Any, cleared: dict[str, Value]
):
    known = entry(account_key("ACC-1"), account_key("ACC-2"), Name="Acme")
    found = seen(task, record(account_key("ACC-1"), Name="Acme", OnHold="All"))
    plan = plan_from_look(task, known, mapped(account_key("ACC-1"), Name="Acme"), found, HASH_KEY)
    sent = {operation.key: operation.values for operation in plan.operations}
    assert sent.get(account_key("ACC-1"), {}) == cleared
    assert (MAYBE in plan.hashes_before.values()) is True
    assert ("OnHold" in plan.hashes_before) is bool(cleared)


def test_another_kind_of_hold_than_the_mark_is_not_p2cs_to_lift():
    known = entry(account_key("ACC-1"), account_key("ACC-2"), Name="Acme")
    found = seen(OWN_MARK, record(account_key("ACC-1"), Name="Acme", OnHold="Invoice"))
    back = mapped(account_key("ACC-1"), Name="Acme")
    assert plan_from_look(OWN_MARK, known, back, found, HASH_KEY).operations == ()


def test_a_record_under_a_former_number_is_left_where_the_task_says_so():
    known = entry(account_key("ACC-1"), Name="Acme")
    found = seen(OWN_MARK, record(account_key("ACC-1"), Name="Acme", OnHold="No"))
    plan = plan_from_look(
        OWN_MARK, known, mapped(account_key("ACC-2"), Name="Acme"), found, HASH_KEY
    )
    assert [operation.key for operation in plan.operations] == [account_key("ACC-2")]


def test_a_retirement_that_was_not_confirmed_does_not_make_a_restored_row_deleted():
    known = entry(contact_key(), Name="Ida", IsInactive="No")
    known = replace(known, unsettled_until=START, intended=Outcome.DELETED)
    row = mapped(contact_key(), Name="Ida", IsInactive="No")
    found = seen(MAPPED_MARK, record(contact_key(), Name="Ida", IsInactive="No"))
    plan = plan_from_look(MAPPED_MARK, known, row, found, HASH_KEY)
    assert (plan.operations, plan.outcome) == ((), Outcome.UNCHANGED)


@pytest.mark.parametrize(
    ("known", "code", "says"),
    [
        (Entry(ROW), "came-and-went", "it came and went between two polls"),
        (
            Entry(ROW, outcome=Outcome.DELETED, reason=Reason("came-and-went", "before")),
            "came-and-went",
            "it came and went between two polls",
        ),
        (Entry(ROW, outcome=Outcome.SKIPPED), "deleted-in-sales", "it has no record in F&O"),
        (
            entry(account_key()),
            "deleted-in-sales",
            "Its record Customers(dataAreaId=usmf,Account=ACC-1) stays in F&O as it is",
        ),
    ],
    ids=["never known", "found gone again", "never written", "written"],
)
def test_the_reason_of_a_reported_row_says_what_stays(known: Entry, code: str, says: str):
    reason = deleted_reason(known)
    assert reason.code == code
    assert says in reason.text


def test_of_very_many_records_of_a_deleted_row_the_latest_are_named():
    keys = [contact_key(f"ACC-{number}") for number in range(1000)]
    known = entry(*keys, Name="Ida", IsInactive="No")
    plan = plan_deleted(MAPPED_MARK, known, seen(MAPPED_MARK, *map(record, keys)), HASH_KEY)
    assert len(plan.operations) == 1000
    assert plan.reason is not None
    assert "ACC-990), Contacts" in plan.reason.text
    assert "ACC-989)" not in plan.reason.text
    assert "Party=ACC-999) and 990 more has IsInactive=Yes now" in plan.reason.text
