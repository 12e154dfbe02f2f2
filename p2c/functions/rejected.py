"""What the HTTP functions for rejected rows answer."""

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from itertools import islice
from typing import Annotated

import azure.functions as func
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    StringConstraints,
    ValidationError,
)

from p2c.bootstrap import App
from p2c.functions.body import MOST_ROWS, Form, Guid, IsTrue
from p2c.functions.problem import json_response
from p2c.functions.query import check_template, read_code, read_limit
from p2c.sync.rejected import Choice, rejected_rows, retry_rejected

LISTED_USUALLY = 100
LISTED_MOST = 1000
_CODE = r"^[a-z]+(-[a-z]+)*$"

FORM = Form(
    what="retry rejected rows",
    example='{"rows": ["<guid>", …]}, {"code": "value-not-mapped"} or {"all": true}',
    choices=("rows", "code", "all"),
    choice_code="choice-invalid",
    options=("template",),
    expected={
        "code": "a code of a rejected row, such as value-not-mapped",
        "template": "a template's name, such as accounts",
    },
)


class RetryBody(BaseModel):
    """Body of ``POST /api/rejected/retry``; exactly one of `rows`, `code` and `everything`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rows: tuple[Guid, ...] = Field((), min_length=1, max_length=MOST_ROWS)
    """Primary keys of rows in Sales, at most `MOST_ROWS`."""

    code: Annotated[StrictStr, StringConstraints(pattern=_CODE, max_length=100)] = ""
    """The rows rejected for this reason."""

    everything: Annotated[StrictBool, IsTrue] = Field(default=False, alias="all")
    """Every rejected row."""

    template: Annotated[StrictStr, StringConstraints(min_length=1, max_length=100)] = ""
    """Only where this template rejected them."""


def list_rejected(get_app: Callable[[], App], request: func.HttpRequest) -> func.HttpResponse:
    """Answer with rejected rows in a stable order, and whether there are more.

    Raises:
        Problem: A parameter is wrong.
        RetryLaterError: Storage cannot be reached.
    """
    template = request.params.get("template", "")
    if template:
        check_template(template, where="template in the query", status=HTTPStatus.BAD_REQUEST)
    code = read_code(request.params.get("code", ""))
    limit = read_limit(request.params.get("limit"), usually=LISTED_USUALLY, most=LISTED_MOST)
    found = rejected_rows(get_app().runtime, [template] if template else None, code=code)
    rows = [asdict(row) for row in islice(found, limit + 1)]
    return json_response({"rejected": rows[:limit], "more": len(rows) > limit})


def retry(get_app: Callable[[], App], request: func.HttpRequest) -> func.HttpResponse:
    """Queue rejected rows again: 202, or 200 when none of them is rejected any more.

    Raises:
        Problem: The body is wrong.
        RetryLaterError: Storage cannot be reached; perhaps some rows were queued.
    """
    body = read_body(request.headers.get("content-type", ""), request.get_body())
    if body.template:
        check_template(body.template, where="template", status=HTTPStatus.BAD_REQUEST)
    choice = Choice(body.rows, body.code, (body.template,) if body.template else ())
    retried = retry_rejected(get_app().runtime, choice, trigger="retry")
    answer = {
        "execution_id": retried.execution or None,
        "queued": retried.rows,
        "not_rejected": list(retried.not_rejected),
    }
    if not retried.rows:
        return json_response(answer)
    location = f"/api/executions/{retried.execution}"
    return json_response(answer, HTTPStatus.ACCEPTED, headers={"Location": location})


def read_body(content_type: str, body: bytes) -> RetryBody:
    """Read and check the body.

    Raises:
        Problem: 400, 413 or 415, with everything that is wrong.
    """
    try:
        return RetryBody.model_validate(FORM.read(content_type, body))
    except ValidationError as error:
        raise FORM.invalid(error.errors(include_url=False)) from None
