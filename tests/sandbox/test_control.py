"""The control interface and the counters."""

import pytest
import requests

from p2c.sandbox import DemoSize, Start
from tests.sandbox.talk import CUSTOMER, change_set, make_account


def control(sandbox, method: str, path: str, body: object = None) -> requests.Response:
    url = f"{sandbox.fno_url}/sandbox/{path}"
    return requests.request(method, url, json=body, timeout=20)


def test_switches_are_shown_and_turned_on_both_ports_without_a_token(sandbox):
    assert control(sandbox, "GET", "switches").json()["fno_missing_status"] == 400
    changed = control(sandbox, "PUT", "switches", {"fno_missing_status": 404}).json()
    assert changed["fno_missing_status"] == 404
    url = f"{sandbox.dataverse_url}/sandbox/switches"
    assert requests.get(url, timeout=20).json()["fno_missing_status"] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", "switches", {"fno_mising_status": 404}, "fno_mising_status"),
        ("PUT", "switches", {"fno_missing_status": 418}, "Input should be 400 or 404"),
        ("PUT", "switches", ["x"], "A JSON object is expected."),
        ("PUT", "latency", {"fno": {"request_ms": -1}}, "greater than or equal to 0"),
        ("POST", "faults", {"faults": [{"effect": "explode"}]}, "effect"),
        ("POST", "reset", {"data": "other"}, "'demo' or 'empty'"),
    ],
)
def test_a_wrong_control_is_refused_and_says_why(sandbox, method, path, body, words):
    answer = control(sandbox, method, path, body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_an_unknown_control_names_those_that_exist(sandbox):
    answer = control(sandbox, "GET", "nothing")
    assert answer.status_code == 404
    assert "POST /sandbox/faults" in answer.json()["error"]
    assert "CustomersV2" in control(sandbox, "GET", "records/Nothing").json()["error"]


def test_requests_and_operations_are_counted(sandbox, fno):
    set_url = "/data/CustomersV2"
    fno.batch([*change_set((f"POST {set_url}", CUSTOMER)), *change_set((f"GET {set_url}", {}))])
    fno.get("Companies")
    counted = control(sandbox, "GET", "requests").json()["fno"]
    assert (counted["requests"], counted["operations"]) == (2, 3)
    assert counted["methods"] == {"$batch": 1, "POST": 1, "GET": 2}
    assert counted["log"][1] == {"method": "GET", "url": "/data/Companies"}
    control(sandbox, "DELETE", "requests")
    assert control(sandbox, "GET", "requests").json()["fno"]["requests"] == 0


def test_throttled_requests_are_counted(sandbox, fno):
    control(sandbox, "POST", "faults", {"faults": [{"effect": "status", "status": 429}]})
    fno.get("Companies")
    assert sandbox.requests()["fno"]["throttled"] == 1
    assert control(sandbox, "GET", "faults").json()[0]["hit"] == 1
    control(sandbox, "DELETE", "faults")
    assert control(sandbox, "GET", "faults").json() == {}


def test_what_is_stored_can_be_read_and_reset(sandbox, dataverse, fno):
    make_account(dataverse, name="a")
    fno.post("CustomersV2", CUSTOMER)
    rows = control(sandbox, "GET", "records/accounts").json()["value"]
    assert [row["name"] for row in rows] == ["a"]
    records = control(sandbox, "GET", "records/CustomersV2").json()["value"]
    assert [record["OrganizationName"] for record in records] == ["Fjord Foods"]
    control(sandbox, "POST", "reset", {})
    assert control(sandbox, "GET", "records/accounts").json()["value"] == []
    assert sandbox.fno_records("CustomersV2") == []


def test_a_reset_can_bring_demo_data(sandbox):
    demo = {"data": "demo", "demo": {"accounts": 5, "contacts": 7}}
    control(sandbox, "POST", "reset", demo)
    assert len(sandbox.dataverse_rows("accounts")) == 5
    sandbox.reset(Start(data="demo", demo=DemoSize(accounts=3, contacts=4)))
    assert len(sandbox.dataverse_rows("contacts")) == 4


def test_a_reset_turns_switches_and_faults_back(sandbox, fno):
    control(sandbox, "PUT", "switches", {"fno_page_size": 1})
    control(sandbox, "PUT", "latency", {"fno": {"request_ms": 1}})
    control(sandbox, "POST", "faults", {"faults": [{"effect": "status"}]})
    control(sandbox, "POST", "reset", {})
    assert control(sandbox, "GET", "switches").json()["fno_page_size"] == 10_000
    assert control(sandbox, "GET", "latency").json()["fno"]["request_ms"] == 0
    assert fno.get("Companies").status_code == 200


def test_tokens_can_be_expired(sandbox, dataverse):
    link = dataverse.get("accounts", "odata.track-changes").json()["@odata.deltaLink"]
    control(sandbox, "POST", "expire-tokens")
    assert dataverse.get(link).status_code == 400


def test_answers_carry_ids_allowances_and_a_cookie_that_should_not_come_back(
    sandbox, dataverse, fno
):
    sandbox.set_switches(limit_requests=10)
    first = dataverse.get("WhoAmI")
    assert first.headers["x-ms-service-request-id"] == first.headers["REQ_ID"]
    assert first.headers["x-ms-ratelimit-burst-remaining-xrm-requests"] == "9"
    one, other = fno.get("Companies"), fno.get("Companies")
    assert one.headers["ms-dyn-aid"] != other.headers["ms-dyn-aid"]
    # The session keeps cookies, so the second call to F&O sent one back.
    counted = sandbox.requests()
    assert (counted["dataverse"]["cookies"], counted["fno"]["cookies"]) == (0, 1)
