"""Faults on demand, latency and throttling."""

import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
import requests

from p2c.sandbox import Fault
from tests.sandbox.talk import (
    CUSTOMER,
    change_set,
    error,
    infolog,
    make_account,
    part,
    statuses,
)

SET = "/data/CustomersV2?cross-company=true"


def customer(number: str) -> dict:
    return {**CUSTOMER, "CustomerAccount": number, "PartyNumber": number}


def two_customers() -> list[str]:
    return [
        *change_set((f"POST {SET}", customer("A"))),
        *change_set((f"POST {SET}", customer("B"))),
    ]


def stored(sandbox) -> set[str]:
    return {record["CustomerAccount"] for record in sandbox.fno_records("CustomersV2")}


def wait_until(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.01)


def test_a_fault_hits_only_what_it_matches(sandbox, dataverse, fno):
    sandbox.add_faults(Fault(effect="status", service="fno", method="POST", path="Customers"))
    assert dataverse.post("accounts", {"name": "a"}).status_code == 204
    assert fno.get("CustomersV2").status_code == 200
    assert fno.post("CustomerGroups", {"CustomerGroupId": "x"}).status_code == 201
    assert fno.post("CustomersV2", CUSTOMER).status_code == 503
    assert fno.post("CustomersV2", CUSTOMER).status_code == 201


def test_a_fault_can_be_found_by_the_body(sandbox, fno):
    sandbox.add_faults(Fault(effect="status", body='"ACC-2"'))
    assert fno.post("CustomersV2", CUSTOMER).status_code == 201
    assert fno.post("CustomersV2", customer("ACC-2")).status_code == 503


def test_a_fault_begins_at_the_nth_call_and_ends_after_its_count(sandbox, fno):
    sandbox.add_faults(Fault(effect="status", nth=2, count=2))
    assert [fno.get("Companies").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert sandbox.faults()[0]["matched"] == 5
    assert sandbox.faults()[0]["hit"] == 2


def test_a_fault_without_count_lasts_until_it_is_cleared(sandbox, fno):
    sandbox.add_faults(Fault(effect="status", count=None))
    assert [fno.get("Companies").status_code for _ in range(3)] == [503] * 3
    sandbox.clear_faults()
    assert fno.get("Companies").status_code == 200


def test_a_fault_of_some_probability_hits_some_calls(sandbox, fno):
    sandbox.add_faults(Fault(effect="status", count=None, probability=0.5))
    found = [fno.get("Companies").status_code for _ in range(40)]
    assert 8 < found.count(503) < 32


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (Fault(effect="status", status=502, html=True), 502, "text/html"),
        (Fault(effect="status", status=503, html=True), 503, "text/html"),
        (Fault(effect="status", status=500), 500, "application/json"),
        (Fault(effect="status", status=401), 401, "text/html"),
        (Fault(effect="status", status=429), 429, "application/json"),
    ],
)
def test_a_status_is_answered_and_nothing_carried_out(sandbox, fno, fault, status, kind):
    sandbox.add_faults(fault)
    answer = fno.post("CustomersV2", CUSTOMER)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith(kind)
    assert stored(sandbox) == set()


@pytest.mark.parametrize(("asked", "found"), [(None, "1"), (7, "7"), ("absent", None)])
def test_retry_after_is_as_asked(sandbox, fno, asked, found):
    sandbox.add_faults(Fault(effect="status", status=429, retry_after=asked))
    assert fno.get("Companies").headers.get("Retry-After") == found


def test_an_error_can_have_a_code_and_a_text(sandbox, dataverse):
    sandbox.add_faults(Fault(effect="status", status=403, code="0x80040220", text="No privilege."))
    assert error(dataverse.get("accounts")) == (403, "0x80040220", "No privilege.")


def test_retry_after_may_be_a_date(sandbox, fno):
    sandbox.add_faults(Fault(effect="status", status=429, retry_after="date", seconds=30))
    moment = parsedate_to_datetime(fno.get("Companies").headers["Retry-After"])
    assert 20 < (moment - datetime.now(UTC)).total_seconds() <= 30


def test_fno_throttles_without_retry_after_when_switched_so(sandbox, fno):
    sandbox.set_switches(fno_retry_after=False)
    sandbox.add_faults(Fault(effect="status", status=429))
    answer = fno.get("Companies")
    assert "Retry-After" not in answer.headers
    assert "high resource utilization" in infolog(answer)


@pytest.mark.parametrize(("effect", "done"), [("reset_before", set()), ("reset_after", {"A", "B"})])
def test_a_reset_comes_before_or_after_carrying_out(sandbox, fno, effect, done):
    sandbox.add_faults(Fault(effect=effect))
    with pytest.raises(requests.ConnectionError):
        fno.batch(two_customers())
    assert stored(sandbox) == done
    assert sandbox.requests()["fno"]["statuses"] == {"0": 1}


def test_a_batch_can_be_stopped_halfway(sandbox, fno):
    sandbox.add_faults(Fault(effect="partial", part=1))
    with pytest.raises(requests.ConnectionError):
        fno.batch(two_customers())
    assert stored(sandbox) == {"A"}


def test_a_request_can_be_carried_out_long_after_its_caller_gave_up(sandbox, fno):
    sandbox.add_faults(Fault(effect="late", seconds=0.3))
    with pytest.raises(requests.ConnectionError):
        fno.batch(two_customers())
    assert stored(sandbox) == set()
    wait_until(lambda: stored(sandbox) == {"A", "B"})


def test_a_late_request_is_dropped_when_the_sandbox_is_reset(sandbox, fno):
    late = Fault(effect="late", seconds=0.1)
    for number in ("DROPPED", "LATER"):
        sandbox.reset()
        sandbox.add_faults(late)
        with pytest.raises(requests.ConnectionError):
            fno.post("CustomersV2", customer(number))
    # What was put off later comes later, so by then the first would have come.
    wait_until(lambda: "LATER" in stored(sandbox))
    assert stored(sandbox) == {"LATER"}


def test_an_answer_can_be_delayed(sandbox, fno):
    sandbox.add_faults(Fault(effect="delay", seconds=0.2))
    begun = time.monotonic()
    assert fno.get("Companies").status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_a_part_can_be_missing_from_the_answer_to_a_batch(sandbox, fno):
    sandbox.add_faults(Fault(effect="drop_part", part=0))
    answer = fno.batch([*two_customers(), *part("GET /data/Companies?$top=1")])
    assert statuses(answer) == [201, 200]
    assert '"CustomerAccount":"A"' not in answer.text
    assert stored(sandbox) == {"A", "B"}


def test_an_answer_can_be_garbage(sandbox, fno):
    sandbox.add_faults(Fault(effect="garbage"))
    answer = fno.batch(two_customers())
    assert answer.status_code == 200
    assert "multipart" not in answer.headers["Content-Type"]
    assert stored(sandbox) == {"A", "B"}


def test_an_answer_can_break_off(sandbox, fno):
    sandbox.add_faults(Fault(effect="truncate"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        fno.batch(two_customers())
    assert stored(sandbox) == {"A", "B"}


def test_an_answer_can_be_cut_without_a_sign(sandbox, fno):
    sandbox.add_faults(Fault(effect="cut"))
    answer = fno.batch(two_customers())
    assert answer.status_code == 200
    assert not answer.text.rstrip().endswith("--")


@pytest.mark.parametrize("link", ["@odata.nextLink", "@odata.deltaLink"])
def test_links_can_point_to_a_foreign_host(sandbox, dataverse, link):
    for name in ("a", "b"):
        make_account(dataverse, name=name)
    sandbox.add_faults(Fault(effect="foreign_link", host="https://elsewhere.example"))
    size = 1 if link == "@odata.nextLink" else 10
    body = dataverse.get("accounts", f"odata.track-changes,odata.maxpagesize={size}").json()
    assert body[link].startswith("https://elsewhere.example/api/data/v9.2/accounts?")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("conflict", "An update conflict occurred due to another user process"),
        ("deadlock", "was deadlocked"),
        ("Error: Item is blocked.", "Infolog: Error: Item is blocked.."),
    ],
)
def test_one_operation_of_a_batch_can_be_refused_by_x_plus_plus(sandbox, fno, text, words):
    sandbox.add_faults(Fault(effect="infolog", level="operation", body='"A"', text=text))
    answer = fno.batch(two_customers())
    assert statuses(answer) == [500, 201]
    assert words in answer.text
    assert stored(sandbox) == {"B"}


def test_one_operation_can_be_refused_by_a_plug_in(sandbox, dataverse):
    sandbox.add_faults(Fault(effect="infolog", level="operation", method="POST", text="No way."))
    assert error(dataverse.post("accounts", {"name": "a"})) == (400, "0x80040265", "No way.")


def test_one_operation_can_be_answered_with_a_status(sandbox, fno):
    sandbox.add_faults(Fault(effect="status", level="operation", status=429, nth=2))
    assert statuses(fno.batch(two_customers())) == [201, 429]


def test_latency_is_that_of_the_request_and_of_its_operations_one_after_another(sandbox, fno):
    sandbox.set_latency(fno={"request_ms": 100, "operation_ms": 50})
    begun = time.monotonic()
    fno.batch(two_customers())
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize(
    ("rate", "expected"),
    [("random_429_rate", 429), ("random_502_rate", 502), ("random_lost_reply_rate", None)],
)
def test_calls_can_fail_at_random(sandbox, fno, rate, expected):
    sandbox.set_switches(**{rate: 1.0})
    if expected is None:
        with pytest.raises(requests.ConnectionError):
            fno.post("CustomersV2", CUSTOMER)
        assert stored(sandbox) == {"ACC-1"}
    else:
        assert fno.post("CustomersV2", CUSTOMER).status_code == expected
        assert stored(sandbox) == set()


@pytest.mark.parametrize(
    ("limit", "code", "words"),
    [
        (
            {"limit_requests": 2},
            "0x80072322",
            "Number of requests exceeded the limit of 2 over time window of 300 seconds.",
        ),
        (
            {"limit_seconds": 0.000001},
            "0x80072321",
            "Combined execution time of incoming requests exceeded limit of 0 milliseconds",
        ),
    ],
)
def test_dataverse_limits_each_user_in_a_sliding_window(sandbox, dataverse, limit, code, words):
    mine = {"Authorization": f"Bearer {code}"}
    sandbox.set_switches(**limit)
    found = [dataverse.get("WhoAmI", headers=mine) for _ in range(3)]
    assert found[0].status_code == 200
    status, found_code, message = error(found[2])
    assert (status, found_code) == (429, code)
    assert message.startswith(words)
    assert 290 <= int(found[2].headers["Retry-After"]) <= 300
    other = {"Authorization": "Bearer another"}
    assert dataverse.get("WhoAmI", headers=other).status_code == 200
    sandbox.set_switches(dataverse_limits=False)
    assert dataverse.get("WhoAmI", headers=mine).status_code == 200


def test_concurrent_requests_are_limited(sandbox, dataverse):
    sandbox.set_switches(limit_concurrency=1)
    sandbox.set_latency(dataverse={"request_ms": 400})
    slow = threading.Thread(target=lambda: dataverse.get("WhoAmI"))
    slow.start()
    wait_until(lambda: sandbox.requests()["dataverse"]["requests"] == 1)
    url = f"{sandbox.dataverse_url}/api/data/v9.2/WhoAmI"
    answer = requests.get(url, headers={"Authorization": "Bearer test"}, timeout=20)
    slow.join()
    assert error(answer)[1] == "0x80072326"
    assert sandbox.requests()["dataverse"]["max_concurrency"] == 2


def test_fno_is_busy_beyond_its_capacity(sandbox, fno):
    sandbox.set_switches(fno_capacity=1)
    sandbox.set_latency(fno={"request_ms": 400})
    slow = threading.Thread(target=lambda: fno.get("Companies"))
    slow.start()
    wait_until(lambda: sandbox.requests()["fno"]["requests"] == 1)
    headers = {"Authorization": "Bearer another"}
    answer = requests.get(f"{sandbox.fno_url}/data/Companies", headers=headers, timeout=20)
    slow.join()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "high resource utilization" in infolog(answer)
    assert fno.get("Companies").status_code == 200


def test_the_window_slides_on(sandbox, dataverse):
    mine = {"Authorization": "Bearer sliding"}
    sandbox.set_switches(limit_requests=1, limit_window_seconds=0.2)
    assert dataverse.get("WhoAmI", headers=mine).status_code == 200
    assert dataverse.get("WhoAmI", headers=mine).status_code == 429
    wait_until(lambda: dataverse.get("WhoAmI", headers=mine).status_code == 200)


def test_fno_limits_users_only_when_switched_on(sandbox, fno):
    sandbox.set_switches(limit_requests=2)
    assert [fno.get("Companies").status_code for _ in range(3)] == [200] * 3
    sandbox.set_switches(fno_user_limits=True)
    answer = fno.get("Companies")
    assert answer.status_code == 429
    assert infolog(answer).startswith("Number of requests exceeded the limit of 2 over the time")


def test_a_reset_forgets_what_users_have_used_up(sandbox, dataverse):
    sandbox.set_switches(limit_requests=1)
    assert [dataverse.get("WhoAmI").status_code for _ in range(2)] == [200, 429]
    sandbox.reset()
    sandbox.set_switches(limit_requests=1)
    assert dataverse.get("WhoAmI").status_code == 200
