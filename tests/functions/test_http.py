"""Answers of the HTTP functions that need no host."""

import json
from dataclasses import replace
from http import HTTPStatus

import azure.functions as func
import pytest

from p2c.errors import (
    Problem,
    ServiceRefusedError,
    SettingError,
    TemplateError,
    UnavailableError,
)
from p2c.functions.http import get_execution, get_executions, get_health, post_resync
from p2c.functions.problem import answer

EXECUTION = "20260302T080000-1a2b3c4d"
SECRET = "AccountKey=abc"


def get(path, **more):
    return func.HttpRequest(method="GET", url=f"http://localhost/api/{path}", body=b"", **more)


def read(response):
    return response.status_code, json.loads(response.get_body())


def no_app():
    raise AssertionError("A request that is wrong needs no app.")


def failing(error):
    def get_app():
        raise error

    return get_app


@pytest.mark.parametrize(
    "limit", ["0", "51", "-1", "ten", "1.5", " 5", "٣", "99999999999999999999"]
)
def test_a_limit_that_is_none_is_refused(limit):
    status, problem = read(get_executions(no_app, get("executions", params={"limit": limit})))
    assert (status, problem["code"]) == (400, "limit-invalid")
    assert (
        problem["detail"]
        == f"limit: found '{limit.strip()}', expected a whole number from 1 to 50."
    )
    assert problem["errors"][0]["where"] == "limit in the query"
    assert problem["errors"][0]["what_to_do"] == "Mend it or leave it out."


@pytest.mark.parametrize("execution_id", ["x", "20260302", f"{EXECUTION}/", "../" * 300])
def test_an_id_that_no_execution_can_have_is_not_found(execution_id):
    request = get("executions/x", route_params={"id": execution_id})
    status, problem = read(get_execution(no_app, request))
    assert (status, problem["code"]) == (404, "execution-unknown")
    assert problem["detail"].startswith("There is no execution '")
    assert problem["detail"].endswith("GET /api/executions lists the newest.")
    assert len(problem["detail"]) < 500


def test_an_execution_that_is_not_there_is_not_found(app):
    request = get(f"executions/{EXECUTION}", route_params={"id": EXECUTION})
    status, problem = read(get_execution(lambda: app, request))
    assert (status, problem["code"]) == (404, "execution-unknown")
    assert problem["errors"][0]["found"] == f"'{EXECUTION}'"


def test_as_many_executions_are_listed_as_asked_for_newest_first(app):
    ids = [f"{app.runtime.clock.now():%Y%m%d}T0000{second:02}-00000000" for second in range(3)]
    for execution_id in ids:
        app.executions.start(execution_id, "timer", ["accounts"])
    request = get("executions", params={"limit": "2"})
    status, found = read(get_executions(lambda: app, request))
    assert status == 200
    assert [each["execution_id"] for each in found["executions"]] == ids[:0:-1]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnavailableError(SECRET, service="storage"), 503, "service-unavailable"),
        (ServiceRefusedError(SECRET, service="storage"), 503, "service-refused"),
        (SettingError(SECRET), 503, "setting-invalid"),
        (RuntimeError(SECRET), 500, "request-failed"),
    ],
)
def test_what_goes_wrong_inside_is_not_told_outside(error, status, code):
    response = answer("test", failing(error))
    found, problem = read(response)
    assert (found, problem["code"], problem["status"]) == (status, code, status)
    assert problem["title"] == HTTPStatus(status).phrase
    assert problem["errors"] == []
    assert SECRET not in response.get_body().decode()
    assert response.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    ("error", "checks"),
    [
        (SettingError(SECRET), ["setting-invalid", "not checked", "not checked"]),
        (
            TemplateError([Problem("key-unknown", SECRET, file="accounts.toml")]),
            ["ok", "key-unknown", "not checked"],
        ),
        (UnavailableError(SECRET, service="storage"), ["ok", "ok", "service-unavailable"]),
        (RuntimeError(SECRET), ["ok", "ok", "check-failed"]),
    ],
)
def test_health_names_what_is_broken_and_tells_no_more(error, checks):
    response = get_health(failing(error))
    status, found = read(response)
    assert (status, found["status"]) == (503, "unhealthy")
    assert found["checks"] == dict(zip(("settings", "templates", "storage"), checks, strict=True))
    assert SECRET not in response.get_body().decode()


def test_health_is_well_when_all_is(app):
    status, found = read(get_health(lambda: app))
    assert (status, found["status"]) == (200, "healthy")
    assert set(found) == {"status", "version", "checks"}


class QueueAway:
    """Enumerations whose request is recorded and then cannot be queued."""

    def __init__(self, app):
        self._executions = app.executions

    def request(self, message, *, trigger):
        self._executions.start(message.execution, trigger, [message.template])
        raise UnavailableError("away", service="storage")


def test_a_resync_that_could_not_be_queued_leaves_no_execution_running(app):
    broken = replace(app, enumerate_changes=QueueAway(app))
    request = func.HttpRequest(
        method="POST",
        url="http://localhost/api/resync/accounts",
        headers={"content-type": "application/json"},
        route_params={"template": "accounts"},
        body=b'{"all": true}',
    )
    status, problem = read(post_resync(lambda: broken, request))
    assert (status, problem["code"]) == (503, "service-unavailable")
    (left,) = app.executions.latest(5)
    assert left.status == "Error"
