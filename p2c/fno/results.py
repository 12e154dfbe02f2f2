"""What F&O's answer to one write means: done, or one of the ways in which it is not. Pure."""

from datetime import datetime

from p2c.errors import cut
from p2c.fno.infolog import kind_of, read_infolog
from p2c.model import Create, Operation, PartResult, Reason, Written
from p2c.odata.answer import Answer, Fault, describe, fault, is_html, retry_after_seconds

MISSING = PartResult(
    Written.UNKNOWN,
    Reason("answer-missing", "F&O's answer has no readable part for this record."),
)
_ABSENT = PartResult(Written.ABSENT, Reason("record-absent", "F&O has no record with this key."))
_ENTITY_UNKNOWN = PartResult(
    Written.REFUSED,
    Reason(
        "entity-unknown",
        "F&O has no such data entity. Correct the template's destination or refresh the data "
        "entities in F&O, then retry.",
    ),
)


def result_of(operation: Operation, answer: Answer | None, now: datetime) -> PartResult:
    """Classify the answer to an operation, a part of a batch or of its own.

    The infolog's text goes before the status, which differs between versions of F&O.

    Args:
        answer: None when it is missing.
        now: For a ``Retry-After`` that names a moment.
    """
    if answer is None:
        return MISSING
    if answer.is_success:
        return PartResult(Written.DONE)
    wait = retry_after_seconds(answer.headers, now)
    if answer.status == 429:
        reason = Reason("throttled", f"F&O asks for fewer requests: {describe(answer)}.")
        return PartResult(Written.THROTTLED, reason, wait)
    found = fault(answer.body)
    is_create = isinstance(operation, Create)
    kind = None if found is None else kind_of(_said(found), is_create=is_create)
    if found is not None and kind is not None:
        words = read_infolog(_said(found)).words
        return PartResult(kind.written, Reason(kind.code, _sentence(words, kind.advice)), wait)
    return _by_status(answer, found, is_create=is_create)


def _by_status(answer: Answer, found: Fault | None, *, is_create: bool) -> PartResult:
    status = answer.status
    if status == 404 and not is_html(answer):
        return _ENTITY_UNKNOWN if is_create else _ABSENT
    if status == 401:
        text = "The session ended within the batch; this record was not written."
        return PartResult(Written.CONFLICT, Reason("session-ended", text))
    if status == 412:
        text = "The record changed between reading and writing."
        return PartResult(Written.CONFLICT, Reason("update-conflict", text))
    if found is None or (status >= 500 and not found.inner_message) or status == 408:
        text = f"F&O answered {status} without saying what became of the record: "
        return PartResult(Written.UNKNOWN, Reason("answer-unknown", text + describe(answer)))
    words = read_infolog(_said(found)).words or f"{status} without a text"
    advice = "Correct what F&O names, then retry."
    return PartResult(Written.REFUSED, Reason("record-refused", _sentence(words, advice)))


def _said(found: Fault) -> str:
    return found.inner_message or found.message


def _sentence(words: str, advice: str) -> str:
    return f"F&O: {cut(words).rstrip('.')}. {advice}"
