"""Errors that both clients raise in the same words. Which of them applies, the clients decide."""

from datetime import datetime

from p2c.errors import RetryLaterError, ServiceRefusedError, UnavailableError
from p2c.odata.answer import Answer, describe, fault, retry_after_seconds, words


def refusal(
    service: str,
    answer: Answer,
    doing: str,
    *,
    code: str = "service-refused",
    advice: str,
    carried_rows: bool = False,
) -> ServiceRefusedError:
    """Return the error that stops until a person has done what `advice` says.

    Args:
        doing: What was asked for, such as ``reading accounts``.
        carried_rows: The request had values of rows, so the service's words may quote some. An
            infolog may always: it comes from code that runs on a record, on reading it, too.
    """
    found = fault(answer.body)
    may_quote = carried_rows or bool(found and found.inner_message)
    return ServiceRefusedError(
        f"{service} refused {doing} with {answer.status}: {describe(answer)}. {advice}",
        service=service,
        status=answer.status,
        service_code=found.code if found else "",
        request_id=answer.request_id,
        said=words(answer) if may_quote else "",
        code=code,
    )


def failing(
    kind: type[RetryLaterError], service: str, answer: Answer, doing: str, now: datetime
) -> RetryLaterError:
    """Return an error that passes, of the given kind, made from an answer."""
    found = fault(answer.body)
    return kind(
        f"{service} failed at {doing} with {answer.status}: {describe(answer)}.",
        service=service,
        status=answer.status,
        service_code=found.code if found else "",
        request_id=answer.request_id,
        retry_after_seconds=retry_after_seconds(answer.headers, now),
        said=words(answer),
    )


def unreadable(service: str, answer: Answer, doing: str, expected: str) -> UnavailableError:
    """Return the error for an answer to a read that does not hold what was expected."""
    return UnavailableError(
        f"{service} answered {answer.status} to {doing}, but not with {expected}: "
        f"{describe(answer)}.",
        service=service,
        status=answer.status,
        request_id=answer.request_id,
        said=words(answer),
        code="answer-unreadable",
    )
