"""The request to resync: what its body may say, and how it becomes a message."""

import contextlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from p2c.bootstrap import App
from p2c.errors import RequestError, RetryLaterError
from p2c.functions.body import MOST_ROWS, Form, Guid, IsTrue
from p2c.functions.problem import Finding, Problem, json_response
from p2c.functions.query import check_template
from p2c.sync.messages import EnumerateMessage

FORM = Form(
    what="resync",
    example='{"rows": ["<guid>", …]}, {"all": true} or {"accept_deletes": true}',
    choices=("rows", "all", "accept_deletes"),
    choice_code="rows-or-all",
    options=("force",),
    expected={"force": "true or false"},
    alone=frozenset({"accept_deletes"}),  # What it means with force would have to be guessed.
)


class ResyncBody(BaseModel):
    """Body of ``POST /api/resync/{template}``; exactly one of the first three."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rows: tuple[Guid, ...] = Field((), min_length=1, max_length=MOST_ROWS)
    """Primary keys of rows in Sales, at most `MOST_ROWS`."""

    everything: Annotated[StrictBool, IsTrue] = Field(default=False, alias="all")
    """Every row of the template's tables."""

    accept_deletes: Annotated[StrictBool, IsTrue] = False
    """Consent to what a task asks, and go on with what changed since."""

    force: StrictBool = False
    """Compare with what F&O holds now, not with what was last written."""


def resync(
    get_app: Callable[[], App], template: str, request: func.HttpRequest
) -> func.HttpResponse:
    """Queue a request to enumerate and answer at once.

    Raises:
        Problem: The template or the body is wrong, or there is nothing to consent to.
        RetryLaterError: Storage cannot be reached; nothing was queued.
    """
    check_template(template)
    body = read_body(request.headers.get("content-type", ""), request.get_body())
    app = get_app()
    if body.accept_deletes:
        _accept_deletes(app, template)
    execution = app.executions.new_id()
    message = EnumerateMessage(
        template=template,
        execution=execution,
        rows=tuple(dict.fromkeys(body.rows)),
        everything=body.everything,
        force=body.force,
    )
    try:
        app.enumerate_changes.request(message, trigger="resync")
    except RetryLaterError as error:
        # It may have been recorded before the queue was out of reach; nobody would end it.
        with contextlib.suppress(RetryLaterError):
            app.executions.update(
                execution, error="The request was not queued.", error_code=error.code
            )
        raise
    return json_response(
        {"execution_id": execution},
        HTTPStatus.ACCEPTED,
        headers={"Location": f"/api/executions/{execution}"},
    )


def _accept_deletes(app: App, template: str) -> None:
    try:
        app.enumerate_changes.accept_deletes(template)
    except RequestError as error:
        finding = Finding(
            "accept_deletes",
            "true",
            "a task that asks whether rows were deleted",
            "Leave it out, or read what is asked: the log and the executions have it.",
        )
        raise Problem(HTTPStatus.CONFLICT, error.code, error.message, [finding]) from error


def read_body(content_type: str, body: bytes) -> ResyncBody:
    """Read and check the body.

    Raises:
        Problem: 400, 413 or 415, with everything that is wrong.
    """
    try:
        return ResyncBody.model_validate(FORM.read(content_type, body))
    except ValidationError as error:
        raise FORM.invalid(error.errors(include_url=False)) from None
