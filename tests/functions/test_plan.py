"""A plan over HTTP: what a run would write, in one answer, and nothing written."""

import azure.functions as func
import pytest

from p2c.errors import ServiceRefusedError, UnavailableError
from p2c.functions import plan as plan_module
from p2c.functions.http import get_plan
from tests.functions.test_http import failing, no_app, read
from tests.sandbox.talk import Service, currency, make_account

TASK = "Accounts - Customers"


def request(template="accounts", **params):
    return func.HttpRequest(
        method="GET",
        url=f"http://localhost/api/plan/{template}",
        body=b"",
        params=params,
        route_params={"template": template},
    )


@pytest.fixture
def new_account(sandbox):
    dataverse = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
    euro = f"transactioncurrencies({currency(dataverse, 'EUR')})"

    def make(number):
        binding = {"transactioncurrencyid@odata.bind": euro}
        return make_account(dataverse, name=f"Name {number}", accountnumber=number, **binding)

    yield make
    dataverse.session.close()


def test_a_plan_lists_what_a_run_would_write(app, sandbox, new_account):
    new_account("A1")
    status, found = read(get_plan(lambda: app, request()))
    assert (status, found["status"]) == (200, "Changes")
    assert found["operations"] == {"create": 1, "update": 0, "retire": 0}
    task = found["templates"]["accounts"]["tasks"][TASK]
    assert task["counts"]["created"] == 1
    ((operation,),) = [row["operations"] for row in task["rows"]]
    assert operation["fields"]["OrganizationName"] == {"old": None, "new": "Name A1"}
    assert found["cut_short"] is None
    assert sandbox.fno_records("CustomersV2") == []
    assert [list(table.scan("checkpoint")) for table in app.tables.values()] == [[]] * 4


def test_a_plan_is_cut_short_after_as_many_rows_as_asked_for(app, new_account):
    for number in range(3):
        new_account(f"A{number}")
    _, found = read(get_plan(lambda: app, request(limit="2", all="true")))
    task = found["templates"]["accounts"]["tasks"][TASK]
    assert (found["cut_short"], task["counts"]["read"], len(task["rows"])) == ("limit", 2, 2)


def test_a_plan_is_cut_short_when_its_time_is_over(app, new_account, monkeypatch):
    new_account("A1")
    monkeypatch.setattr(plan_module, "PLAN_SECONDS", 0)
    status, found = read(get_plan(lambda: app, request()))
    assert (status, found["status"], found["cut_short"]) == (200, "Incomplete", "time")


@pytest.mark.parametrize("limit", ["0", "1001", "all"])
def test_a_limit_that_is_none_is_refused(limit):
    status, problem = read(get_plan(no_app, request(limit=limit)))
    assert (status, problem["code"]) == (400, "limit-invalid")
    assert problem["detail"].endswith("expected a whole number from 1 to 1000.")


def test_whether_all_rows_are_wanted_is_said_by_true_or_false():
    status, problem = read(get_plan(no_app, request(all="yes")))
    assert (status, problem["code"]) == (400, "all-invalid")
    assert problem["detail"] == "all: found 'yes', expected true or false."


def test_a_template_that_is_none_is_not_found():
    status, problem = read(get_plan(no_app, request("invoice")))
    assert (status, problem["code"]) == (404, "template-unknown")


@pytest.mark.parametrize("kind", [UnavailableError, ServiceRefusedError])
def test_a_service_that_cannot_be_asked_is_a_problem_without_particulars(kind):
    status, problem = read(get_plan(failing(kind("secret", service="fno")), request()))
    assert (status, problem["code"]) == (503, kind.code)
    assert "secret" not in problem["detail"]
