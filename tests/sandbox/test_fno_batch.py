"""Batches of the simulated F&O."""

import pytest

from tests.sandbox.talk import CUSTOMER, change_set, infolog, part, statuses

SET = "/data/CustomersV2?cross-company=true"
ONE = "/data/CustomersV2(dataAreaId='usmf',CustomerAccount='{}')?cross-company=true"


def customer(number: str, **values) -> dict:
    return {**CUSTOMER, "CustomerAccount": number, "PartyNumber": number, **values}


def test_independent_change_sets_succeed_and_fail_alone(fno, sandbox):
    answer = fno.batch(
        [
            *change_set((f"POST {sandbox.fno_url}{SET}", customer("A"))),
            *change_set((f"POST {SET}", customer("B", CustomerGroupId="x"))),
            *change_set((f"POST {SET}", customer("C"))),
            *change_set((f"PATCH {ONE.format('A')}", {"CreditLimit": 5})),
        ]
    )
    assert answer.status_code == 200
    assert statuses(answer) == [201, 500, 201, 204]
    assert answer.text.count("Content-Type: multipart/mixed") == 3
    assert {c["CustomerAccount"] for c in sandbox.fno_records("CustomersV2")} == {"A", "C"}


@pytest.mark.parametrize("status", [500, 400])
def test_a_failed_change_set_leaves_nothing_and_has_one_answer(fno, sandbox, status):
    sandbox.set_switches(fno_change_set_status=status)
    answer = fno.batch(change_set((f"POST {SET}", customer("A")), (f"POST {SET}", customer("A"))))
    assert statuses(answer) == [status]
    assert "Content-ID: 2" in answer.text
    assert "The record already exists" in answer.text
    assert sandbox.fno_records("CustomersV2") == []
    assert "A" not in {party["PartyNumber"] for party in sandbox.fno_records("CDSParties")}


def test_a_rolled_back_update_restores_the_record(fno, sandbox):
    fno.post("CustomersV2", customer("A", CreditLimit=1))
    fno.batch(
        change_set(
            (f"PATCH {ONE.format('A')}", {"CreditLimit": 2}),
            (f"DELETE {ONE.format('A')}", {}),
            (f"PATCH {ONE.format('B')}", {"CreditLimit": 2}),
        )
    )
    stored = sandbox.fno_records("CustomersV2")[0]
    assert (stored["CreditLimit"], stored["RecVersion"]) == (1, 1)


def test_reads_stand_outside_change_sets(fno):
    fno.post("CustomersV2", customer("A"))
    answer = fno.batch(
        [*part(f"GET {ONE.format('A')}&$select=CustomerAccount"), *change_set((f"GET {SET}", {}))]
    )
    assert statuses(answer) == [200, 400]


def test_a_missing_record_fails_its_part(fno):
    answer = fno.batch(change_set((f"PATCH {ONE.format('A')}", {"CreditLimit": 5})))
    assert statuses(answer) == [500]
    assert "No resources were found when selecting for update." in answer.text


@pytest.mark.parametrize(
    "lines", [["nothing"], ["--b", "Content-Type: application/http", "", "x", ""]]
)
def test_a_malformed_batch_is_refused(fno, lines):
    answer = fno.batch(lines)
    assert answer.status_code == 400
    assert infolog(answer)


def test_a_batch_holds_at_most_five_thousand_operations(fno):
    answer = fno.batch(part("GET /data/Companies?$top=1") * 5_001)
    assert answer.status_code == 400
    assert "5001 operations" in infolog(answer)
