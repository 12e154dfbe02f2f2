"""Batches of the simulated Dataverse."""

import pytest

from tests.sandbox.talk import (
    change_set,
    error,
    make_account,
    make_contact,
    names,
    part,
    statuses,
)

ROOT = "/api/data/v9.2"
BAD = {"name": "x" * 161}


def test_each_part_gets_its_own_answer(dataverse):
    row_id = make_account(dataverse, name="a")
    answer = dataverse.batch(
        [
            *part(f"GET {ROOT}/accounts({row_id})?$select=name", headers=("Accept: */*",)),
            *change_set((f"POST {ROOT}/accounts", {"name": "b"})),
        ]
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert statuses(answer) == [200, 204]
    assert "boundary=changesetresponse_" in answer.text
    assert "Content-ID: 1" in answer.text
    assert "\n" not in answer.text.replace("\r\n", "")


def test_absolute_urls_are_understood(dataverse, sandbox):
    url = f"{sandbox.dataverse_url}{ROOT}/accounts"
    assert statuses(dataverse.batch(part(f"GET {url}"))) == [200]


def test_a_change_set_is_done_as_a_whole_or_not_at_all(dataverse):
    kept = make_account(dataverse, name="kept")
    answer = dataverse.batch(
        change_set(
            (f"POST {ROOT}/accounts", {"name": "a"}),
            (f"DELETE {ROOT}/accounts({kept})", {}),
            (f"POST {ROOT}/accounts", BAD),
        )
    )
    assert answer.status_code == 400
    assert statuses(answer) == [400]
    assert "REQ_ID:" in answer.text
    assert "0x80044331" in answer.text
    assert names(dataverse.get("accounts")) == ["kept"]


def test_a_rolled_back_change_is_in_no_delta(dataverse):
    row_id = make_account(dataverse, name="a")
    link = dataverse.get("accounts", "odata.track-changes").json()["@odata.deltaLink"]
    dataverse.batch(
        change_set(
            (f"PATCH {ROOT}/accounts({row_id})", {"name": "b"}),
            (f"DELETE {ROOT}/accounts({row_id})", {}),
            (f"POST {ROOT}/accounts", BAD),
        )
    )
    assert dataverse.get(link).json()["value"] == []
    dataverse.delete(f"accounts({row_id})")
    assert [item["id"] for item in dataverse.get(link).json()["value"]] == [row_id]


@pytest.mark.parametrize(
    ("prefer", "outer", "inner"),
    [("", 400, [204, 400]), ("odata.continue-on-error", 200, [204, 400, 204])],
)
def test_a_failure_ends_the_batch_unless_told_to_go_on(dataverse, prefer, outer, inner):
    parts = [
        *part(f"POST {ROOT}/accounts", {"name": "a"}),
        *part(f"POST {ROOT}/accounts", BAD),
        *part(f"POST {ROOT}/accounts", {"name": "c"}),
    ]
    answer = dataverse.batch(parts, prefer)
    assert answer.status_code == outer
    assert statuses(answer) == inner
    assert len(dataverse.get("accounts").json()["value"]) == inner.count(204)


def test_a_request_refers_to_an_earlier_one_of_its_change_set(dataverse):
    answer = dataverse.batch(
        change_set(
            (f"POST {ROOT}/contacts", {"lastname": "L"}),
            (f"POST {ROOT}/accounts", {"name": "a", "primarycontactid@odata.bind": "$1"}),
            ("PATCH $2", {"fax": "5"}),
        )
    )
    assert statuses(answer) == [204, 204, 204], answer.text
    row = dataverse.get("accounts?$expand=primarycontactid($select=lastname)").json()["value"][0]
    assert row["primarycontactid"]["lastname"] == "L"
    assert row["fax"] == "5"


def test_a_reference_to_nothing_is_refused(dataverse):
    body = {"name": "a", "primarycontactid@odata.bind": "$9"}
    answer = dataverse.batch(change_set((f"POST {ROOT}/accounts", body)))
    assert "Content-ID Reference: '$9' does not exist in the batch context." in answer.text


def test_preferences_and_conditions_of_a_part_count(dataverse):
    make_contact(dataverse, lastname="L", msdynce_contactnumber="CON-1")
    answer = dataverse.batch(
        part(
            f"PATCH {ROOT}/contacts(msdynce_contactnumber='CON-1')?$select=contactid",
            {"lastname": "M"},
            ("Prefer: return=representation", "If-Match: *"),
        )
    )
    assert statuses(answer) == [200]
    assert '"contactid"' in answer.text


@pytest.mark.parametrize(
    "lines",
    [
        ["no boundary at all"],
        ["--b", "Content-Type: text/plain", "", "x"],
        ["--b", "Content-Type: application/http", "", "NONSENSE /x HTTP/1.1", "", ""],
        part(f"POST {ROOT}/$batch", {}),
        [
            "--b",
            "Content-Type: multipart/mixed; boundary=c",
            "",
            *["--c" if line == "--b" else line for line in change_set(("GET /", {}), boundary="d")],
            "--c--",
        ],
        change_set((f"GET {ROOT}/accounts", {})),
    ],
)
def test_a_malformed_batch_is_refused_as_json(dataverse, lines):
    answer = dataverse.batch(lines)
    assert error(answer)[0] == 400


def test_lines_must_end_in_crlf(dataverse):
    body = "\n".join([*part(f"GET {ROOT}/accounts"), "--b--", ""])
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    answer = dataverse.send("POST", "$batch", data=body, headers=headers)
    assert "CRLF" in error(answer)[2]


def test_a_batch_holds_at_most_a_thousand_requests(dataverse):
    one = part(f"GET {ROOT}/WhoAmI")
    assert dataverse.batch(one * 1_000).status_code == 200
    answer = dataverse.batch(one * 1_001)
    assert error(answer)[0] == 400
    assert "1001" in error(answer)[2]
