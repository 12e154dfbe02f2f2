"""Rejected rows over HTTP: listed in bounds, retried by choice, wrong requests told what to do."""

import json

import azure.functions as func
import pytest

from p2c.functions.http import get_rejected, post_retry
from p2c.model import Outcome, Reason
from p2c.sync.ledger import Change, Entry

ACCOUNTS = "Accounts - Customers"
ROWS = [f"5c1ec0de-0000-4000-8000-{number:012}" for number in range(5)]
OTHER = "6c1ec0de-0000-4000-8000-000000000001"
JSON = "application/json"


def no_app():
    raise AssertionError("A request that is wrong needs no app.")


def read(response):
    return response.status_code, json.loads(response.get_body())


def listed(get_app, **params):
    request = func.HttpRequest(
        method="GET", url="http://localhost/api/rejected", params=params, body=b""
    )
    return read(get_rejected(get_app, request))


def retried(get_app, body, content_type=JSON):
    request = func.HttpRequest(
        method="POST",
        url="http://localhost/api/rejected/retry",
        headers={"content-type": content_type},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )
    return post_retry(get_app, request)


@pytest.fixture
def rejected(app):
    """Five rejected accounts, three of them for one code, and a contact."""
    for template, rows in (("accounts", ROWS), ("contacts", ROWS[:1])):
        task = app.runtime.template(template).tasks[0]
        changes = [
            Change(
                Entry(
                    row,
                    outcome=Outcome.REJECTED,
                    reason=Reason("duplicate" if number < 3 else "blocked", "Because."),
                )
            )
            for number, row in enumerate(rows)
        ]
        app.runtime.ledger(task).write(changes)
    return app


def test_nothing_rejected_is_an_empty_list(app):
    assert listed(lambda: app) == (200, {"rejected": [], "more": False})


def test_rejected_rows_are_listed_as_the_command_lists_them(rejected):
    status, found = listed(lambda: rejected)
    assert status == 200
    assert not found["more"]
    assert [row["template"] for row in found["rejected"]] == ["accounts"] * 5 + ["contacts"]
    assert list(found["rejected"][0]) == [
        "template", "task", "row", "key", "code", "reason", "since", "execution_id",
    ]  # fmt: skip


def test_the_list_is_narrowed_and_cut_and_says_so(rejected):
    _, found = listed(lambda: rejected, template="accounts", code="duplicate")
    assert ({row["row"] for row in found["rejected"]}, found["more"]) == (set(ROWS[:3]), False)
    _, found = listed(lambda: rejected, limit="2")
    assert (len(found["rejected"]), found["more"]) == (2, True)
    assert listed(lambda: rejected, limit="2")[1] == found, "the order is stable"
    _, found = listed(lambda: rejected, limit="6")
    assert (len(found["rejected"]), found["more"]) == (6, False)


@pytest.mark.parametrize(
    ("params", "code", "said"),
    [
        (
            {"limit": "1001"},
            "limit-invalid",
            "limit: found '1001', expected a whole number from 1 to 1000.",
        ),
        (
            {"code": "Not a code"},
            "code-invalid",
            "code: found 'Not a code', expected a code such as value-not-mapped.",
        ),
        (
            {"template": "acounts"},
            "template-unknown",
            "There is no template 'acounts'; there are: accounts, contacts, contacts-to-customer.",
        ),
    ],
)
def test_a_wrong_parameter_is_told_what_is_right(params, code, said):
    status, problem = listed(no_app, **params)
    assert (status, problem["code"], problem["detail"]) == (400, code, said)


CHOICES = [
    ({"all": True}, 6, []),
    ({"all": True, "template": "contacts"}, 1, []),
    ({"code": "duplicate"}, 4, []),
    ({"code": "duplicate", "template": "accounts"}, 3, []),
    ({"rows": ROWS[:1]}, 2, []),
    ({"rows": [ROWS[4], OTHER]}, 1, [OTHER]),
]


def test_rows_are_retried_by_choice(rejected):
    for body, queued, absent in CHOICES:
        response = retried(lambda: rejected, body)
        status, found = read(response)
        assert status == 202
        assert (found["queued"], found["not_rejected"]) == (queued, absent)
        assert response.headers["Location"] == f"/api/executions/{found['execution_id']}"
        summary = rejected.executions.summary(found["execution_id"])
        counts = [count for tasks in summary.execution.read.values() for count in tasks.values()]
        assert (sum(counts), summary.execution.trigger) == (queued, "retry")


def test_nothing_to_retry_is_no_execution(app):
    for body in ({"all": True}, {"code": "duplicate"}, {"rows": ROWS[:1]}):
        status, found = read(retried(lambda: app, body))
        assert (status, found["execution_id"], found["queued"]) == (200, None, 0)
        assert found["not_rejected"] == body.get("rows", [])
    assert app.executions.latest(5) == []


ONE_OF = '{"rows": ["<guid>", …]}, {"code": "value-not-mapped"} or {"all": true}'
WRONG = {
    "nothing chosen": (
        {},
        "choice-invalid",
        ("body", "none of 'rows', 'code', 'all'", f"exactly one: {ONE_OF}"),
    ),
    "two chosen": (
        {"code": "blocked", "all": True},
        "choice-invalid",
        ("body", "'code' and 'all'", f"exactly one: {ONE_OF}"),
    ),
    "an unknown key": (
        {"al": True},
        "body-invalid",
        ("al", "true", "one of rows, code, all, template"),
    ),
    "all false": ({"all": False}, "body-invalid", ("all", "false", "true")),
    "a code that is none": (
        {"code": "No!"},
        "body-invalid",
        ("code", "'No!'", "a code of a rejected row, such as value-not-mapped"),
    ),
    "a code that is a number": (
        {"code": 7},
        "body-invalid",
        ("code", "7", "a code of a rejected row, such as value-not-mapped"),
    ),
    "a row that is no GUID": (
        {"rows": ["A1"]},
        "body-invalid",
        ("rows[0]", "'A1'", "a GUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e"),
    ),
    "an empty template": (
        {"all": True, "template": ""},
        "body-invalid",
        ("template", "''", "a template's name, such as accounts"),
    ),
    "not JSON": (b"{", "json-invalid", ("body, line 1, column 2", None, f"JSON: {ONE_OF}")),
}


@pytest.mark.parametrize(("body", "code", "error"), WRONG.values(), ids=WRONG)
def test_a_wrong_body_is_told_where_what_and_what_to_do(body, code, error):
    status, problem = read(retried(no_app, body))
    assert (status, problem["code"]) == (400, code)
    assert problem["detail"].startswith("The request to retry rejected rows is wrong: ")
    (found,) = problem["errors"]
    where, what, expected = error
    assert (found["where"], found["expected"]) == (where, expected)
    assert what in {None, found["found"]}
    assert found["what_to_do"]


def test_a_template_that_is_not_there_is_told_which_there_are():
    status, problem = read(retried(no_app, {"all": True, "template": "acounts"}))
    assert (status, problem["code"]) == (400, "template-unknown")
