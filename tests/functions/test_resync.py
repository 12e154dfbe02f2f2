"""Every way in which a request to resync can be wrong, with what it is told."""

import json

import azure.functions as func
import pytest

from p2c.functions.body import MOST_BYTES
from p2c.functions.http import post_resync
from p2c.functions.resync import read_body

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
ONE_OF = '{"rows": ["<guid>", …]}, {"all": true} or {"accept_deletes": true}'
NONE_OF = "none of 'rows', 'all', 'accept_deletes'"
JSON = "application/json"
NAME_ROWS = "Name rows, or send all."
COPY = "Copy the row's id from the address of its form in Sales."
A_GUID = f"a GUID, such as {GUID}"
MEND = "Mend the body."

WRONG = {
    "no content type": (
        "",
        b'{"all": true}',
        (415, "content-type-wrong"),
        [("header Content-Type", "nothing", JSON, "Set the header.")],
    ),
    "another content type": (
        "application/x-www-form-urlencoded",
        b'{"all": true}',
        (415, "content-type-wrong"),
        [("header Content-Type", "'application/x-www-form-urlencoded'", JSON, "Set the header.")],
    ),
    "too large": (
        JSON,
        b" " * (MOST_BYTES + 1),
        (413, "body-too-large"),
        [("body", "262145 bytes", "at most 262144", "Send fewer rows at once.")],
    ),
    "empty": (
        JSON,
        b" \n",
        (400, "body-empty"),
        [("body", "nothing", ONE_OF, "Send a body.")],
    ),
    "not UTF-8": (
        JSON,
        b'{"rows": ["\xff"]}',
        (400, "json-invalid"),
        [("body, byte 11", "bytes that are no UTF-8", f"JSON: {ONE_OF}", MEND)],
    ),
    "not JSON": (
        JSON,
        b'{"all":\n yes}',
        (400, "json-invalid"),
        [("body, line 2, column 2", "Expecting value", f"JSON: {ONE_OF}", MEND)],
    ),
    "nested too deeply": (
        JSON,
        b"[" * 100_000,
        (400, "json-invalid"),
        [("body", "brackets nested too deeply", f"JSON: {ONE_OF}", MEND)],
    ),
    "a number too long": (
        JSON,
        b'{"rows": ' + b"1" * 5000 + b"}",
        (400, "json-invalid"),
        [("body", "a number that is too long", f"JSON: {ONE_OF}", MEND)],
    ),
    "half of a surrogate pair": (
        JSON,
        b'{"rows": ["\\ud800"]}',
        (400, "json-invalid"),
        [("body", "text with half of a surrogate pair", f"JSON: {ONE_OF}", MEND)],
    ),
    "half of a surrogate pair as a key": (
        JSON,
        b'{"\\ud800": 1}',
        (400, "json-invalid"),
        [("body", "text with half of a surrogate pair", f"JSON: {ONE_OF}", MEND)],
    ),
    "half of a surrogate pair as a key twice": (
        JSON,
        b'{"\\ud800": 1, "\\ud800": 2}',
        (400, "key-duplicate"),
        [("body, '?'", "it twice", "it once", "Remove one of them.")],
    ),
    "a list": (
        JSON,
        json.dumps([GUID]).encode(),
        (400, "body-not-object"),
        [("body", "a list", f"an object: {ONE_OF}", MEND)],
    ),
    "a text": (
        JSON,
        b'"all"',
        (400, "body-not-object"),
        [("body", "'all'", f"an object: {ONE_OF}", MEND)],
    ),
    "neither": (
        JSON,
        b'{"force": true}',
        (400, "rows-or-all"),
        [("body", NONE_OF, f"exactly one: {ONE_OF}", MEND)],
    ),
    "both": (
        JSON,
        json.dumps({"rows": [GUID], "all": True}).encode(),
        (400, "rows-or-all"),
        [("body", "'rows' and 'all'", f"exactly one: {ONE_OF}", MEND)],
    ),
    "consent with rows": (
        JSON,
        json.dumps({"rows": [GUID], "accept_deletes": True}).encode(),
        (400, "rows-or-all"),
        [("body", "'rows' and 'accept_deletes'", f"exactly one: {ONE_OF}", MEND)],
    ),
    "consent with force": (
        JSON,
        b'{"accept_deletes": true, "force": true}',
        (400, "rows-or-all"),
        [("body", "'accept_deletes' and 'force'", f"exactly one: {ONE_OF}", MEND)],
    ),
    "no consent": (
        JSON,
        b'{"accept_deletes": false}',
        (400, "body-invalid"),
        [("accept_deletes", "false", "true", "Send true, or name 'rows' instead.")],
    ),
    "a key twice": (
        JSON,
        b'{"all": true, "all": true}',
        (400, "key-duplicate"),
        [("body, 'all'", "it twice", "it once", "Remove one of them.")],
    ),
    "an unknown key": (
        JSON,
        b'{"row": "x"}',
        (400, "body-invalid"),
        [("row", "'x'", "one of rows, all, accept_deletes, force", "Mend the key or remove it.")],
    ),
    "no rows": (
        JSON,
        b'{"rows": []}',
        (400, "body-invalid"),
        [("rows", "an empty list", "a list of at least one GUID", NAME_ROWS)],
    ),
    "rows null": (
        JSON,
        b'{"rows": null}',
        (400, "body-invalid"),
        [("rows", "null", "a list of at least one GUID", NAME_ROWS)],
    ),
    "rows no list": (
        JSON,
        json.dumps({"rows": GUID}).encode(),
        (400, "body-invalid"),
        [("rows", f"'{GUID}'", "a list of at least one GUID", NAME_ROWS)],
    ),
    "rows that are no GUIDs": (
        JSON,
        json.dumps({"rows": [GUID, "ACC-01000", 7, {}]}).encode(),
        (400, "body-invalid"),
        [
            ("rows[1]", "'ACC-01000'", A_GUID, COPY),
            ("rows[2]", "7", A_GUID, COPY),
            ("rows[3]", "an object", A_GUID, COPY),
        ],
    ),
    "too many rows": (
        JSON,
        json.dumps({"rows": [GUID] * 1001}).encode(),
        (400, "body-invalid"),
        [("rows", "1001 rows", "at most 1000", "Send several requests, or all.")],
    ),
    "all false": (
        JSON,
        b'{"all": false}',
        (400, "body-invalid"),
        [("all", "false", "true", "Send true, or name 'rows' instead.")],
    ),
    "all as a number": (
        JSON,
        b'{"all": 1}',
        (400, "body-invalid"),
        [("all", "1", "true", "Send true, or name 'rows' instead.")],
    ),
    "force as text": (
        JSON,
        b'{"all": true, "force": "yes"}',
        (400, "body-invalid"),
        [("force", "'yes'", "true or false", "Mend the value or remove it.")],
    ),
}


def no_app():
    raise AssertionError("A request that is wrong needs no app.")


def post(template, content_type, body):
    request = func.HttpRequest(
        method="POST",
        url=f"http://localhost/api/resync/{template}",
        headers={"content-type": content_type} if content_type else {},
        route_params={"template": template},
        body=body,
    )
    answer = post_resync(no_app, request)
    assert answer.mimetype == "application/problem+json"
    return answer.status_code, json.loads(answer.get_body())


@pytest.mark.parametrize(
    ("content_type", "body", "status_and_code", "errors"), WRONG.values(), ids=WRONG
)
def test_a_wrong_body_is_told_where_what_and_what_to_do(
    content_type, body, status_and_code, errors
):
    status, problem = post("accounts", content_type, body)
    assert (status, problem["code"]) == status_and_code
    assert problem["status"] == status
    assert problem["type"] == f"urn:p2c:problem:{problem['code']}"
    assert problem["title"]
    where, found, expected, _ = errors[0]
    assert problem["detail"].startswith(
        f"The request to resync is wrong: {where}: found {found}, expected {expected}"
    )
    assert problem["detail"].endswith("Nothing was queued.")
    assert [tuple(error.values()) for error in problem["errors"]] == errors
    assert list(problem["errors"][0]) == ["where", "found", "expected", "what_to_do"]


def test_an_unknown_template_is_told_which_there_are():
    status, problem = post("acounts", JSON, b'{"all": true}')
    assert (status, problem["code"]) == (404, "template-unknown")
    assert problem["detail"] == (
        "There is no template 'acounts'; there are: accounts, contacts, contacts-to-customer."
    )


def test_what_is_wrong_many_times_is_told_once_and_listed_in_full():
    rows = [f"row {number}" for number in range(5)]
    _, problem = post("accounts", JSON, json.dumps({"rows": rows}).encode())
    assert "; and 2 more. Nothing was queued." in problem["detail"]
    assert len(problem["errors"]) == 5


def test_foreign_text_is_cut():
    _, problem = post("accounts", JSON, json.dumps({"rows": ["x" * 5000]}).encode())
    assert len(problem["errors"][0]["found"]) < 300


def test_a_row_may_be_written_as_sales_shows_it():
    body = read_body(
        f"{JSON}; charset=utf-8", json.dumps({"rows": [f"{{{GUID.upper()}}}"]}).encode()
    )
    assert body.rows == (GUID,)
    assert not body.everything
    assert not body.force


def test_all_with_force_is_read():
    body = read_body(JSON, b'{"all": true, "force": true}')
    assert (body.rows, body.everything, body.force) == ((), True, True)
