"""What p2c makes of each way in which a service can fail, and whether anything was carried out.

The sandbox fails on demand and knows what it carried out; no real environment does.
"""

import pytest

from p2c.errors import (
    AnswerUnknownError,
    DeltaLinkExpiredError,
    P2cError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.model import SourceQuery, Update, Written
from p2c.sandbox import Fault
from tests.contract.conftest import ACCOUNTS, CONTACTS, LATER, Environment


def caught(call) -> P2cError:
    with pytest.raises(P2cError) as found:
        call()
    return found.value


def customers(environment: Environment) -> int:
    return len(environment.sandbox.fno_records("CustomersV2"))


def write_two(environment: Environment):
    operations = [environment.records.customer(), environment.records.customer()]
    return environment.fno.write(operations, send_before=LATER)


def first_changes(environment: Environment):
    return environment.dataverse.changes(ACCOUNTS, None, tracked=True)


FNO_BATCH = {"service": "fno", "path": "$batch"}
PAGE = "an HTML page was returned instead of an answer of the service"
NO_ERROR = "without an error description"

BROKEN_WRITES = [
    (
        Fault(effect="status", status=429, retry_after=17, **FNO_BATCH),
        ThrottledError,
        "fno answered 429 to POST /data/$batch: This request could not be processed at this time "
        "due to system experiencing high resource utilization. Please retry the request after 17 "
        "seconds.",
        0,
    ),
    (
        Fault(effect="status", status=401, count=None, **FNO_BATCH),
        ServiceRefusedError,
        f"fno refused the token twice, a fresh one included: {PAGE}. "
        "Register the identity that p2c runs as with fno.",
        0,
    ),
    (
        Fault(effect="status", status=502, html=True, **FNO_BATCH),
        AnswerUnknownError,
        f"fno answered 502 to POST /data/$batch: {PAGE}.",
        0,
    ),
    (
        Fault(effect="status", status=500, **FNO_BATCH),
        AnswerUnknownError,
        "fno answered 500 to a batch, but the batch answer names no boundary: "
        "An unexpected error occurred.",
        0,
    ),
    (
        Fault(effect="reset_before", **FNO_BATCH),
        AnswerUnknownError,
        "fno gave no answer to POST /data/$batch: the connection was reset.",
        0,
    ),
    (
        Fault(effect="reset_after", **FNO_BATCH),
        AnswerUnknownError,
        "fno gave no answer to POST /data/$batch: the connection was reset.",
        2,
    ),
    (
        Fault(effect="truncate", **FNO_BATCH),
        AnswerUnknownError,
        None,
        2,
    ),
    (
        Fault(effect="garbage", **FNO_BATCH),
        AnswerUnknownError,
        "fno answered 200 to a batch, but the batch answer names no boundary: "
        f"a body of 24 bytes {NO_ERROR}.",
        2,
    ),
]


@pytest.mark.parametrize(
    ("fault", "kind", "told", "carried_out"),
    BROKEN_WRITES,
    ids=lambda value: getattr(value, "effect", ""),
)
def test_a_broken_batch_is_told_and_sent_only_once(environment, fault, kind, told, carried_out):
    environment.sandbox.add_faults(fault)
    error = caught(lambda: write_two(environment))
    assert type(error) is kind
    if told is None:
        assert str(error).startswith("fno gave no answer to POST /data/$batch: ")
    else:
        assert str(error) == told
    assert customers(environment) == carried_out
    sent = environment.sandbox.requests()["fno"]["requests"]
    assert sent == (2 if fault.status == 401 else 1)


def test_every_error_that_promises_that_nothing_was_done_keeps_it():
    certain = [case for case in BROKEN_WRITES if case[1] is not AnswerUnknownError]
    assert certain
    assert all(carried_out == 0 for *_, carried_out in certain)


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(17, {17.0}), ("absent", {None}), ("date", {8.0, 9.0, 10.0})]
)
@pytest.mark.parametrize("service", ["fno", "dataverse"])
def test_retry_after_is_read_in_every_form(environment, service, retry_after, seconds):
    environment.sandbox.add_faults(
        Fault(effect="status", status=429, retry_after=retry_after, seconds=10, service=service)
    )
    call = write_two if service == "fno" else first_changes
    error = caught(lambda: call(environment))
    assert isinstance(error, ThrottledError)
    waits = error.retry_after_seconds
    assert (None if waits is None else float(round(waits))) in seconds


@pytest.mark.parametrize("part", [0, 1])
def test_a_part_left_out_of_the_answer_is_unknown_and_the_other_done(environment, part):
    environment.sandbox.add_faults(Fault(effect="drop_part", part=part, **FNO_BATCH))
    results = write_two(environment)
    expected = [Written.DONE, Written.DONE]
    expected[part] = Written.UNKNOWN
    assert [result.written for result in results] == expected
    assert customers(environment) == 2


def test_a_batch_answer_cut_in_half_claims_nothing_that_was_not_said(environment):
    environment.sandbox.add_faults(Fault(effect="cut", **FNO_BATCH))
    operations = [environment.records.customer() for _ in range(4)]
    first, *_, last = environment.fno.write(operations, send_before=LATER)
    assert (first.written, last.written) == (Written.DONE, Written.UNKNOWN)


OPERATION_FAULTS = [
    (
        Fault(effect="infolog", level="operation", text="conflict"),
        Written.CONFLICT,
        "update-conflict",
    ),
    (Fault(effect="infolog", level="operation", text="deadlock"), Written.CONFLICT, "deadlock"),
    (Fault(effect="status", level="operation", status=429), Written.THROTTLED, "throttled"),
    (Fault(effect="status", level="operation", status=500), Written.UNKNOWN, "answer-unknown"),
    (
        Fault(effect="status", level="operation", status=503, html=True),
        Written.UNKNOWN,
        "answer-unknown",
    ),
    (Fault(effect="status", level="operation", status=401), Written.CONFLICT, "session-ended"),
    (
        Fault(effect="infolog", level="operation", text="Error: Number sequence is used up."),
        Written.REFUSED,
        "record-refused",
    ),
]


@pytest.mark.parametrize(
    ("fault", "written", "code"), OPERATION_FAULTS, ids=[case[2] for case in OPERATION_FAULTS]
)
def test_one_broken_operation_is_that_operations_result(environment, fault, written, code):
    environment.sandbox.add_faults(fault)
    first, second = write_two(environment)
    assert (first.written, second.written) == (written, Written.DONE)
    assert first.reason is not None
    assert first.reason.code == code
    assert customers(environment) == 1


@pytest.mark.parametrize("validation", [400, 500])
@pytest.mark.parametrize("change_set", [400, 500])
@pytest.mark.parametrize("missing", [400, 404])
def test_fnos_statuses_may_differ_and_its_words_decide(
    environment, validation, change_set, missing
):
    environment.sandbox.set_switches(
        fno_validation_status=validation,
        fno_change_set_status=change_set,
        fno_missing_status=missing,
    )
    good = environment.records.customer()
    operations = [
        good,
        good,
        environment.records.customer(CustomerGroupId="NOSUCH"),
        Update(environment.records.customer().key, {"OrganizationName": "x"}),
    ]
    expected = [Written.DONE, Written.EXISTS, Written.MISSING_REFERENCE, Written.ABSENT]
    results = environment.fno.write(operations, send_before=LATER)
    assert [result.written for result in results] == expected
    singles = [environment.fno.write_one(operation).written for operation in operations]
    assert singles == [Written.EXISTS, *expected[1:]]


@pytest.mark.parametrize("form", ["skiptoken", "skip"])
def test_finds_follow_either_form_of_link(environment, form):
    environment.sandbox.set_switches(fno_next_link=form, fno_page_size=2)
    made = [environment.records.customer() for _ in range(5)]
    environment.fno.write(made, send_before=LATER)
    numbers = [operation.key.parts[1][1] for operation in made]
    found = environment.fno.find("CustomersV2", "CustomerAccount", numbers, [])
    assert sorted(str(record["CustomerAccount"]) for record in found) == sorted(numbers)


BROKEN_READS = [
    (Fault(effect="status", status=503, count=None), UnavailableError, "503"),
    (Fault(effect="status", status=502, html=True, count=None), UnavailableError, PAGE),
    (Fault(effect="status", status=500, count=None), UnavailableError, "An unexpected error"),
    (Fault(effect="reset_before", count=None), UnavailableError, "the connection was reset"),
    (Fault(effect="reset_after", count=None), UnavailableError, "the connection was reset"),
    (Fault(effect="truncate", count=None), UnavailableError, "gave no answer"),
    (Fault(effect="garbage", count=None), UnavailableError, "but not with a JSON object"),
    (Fault(effect="cut", count=None), UnavailableError, "but not with a JSON object"),
    (
        Fault(effect="status", status=401, count=None),
        ServiceRefusedError,
        "refused the token twice",
    ),
]


@pytest.mark.parametrize(
    ("fault", "kind", "told"), BROKEN_READS, ids=[case[0].effect for case in BROKEN_READS]
)
def test_a_broken_read_is_told(environment, fault, kind, told):
    environment.sandbox.add_faults(fault)
    error = caught(environment.fno.companies)
    assert type(error) is kind
    assert told in str(error)


@pytest.mark.parametrize("effect", ["reset_before", "reset_after", "truncate"])
def test_a_read_that_fails_once_succeeds_all_the_same(environment, effect):
    environment.sandbox.add_faults(Fault(effect=effect, service="fno"))
    assert "usmf" in environment.fno.companies()


@pytest.mark.parametrize("service", ["dataverse", "fno"])
def test_a_link_to_another_host_is_refused(environment, service):
    environment.sandbox.set_switches(fno_page_size=1)
    environment.sandbox.add_faults(Fault(effect="foreign_link", service=service))
    read = first_changes if service == "dataverse" else lambda e: e.fno.companies()
    error = caught(lambda: read(environment))
    assert isinstance(error, ServiceRefusedError)
    assert error.code == "link-foreign"
    assert f"{service}: a link leaves the service: it leads to https://attacker.example" in str(
        error
    )


@pytest.mark.parametrize("status", [400, 410, 500])
def test_an_expired_delta_link_is_reported_at_any_status(environment, status):
    environment.sandbox.set_switches(dataverse_expired_status=status)
    link = first_changes(environment).delta_link
    environment.sandbox.expire_tokens()
    error = caught(lambda: environment.dataverse.changes(ACCOUNTS, link, tracked=True))
    assert isinstance(error, DeltaLinkExpiredError)
    assert (error.status, error.service_code) == (status, "0x80044352")


@pytest.mark.parametrize("switch", ["off", "off-other-words"])
def test_change_tracking_that_is_off_is_a_clear_configuration_error(environment, switch):
    environment.sandbox.set_switches(dataverse_change_tracking=switch)
    error = caught(lambda: first_changes(environment))
    assert isinstance(error, ServiceRefusedError)
    assert error.code == "change-tracking-off"
    assert "Switch on 'Track changes' in the properties of this table" in str(error)
    assert "changes of accounts" in str(error)


def test_without_annotations_the_old_fault_of_lost_delta_links_does_not_strike(environment):
    environment.sandbox.set_switches(dataverse_annotations_lose_delta_link=True)
    for number in range(3):
        environment.rows.create("accounts", name=f"p2c {number}")
    client = environment.small_pages(2)
    page = client.changes(ACCOUNTS, None, tracked=True)
    page = client.changes(ACCOUNTS, page.next_link, tracked=True)
    assert page.delta_link is not None


def test_service_protection_of_dataverse_is_throttling(environment):
    environment.sandbox.set_switches(limit_requests=1)
    error = caught(lambda: [first_changes(environment), first_changes(environment)])
    assert isinstance(error, ThrottledError)
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds > 0


def test_reading_rows_follows_pages_that_are_smaller_than_asked(environment):
    environment.sandbox.set_switches(dataverse_page_size=2)
    made = [environment.rows.create("contacts", lastname=f"p2c {number}") for number in range(5)]
    query = SourceQuery("contact", "contacts", "contactid", CONTACTS.columns)
    assert list(environment.dataverse.read(query, made)) == made
