"""``GET /api/rows/{template}/{row}``: the chain of one row, over HTTP."""

import json

import azure.functions as func
import pytest

from p2c.functions.http import get_row
from tests.sandbox.talk import Service, make_account


def ask(get_app, template, row):
    request = func.HttpRequest(
        method="GET",
        url=f"http://localhost/api/rows/{template}/{row}",
        route_params={"template": template, "row": row},
        body=b"",
    )
    response = get_row(get_app, request)
    return response.status_code, json.loads(response.get_body())


@pytest.fixture
def account(sandbox):
    dataverse = Service(f"{sandbox.dataverse_url}/api/data/v9.2/")
    yield make_account(dataverse, name="Fjord", accountnumber="ACC-1 Ø", creditlimit=12.5)
    dataverse.session.close()


def test_a_row_is_explained_by_its_id_and_by_its_number(app, account):
    status, by_id = ask(lambda: app, "accounts", f"{{{account.upper()}}}")
    assert status == 200
    _, by_number = ask(lambda: app, "accounts", "acc-1 ø")
    assert by_number["rows"] == by_id["rows"]
    (row,) = by_id["rows"]
    assert (row["row"], row["number"]) == (account, "ACC-1 Ø")
    (task,) = row["tasks"]
    assert task["summary"] == "Account ACC-1 Ø was never looked at by 'accounts'."
    limit = next(field for field in task["mapping"]["fields"] if field["field"] == "CreditLimit")
    assert (limit["raw"], limit["value"]) == (12.5, 12.5)


@pytest.mark.parametrize(
    ("template", "row", "where", "words"),
    [
        ("nosuch", "ACC-1 Ø", "template", "There is no template 'nosuch'"),
        ("accounts", "NOPE", "row", "no row in Sales has this number"),
        ("contacts", "ACC-1 Ø", "row", "(searched: contact.msdynce_contactnumber)"),
        ("accounts", "x" * 3000, "row", "no row in Sales has this number"),
    ],
)
def test_a_row_or_template_that_is_not_there_is_not_found(
    app, account, template, row, where, words
):
    status, problem = ask(lambda: app, template, row)
    assert (status, problem["code"]) == (404, f"{where}-unknown")
    assert problem["errors"][0]["where"] == f"{where} in the path"
    assert words in problem["detail"]
    assert len(json.dumps(problem)) < 2000


def test_a_service_that_is_down_is_told_within_the_answer(app, sandbox, account):
    app.backoff["fno"].throttled(60)
    status, found = ask(lambda: app, "accounts", account)
    assert status == 200
    assert found["rows"][0]["tasks"][0]["fno"]["problem"].startswith("F&O is left alone until ")
