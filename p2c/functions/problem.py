"""Answers of the HTTP functions: JSON, or a problem in the form of RFC 9457."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import azure.functions as func

from p2c.errors import P2cError, RetryLaterError, StopError
from p2c.functions.logs import log

_LOOK_AT_HEALTH = "GET /api/health names what is broken, the app's log says why."


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a request."""

    where: str
    found: str
    expected: str
    advice: str


class Problem(Exception):  # noqa: N818  the word of RFC 9457
    """A request that is not served, and why.

    Args:
        code: Stable identifier such as ``body-empty``.
        detail: What happened and what to do, for a person.
        findings: Each thing that is wrong with the request.
    """

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, findings: Sequence[Finding] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.findings = findings

    def response(self) -> func.HttpResponse:
        """Return the answer."""
        body: dict[str, object] = {
            "type": f"urn:p2c:problem:{self.code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
            "errors": [
                {
                    "where": finding.where,
                    "found": finding.found,
                    "expected": finding.expected,
                    "what_to_do": finding.advice,
                }
                for finding in self.findings
            ],
        }
        return json_response(body, self.status, mimetype="application/problem+json")


def json_response(
    body: object,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    mimetype: str = "application/json",
    headers: dict[str, str] | None = None,
) -> func.HttpResponse:
    """Return an answer that no cache keeps."""
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False),
        status_code=int(status),
        mimetype=mimetype,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def answer(action: str, serve: Callable[[], func.HttpResponse]) -> func.HttpResponse:
    """Serve a request; whatever is raised becomes a problem that tells no internals."""
    try:
        return serve()
    except Problem as problem:
        return problem.response()
    except RetryLaterError as error:
        log(logging.WARNING, "A request cannot be served now", action=action, error=error)
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            error.code,
            f"A service that p2c needs does not answer. Try again later. {_LOOK_AT_HEALTH}",
        ).response()
    except StopError as error:
        log(logging.ERROR, "A request cannot be served", action=action, error=error)
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            error.code,
            f"p2c is not set up as it has to be. {_LOOK_AT_HEALTH}",
        ).response()
    except Exception as error:  # noqa: BLE001  the host would answer 500 without a word
        log(logging.ERROR, "A request failed", action=action, error=error)
        code = error.code if isinstance(error, P2cError) else "request-failed"
        return Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            code,
            "The request failed for a reason that p2c does not know. The app's log has the "
            "particulars.",
        ).response()
