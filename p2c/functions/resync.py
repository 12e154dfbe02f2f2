"""The request to resync: what its body may say, and how it becomes a message."""

import contextlib
import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import azure.functions as func
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from p2c.bootstrap import App
from p2c.errors import RequestError, RetryLaterError, cut
from p2c.functions.problem import Finding, Problem, json_response
from p2c.sync.messages import EnumerateMessage, row_id
from p2c.templates import shipped_names

MOST_ROWS = 1000
"""Rows in one request: as many as one queue message can name."""
MOST_BYTES = 256 * 1024
"""Far more than `MOST_ROWS` rows take, however they are laid out."""

_EXAMPLE = '{"rows": ["<guid>", …]}, {"all": true} or {"accept_deletes": true}'
_KINDS = ("rows", "all", "accept_deletes")


def _guid(text: str) -> str:
    found = row_id(text)
    if found is None:
        raise PydanticCustomError("not-guid", "it is no GUID")
    return found


def _true(value: bool) -> bool:  # noqa: FBT001  pydantic calls it
    if not value:
        raise PydanticCustomError("not-true", "it is not true")
    return value


class ResyncBody(BaseModel):
    """Body of ``POST /api/resync/{template}``; exactly one of the first three."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rows: tuple[Annotated[str, AfterValidator(_guid)], ...] = Field(
        (), min_length=1, max_length=MOST_ROWS
    )
    """Primary keys of rows in Sales, at most `MOST_ROWS`."""

    everything: Annotated[StrictBool, AfterValidator(_true)] = Field(default=False, alias="all")
    """Every row of the template's tables."""

    accept_deletes: Annotated[StrictBool, AfterValidator(_true)] = False
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


def check_template(name: str) -> None:
    """Refuse a name that no template has.

    Raises:
        Problem: 404, ``template-unknown``.
    """
    if name in shipped_names():
        return
    known = ", ".join(shipped_names())
    raise Problem(
        HTTPStatus.NOT_FOUND,
        "template-unknown",
        f"There is no template '{cut(name)}'; there are: {known}.",
        [Finding("template in the path", f"'{cut(name)}'", f"one of {known}", "Mend the name.")],
    )


def read_body(content_type: str, body: bytes) -> ResyncBody:
    """Read and check the body.

    Raises:
        Problem: 400, 413 or 415, with everything that is wrong.
    """
    try:
        return ResyncBody.model_validate(_checked(_json_object(content_type, body)))
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A broken item makes its list look short too; that is not worth saying beside the cause.
        telling = [detail for detail in details if detail["type"] != "too_short"] or details
        raise _invalid("body-invalid", [_finding(detail) for detail in telling]) from None


def _json_object(content_type: str, body: bytes) -> dict[str, Any]:
    given = content_type.partition(";")[0].strip()
    if given.lower() != "application/json":
        raise _invalid(
            "content-type-wrong",
            [
                Finding(
                    "header Content-Type",
                    f"'{cut(given)}'" if given else "nothing",
                    "application/json",
                    "Set the header.",
                )
            ],
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    if len(body) > MOST_BYTES:
        raise _invalid(
            "body-too-large",
            [
                Finding(
                    "body",
                    f"{len(body)} bytes",
                    f"at most {MOST_BYTES}",
                    "Send fewer rows at once.",
                )
            ],
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    if not body.strip():
        raise _invalid("body-empty", [Finding("body", "nothing", _EXAMPLE, "Send a body.")])
    found = _parsed(body)
    if not isinstance(found, dict):
        kind = _kind(found)
        raise _invalid(
            "body-not-object", [Finding("body", kind, f"an object: {_EXAMPLE}", "Mend the body.")]
        )
    return found


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body.decode(), object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError as error:
        where, found = f"body, byte {error.start}", "bytes that are no UTF-8"
    except json.JSONDecodeError as error:
        where, found = f"body, line {error.lineno}, column {error.colno}", error.msg
    except RecursionError:
        where, found = "body", "brackets nested too deeply"
    finding = Finding(where, found, f"JSON: {_EXAMPLE}", "Mend the body.")
    raise _invalid("json-invalid", [finding])


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _invalid(
            "key-duplicate",
            [Finding(f"body, '{cut(twice)}'", "it twice", "it once", "Remove one of them.")],
        )
    return dict(pairs)


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    """Check what concerns the kinds of request together.

    Raises:
        Problem: None or several are given.
    """
    given = [name for name in _KINDS if name in body]
    if body.keys() - {*_KINDS, "force"}:
        return body  # An unknown key is worth saying first: it may be one of these, misspelled.
    if "accept_deletes" in given and body.get("force"):
        given.append("force")  # What it means would have to be guessed.
    if len(given) == 1:
        return body
    names = [f"'{name}'" for name in given or _KINDS]
    found = " and ".join(names) if given else f"none of {', '.join(names)}"
    raise _invalid(
        "rows-or-all", [Finding("body", found, f"exactly one: {_EXAMPLE}", "Mend the body.")]
    )


def _invalid(
    code: str, findings: Sequence[Finding], status: HTTPStatus = HTTPStatus.BAD_REQUEST
) -> Problem:
    said = "; ".join(
        f"{item.where}: found {item.found}, expected {item.expected}" for item in findings[:3]
    )
    more = f"; and {len(findings) - 3} more" if len(findings) > 3 else ""
    return Problem(
        status, code, f"The request to resync is wrong: {said}{more}. Nothing was queued.", findings
    )


def _finding(detail: ErrorDetails) -> Finding:
    place = detail["loc"]
    name = str(place[0])
    where = name + "".join(f"[{part}]" for part in place[1:])
    found = _shown(detail["input"])
    if detail["type"] == "extra_forbidden":
        return Finding(
            where, found, "one of rows, all, accept_deletes, force", "Mend the key or remove it."
        )
    if name in ("all", "accept_deletes"):
        return Finding(where, found, "true", "Send true, or name 'rows' instead.")
    if name == "force":
        return Finding(where, found, "true or false", "Mend the value or remove it.")
    if len(place) > 1:
        return Finding(
            where,
            found,
            "a GUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e",
            "Copy the row's id from the address of its form in Sales.",
        )
    if detail["type"] == "too_long":
        return Finding(
            where,
            f"{len(detail['input'])} rows",
            f"at most {MOST_ROWS}",
            "Send several requests, or all.",
        )
    return Finding(where, found, "a list of at least one GUID", "Name rows, or send all.")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"'{cut(value)}'"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return "an empty list" if value == [] else _kind(value)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return _shown(value)
