"""What F&O answers to a record decides about its row alone; what must be there first is asked."""

from dataclasses import replace
from typing import Any

import pytest

from p2c.errors import AnswerUnknownError
from p2c.mapping.result import NotMapped
from p2c.model import Create, Outcome, PartResult, Reason, Update, Written
from p2c.sync.write_rows import CONFLICT_ATTEMPTS
from tests.sync.builders import (
    ACCOUNTS,
    CONTACTS,
    REFUSED,
    SETTLE_SECONDS,
    TEMPLATES,
    Bench,
    counts,
    forget_requests,
    in_fno,
    names_in_fno,
)

CONFLICT = PartResult(Written.CONFLICT, Reason("update-conflict", "Another user changed it."))
UNKNOWN = PartResult(Written.UNKNOWN, Reason("part-missing", "There is no answer."))
EXISTS = PartResult(Written.EXISTS, Reason("exists", "The record already exists."))
MISSING = PartResult(
    Written.MISSING_REFERENCE, Reason("reference-missing", "Group 10 is not in the related table.")
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# Parts of a batch that fail.


def test_one_bad_record_of_a_batch_harms_only_itself(bench: Bench):
    rows = [bench.account(number) for number in range(5)]
    bench.fno.answers["ACC-2"] = [REFUSED]
    report = bench.process(ACCOUNTS, *rows)
    assert report.outcomes == {Outcome.CREATED: 4, Outcome.REJECTED: 1}
    assert set(names_in_fno(bench)) == {"ACC-0", "ACC-1", "ACC-3", "ACC-4"}
    assert bench.entry(ACCOUNTS, rows[2]).reason == REFUSED.reason
    assert bench.queued("accounts") == []
    assert counts(bench) == {Outcome.CREATED: 4, Outcome.REJECTED: 1}


def test_a_rejected_row_is_looked_at_and_written_when_it_comes_again(bench: Bench):
    row = bench.account(1)
    bench.fno.answers["ACC-1"] = [REFUSED]
    bench.process(ACCOUNTS, row)
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.CREATED: 1}
    assert counts(bench) == {Outcome.CREATED: 1}


def test_what_f_and_o_refused_to_create_leaves_no_key_and_no_hash_behind(bench: Bench):
    row = bench.account(1)
    bench.fno.answers["ACC-1"] = [REFUSED]
    bench.process(ACCOUNTS, row)
    entry = bench.entry(ACCOUNTS, row)
    assert (entry.keys, dict(entry.hashes), entry.intended) == ((), {}, None)


def test_what_f_and_o_refused_to_update_is_sent_again_without_a_look(bench: Bench):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    bench.account(1, "Contoso")
    bench.fno.answers["ACC-1"] = [REFUSED]
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.REJECTED: 1}
    forget_requests(bench)
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UPDATED: 1}
    assert (bench.fno.finds, names_in_fno(bench)) == ([], {"ACC-1": "Contoso"})


def test_a_mapping_that_rejects_a_row_keeps_its_neighbours_going(bench: Bench):
    reason = Reason("country-unknown", "There is no country 'Norwegen'.")

    def map_row(row: Any) -> Any:
        if row.columns["name"] == "bad":
            return NotMapped(Outcome.REJECTED, reason)
        return ACCOUNTS.map_row(row)

    task = replace(ACCOUNTS, map_row=map_row)
    bench.templates["accounts"] = replace(TEMPLATES["accounts"], tasks=(task,))
    rows = [bench.account(1, "bad"), bench.account(2)]
    assert bench.process(task, *rows).outcomes == {Outcome.REJECTED: 1, Outcome.CREATED: 1}
    assert bench.entry(task, rows[0]).reason == reason


def test_a_missing_part_is_unknown_and_is_retried_and_verified(bench: Bench):
    rows = [bench.account(1), bench.account(2)]
    bench.fno.answers["ACC-1"] = [UNKNOWN]
    report = bench.process(ACCOUNTS, *rows)
    assert report.outcomes == {Outcome.WAITING: 1, Outcome.CREATED: 1}
    queued = {message.verify: (message.rows, delay) for message, delay in bench.queued("accounts")}
    assert queued == {False: ((rows[0],), 3), True: ((rows[0],), SETTLE_SECONDS)}
    entry = bench.entry(ACCOUNTS, rows[0])
    assert entry.reason is not None
    assert entry.reason.code == "answer-unknown"
    assert entry.unsettled_until == bench.later(SETTLE_SECONDS)
    assert entry.intended is Outcome.CREATED


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_lost_answer_is_followed_by_a_look_and_settled_in_the_end(
    bench: Bench, *, carried_out: bool
):
    row = bench.account(1)
    bench.fno.mishaps = ["lost-after" if carried_out else "lost-before"]
    report = bench.process(ACCOUNTS, row)
    assert isinstance(report.unavailable, AnswerUnknownError)
    assert bench.entry(ACCOUNTS, row).claim is None
    retry = next(found for found, _ in bench.queued("accounts") if not found.verify)
    verification = next(found for found, _ in bench.queued("accounts") if found.verify)
    bench.clock.advance(5)
    forget_requests(bench)
    bench.sync().process(retry)
    assert len(bench.fno.finds) == 1
    assert len(bench.fno.batches) == (0 if carried_out else 1)
    assert bench.entry(ACCOUNTS, row).outcome is Outcome.WAITING
    bench.clock.advance(SETTLE_SECONDS)
    assert bench.sync().process(verification).outcomes == {Outcome.CREATED: 1}
    assert bench.fno.creates == {("Customers", "usmf", "acc-1"): 1}
    assert counts(bench) == {Outcome.CREATED: 1}


def test_a_record_that_exists_after_all_is_looked_at_and_brought_up_to_date(bench: Bench):
    row = bench.account(1)

    def somebody_creates_it() -> None:
        bench.fno.before_write = lambda: None
        in_fno(bench, "ACC-1", Name="Theirs")

    bench.fno.before_write = somebody_creates_it
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UPDATED: 1}
    assert [type(operation) for operation in bench.fno.operations] == [Create, Update]
    assert names_in_fno(bench) == {"ACC-1": "Fabrikam"}


def test_a_record_that_exists_after_all_and_is_equal_is_not_written_again(bench: Bench):
    row = bench.account(1)

    def somebody_creates_it() -> None:
        bench.fno.before_write = lambda: None
        in_fno(bench, "ACC-1")

    bench.fno.before_write = somebody_creates_it
    bench.process(ACCOUNTS, row)
    assert len(bench.fno.batches) == 1
    assert bench.entry(ACCOUNTS, row).current_key is not None
    forget_requests(bench)
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.UNCHANGED: 1}
    assert bench.fno.finds == []


def test_a_record_that_was_deleted_in_f_and_o_is_created_again(bench: Bench):
    row = bench.account(1)
    bench.process(ACCOUNTS, row)
    bench.fno.records.clear()
    bench.account(1, "Contoso")
    bench.process(ACCOUNTS, row)
    assert names_in_fno(bench) == {"ACC-1": "Contoso"}
    assert bench.entry(ACCOUNTS, row).reason is None


def test_f_and_o_that_contradicts_itself_has_the_row_rejected_not_tried_for_ever(bench: Bench):
    row = bench.account(1)
    bench.fno.answers["ACC-1"] = [EXISTS] * 10
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.REJECTED: 1}
    assert len(bench.fno.batches) == 3
    assert bench.entry(ACCOUNTS, row).reason == EXISTS.reason


def test_a_clash_is_tried_again_alone_and_counts_as_an_attempt(bench: Bench):
    rows = [bench.account(1), bench.account(2)]
    bench.fno.answers["ACC-1"] = [CONFLICT]
    report = bench.process(ACCOUNTS, *rows, attempt=2)
    assert report.outcomes == {Outcome.WAITING: 1, Outcome.CREATED: 1}
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, rows[0], attempt=3), 15)]
    assert report.wait_until == bench.later(15)
    assert bench.entry(ACCOUNTS, rows[0]).reason == CONFLICT.reason


def test_a_row_that_clashes_ten_times_over_is_rejected(bench: Bench):
    row = bench.account(1)
    bench.fno.answers["ACC-1"] = [CONFLICT] * (CONFLICT_ATTEMPTS + 1)
    message, tries = bench.rows(ACCOUNTS, row), 0
    while bench.entry(ACCOUNTS, row).outcome is not Outcome.REJECTED:
        bench.sync().process(message)
        tries += 1
        queued = bench.queued("accounts")
        if queued:
            [(message, delay)] = queued
            bench.take_all("accounts")
            bench.clock.advance(delay)
    assert tries == CONFLICT_ATTEMPTS + 1 == 11
    assert bench.entry(ACCOUNTS, row).reason == CONFLICT.reason
    assert counts(bench) == {Outcome.REJECTED: 1}


def test_a_throttled_part_waits_as_long_as_f_and_o_says_and_uses_up_no_attempt(bench: Bench):
    rows = [bench.account(1), bench.account(2)]
    busy = PartResult(Written.THROTTLED, Reason("throttled", "Too many requests."), 40)
    bench.fno.answers["ACC-1"] = [busy]
    report = bench.process(ACCOUNTS, *rows)
    assert report.outcomes == {Outcome.WAITING: 1, Outcome.CREATED: 1}
    assert bench.queued("accounts") == [(bench.rows(ACCOUNTS, rows[0]), 40)]
    assert bench.sync("two").backoff["fno"].until() == bench.later(40)


def test_a_row_that_clashed_waits_for_itself_and_for_the_service(bench: Bench):
    rows = [bench.account(number) for number in range(2)]
    for attempt, seconds in ((0, 20), (8, 45)):
        busy = PartResult(Written.THROTTLED, Reason("throttled", "Too many requests."), 20)
        bench.fno.answers = {"ACC-0": [busy], "ACC-1": [CONFLICT]}
        bench.process(ACCOUNTS, *rows, attempt=attempt)
        assert {found.rows: delay for found, delay in bench.queued("accounts")} == {
            (rows[0],): 20,
            (rows[1],): seconds,
        }
        bench.take_all("accounts")
        bench.clock.advance(60)


def test_a_reference_that_nothing_will_bring_has_the_row_rejected(bench: Bench):
    row = bench.account(1)
    bench.fno.answers["ACC-1"] = [MISSING]
    assert bench.process(ACCOUNTS, row).outcomes == {Outcome.REJECTED: 1}
    assert bench.entry(ACCOUNTS, row).reason == MISSING.reason


def test_people_s_data_is_taken_out_of_the_words_that_are_kept(bench: Bench):
    task = replace(ACCOUNTS, free_text_fields=frozenset({"Name"}))
    bench.templates["accounts"] = replace(TEMPLATES["accounts"], tasks=(task,))
    row = bench.account(1, " Kari Nordmann ")
    words = "Field Name: 'Kari Nordmann' is not valid for ACC-1."
    bench.fno.answers["ACC-1"] = [PartResult(Written.REFUSED, Reason("validation", words))]
    bench.process(task, row)
    assert bench.entry(task, row).reason == Reason(
        "validation", "Field Name: '<Name>' is not valid for ACC-1."
    )


# Keys that change and records that must be there first.


def test_a_contact_that_moves_is_written_anew_and_its_old_record_retired(bench: Bench):
    here, there = bench.account(1), bench.account(2)
    bench.process(ACCOUNTS, here, there)
    contact = bench.contact(1, here)
    bench.process(CONTACTS, contact)
    bench.contact(1, there)
    assert bench.process(CONTACTS, contact).outcomes == {Outcome.UPDATED: 1}
    inactive = {
        record["Party"]: record["IsInactive"]
        for identity, record in bench.fno.records.items()
        if identity[0] == "Contacts"
    }
    assert inactive == {"ACC-1": "Yes", "ACC-2": "No"}


def test_an_old_record_that_is_gone_needs_no_retiring(bench: Bench):
    here, there = bench.account(1), bench.account(2)
    bench.process(ACCOUNTS, here, there)
    contact = bench.contact(1, here)
    bench.process(CONTACTS, contact)
    bench.contact(1, there)
    old = ("Contacts", "usmf", "con-1", "acc-1")
    bench.fno.before_write = lambda: bench.fno.records.pop(old, None)
    assert bench.process(CONTACTS, contact).outcomes == {Outcome.UPDATED: 1}
    assert bench.entry(CONTACTS, contact).reason is None


def test_an_old_record_that_cannot_be_retired_has_the_row_rejected_and_looked_at_again(
    bench: Bench,
):
    here, there = bench.account(1), bench.account(2)
    bench.process(ACCOUNTS, here, there)
    contact = bench.contact(1, here)
    bench.process(CONTACTS, contact)
    bench.contact(1, there)

    def refuse_retiring() -> None:
        bench.fno.before_write = lambda: None
        real = bench.fno.carry_out

        def carry_out(operation: Any) -> PartResult:
            if isinstance(operation, Update):
                bench.fno.carry_out = real
                return REFUSED
            return real(operation)

        bench.fno.carry_out = carry_out

    bench.fno.before_write = refuse_retiring
    assert bench.process(CONTACTS, contact).outcomes == {Outcome.REJECTED: 1}
    assert bench.process(CONTACTS, contact).outcomes == {Outcome.UPDATED: 1}
    old = bench.fno.records["Contacts", "usmf", "con-1", "acc-1"]
    assert old["IsInactive"] == "Yes"


@pytest.mark.parametrize("answers", [[EXISTS] * 3, [EXISTS, REFUSED], [EXISTS, CONFLICT]])
def test_an_old_record_that_was_retired_before_the_new_one_failed_is_in_use_again_after_a_return(
    bench: Bench, answers: list[PartResult]
):
    here, there = bench.account(1), bench.account(2)
    bench.process(ACCOUNTS, here, there)
    contact = bench.contact(1, here)
    bench.process(CONTACTS, contact)
    old = bench.fno.records["Contacts", "usmf", "con-1", "acc-1"]
    bench.contact(1, there)
    real = bench.fno.carry_out

    def carry_out(operation: Any) -> PartResult:
        return answers.pop(0) if isinstance(operation, Create) else real(operation)

    bench.fno.carry_out = carry_out  # type: ignore[method-assign]
    bench.process(CONTACTS, contact)
    assert (answers, old["IsInactive"]) == ([], "Yes")
    bench.contact(1, here)
    bench.process(CONTACTS, contact)
    assert old["IsInactive"] == "No"


def test_a_contact_waits_for_its_account_by_name_and_blocks_nobody(bench: Bench):
    present, absent = bench.account(1), bench.account(2)
    bench.process(ACCOUNTS, present)
    waits, goes = bench.contact(1, absent), bench.contact(2, present)
    report = bench.process(CONTACTS, waits, goes)
    assert report.outcomes == {Outcome.WAITING: 1, Outcome.CREATED: 1}
    assert report.wait_until is None
    entry = bench.entry(CONTACTS, waits)
    assert entry.reason is not None
    assert entry.reason.code == "prerequisite-missing"
    assert entry.waits_for is not None
    assert (entry.waits_for.value, entry.waits_for.row_id) == ("ACC-2", absent)
    assert bench.queued("contacts") == []


def test_f_and_o_is_asked_for_accounts_in_one_request_before_contacts_wait(bench: Bench):
    in_fno(bench, "ACC-0")
    parents = [bench.account(number) for number in range(4)]
    contacts = [bench.contact(number, parent) for number, parent in enumerate(parents)]
    report = bench.process(CONTACTS, *contacts)
    assert report.outcomes == {Outcome.WAITING: 3, Outcome.CREATED: 1}
    asked = [values for entity_set, _, values in bench.fno.finds if entity_set == "Customers"]
    # Once for all, and once more after registering for those that were not there.
    assert asked == [("ACC-0", "ACC-1", "ACC-2", "ACC-3"), ("ACC-1", "ACC-2", "ACC-3")]


def test_a_contact_goes_on_by_itself_when_its_account_is_there(bench: Bench):
    parent = bench.account(1)
    contact = bench.contact(1, parent)
    bench.process(CONTACTS, contact)
    bench.process(ACCOUNTS, parent)
    [(message, delay)] = bench.queued("contacts")
    assert (message.rows, delay) == ((contact,), 0)
    assert bench.sync().process(message).outcomes == {Outcome.CREATED: 1}
    assert list(bench.stores.waiting.scan("account")) == []
    assert bench.entry(CONTACTS, contact).waits_for is None


def test_an_account_that_was_rejected_wakes_nobody(bench: Bench):
    parent = bench.account(1)
    bench.process(CONTACTS, bench.contact(1, parent))
    bench.fno.answers["ACC-1"] = [REFUSED]
    bench.process(ACCOUNTS, parent)
    assert bench.queued("contacts") == []


def test_an_account_that_arrives_between_the_look_and_the_wait_is_seen(bench: Bench):
    parent = bench.account(1)
    contact = bench.contact(1, parent)
    put = bench.stores.waiting.put

    def arrive(*args: Any) -> Any:
        bench.stores.waiting.put = put
        in_fno(bench, "ACC-1")
        return put(*args)

    bench.stores.waiting.put = arrive
    assert bench.process(CONTACTS, contact).outcomes == {Outcome.CREATED: 1}
    assert list(bench.stores.waiting.scan("account")) == []


def test_a_contact_whose_account_is_deleted_in_f_and_o_waits_instead_of_failing(bench: Bench):
    parent = bench.account(1)
    bench.process(ACCOUNTS, parent)
    first, second = bench.contact(1, parent), bench.contact(2, parent)
    bench.process(CONTACTS, first)
    bench.fno.records.clear()
    assert bench.process(CONTACTS, second).outcomes == {Outcome.WAITING: 1}
    reason = bench.entry(CONTACTS, second).reason
    assert reason is not None
    assert reason.code == "prerequisite-missing"


def test_a_contact_whose_account_has_no_number_waits_with_a_reason_of_its_own(bench: Bench):
    contact = bench.contact(1, bench.account(1, account=""))
    assert bench.process(CONTACTS, contact).outcomes == {Outcome.WAITING: 1}
    reason = bench.entry(CONTACTS, contact).reason
    assert reason is not None
    assert reason.code == "prerequisite-without-number"
    assert len(list(bench.stores.waiting.scan("account"))) == 1


def test_a_waiting_contact_that_no_longer_qualifies_waits_no_longer(bench: Bench):
    parent = bench.account(1)
    contact = bench.contact(1, parent)
    bench.process(CONTACTS, contact)
    bench.contact(1, parent, qualifies=False)
    assert bench.process(CONTACTS, contact).outcomes == {Outcome.SKIPPED: 1}
    assert list(bench.stores.waiting.scan("account")) == []
