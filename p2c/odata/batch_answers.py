"""What a service answered to a whole batch: its parts, or why there are none."""

from p2c.errors import AnswerUnknownError, UnavailableError
from p2c.odata.answer import Answer, describe, words
from p2c.odata.batch import read_batch
from p2c.odata.multipart import MultipartError
from p2c.odata.refusals import refusal


def batch_parts(
    service: str,
    answer: Answer,
    count: int,
    *,
    lost: type[AnswerUnknownError | UnavailableError] = AnswerUnknownError,
    no_privilege: str = "",
) -> list[Answer | None]:
    """Return the parts of a batch's answer in the order of its requests, None for a missing one.

    Args:
        count: How many requests the batch had.
        lost: Raised when the answer cannot be read; a batch that only reads leaves nothing unknown.
        no_privilege: What to do about a 403, "" where the service gives it no meaning of its own.

    Raises:
        ServiceRefusedError: The batch as such was refused, so nothing of it was carried out.
    """
    kind = answer.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/") and 400 <= answer.status < 500:
        if answer.status == 403 and no_privilege:
            raise refusal(service, answer, "a batch", code="privilege-missing", advice=no_privilege)
        advice = "Nothing of it was carried out; this is a fault of p2c, please report it."
        raise refusal(
            service, answer, "a batch", code="batch-refused", advice=advice, carried_rows=True
        )
    try:
        return read_batch(kind, answer.body, count)
    except MultipartError as error:
        raise lost(
            f"{service} answered {answer.status} to a batch, but {error}: {describe(answer)}.",
            service=service,
            status=answer.status,
            request_id=answer.request_id,
            said=words(answer),
        ) from error
