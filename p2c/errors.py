"""Every error p2c raises, grouped by what the caller does next.

The tree::

    P2cError
    ├── StopError                stop: a person has to change something
    │   ├── SettingError         an app setting is missing or wrong
    │   ├── TemplateError        a template or project does not load
    │   ├── RequestError         a command line or an HTTP body is wrong
    │   ├── ConsentError         too much would be concluded without a person's consent
    │   └── ServiceRefusedError  a service will not serve us: configuration, credential or privilege
    ├── MessageError             set the queue message aside; it can never be processed
    ├── DeltaLinkExpiredError    forget the delta link and read everything
    └── RetryLaterError          certain that nothing was carried out: come back later
        ├── ThrottledError       429; ``retry_after_seconds`` says when
        ├── UnavailableError     the service is down or cannot be reached
        └── AnswerUnknownError   the request may have been carried out: verify before trusting

Rejecting a single record is no exception: a batch answers per record (`p2c.model.PartResult`) and
a mapping answers per row (`p2c.mapping.NotMapped`), so one bad record cannot stop its neighbours.
"""

FOREIGN_TEXT_LIMIT = 256


def cut(text: str) -> str:
    """Return foreign text in one line, shortened to `FOREIGN_TEXT_LIMIT` characters."""
    line = " ".join(text.split())
    return line if len(line) <= FOREIGN_TEXT_LIMIT else line[: FOREIGN_TEXT_LIMIT - 1] + "…"


class P2cError(Exception):
    """Root of all errors raised by p2c.

    Attributes:
        code: Stable, documented identifier such as ``delta-link-expired``.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code

    @property
    def log_text(self) -> str:
        """The message as it may be logged and stored: without what may quote values of rows."""
        return self.message


class StopError(P2cError):
    """Nothing further can be done until a person changes something."""

    code = "stopped"


class SettingError(StopError):
    """An app setting is missing, malformed or contradicts another one."""

    code = "setting-invalid"


class Problem:
    """One finding about a template or project: where it is, what was found, what to do."""

    __slots__ = ("code", "field", "file", "message", "task")

    def __init__(
        self, code: str, message: str, *, file: str, task: str = "", field: str = ""
    ) -> None:
        self.code = code
        self.message = message
        self.file = file
        self.task = task
        self.field = field

    def __str__(self) -> str:
        where = [self.file]
        if self.task:
            where.append(f"task '{self.task}'")
        if self.field:
            where.append(f"field '{self.field}'")
        return f"{', '.join(where)}: {self.message} [{self.code}]"


class TemplateError(StopError):
    """A template or project does not load; carries every problem found, not only the first."""

    code = "template-invalid"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), code=problems[0].code)
        self.problems = problems


class RequestError(StopError):
    """A command line or an HTTP request asks for something p2c cannot do."""

    code = "request-invalid"


class ConsentError(StopError):
    """More rows have vanished from Sales than p2c concludes from without being told to."""

    code = "deletes-need-consent"


class ServiceError(P2cError):
    """What a service answered, or that it did not.

    Attributes:
        service: ``dataverse`` or ``fno``.
        status: HTTP status, or None when no answer came.
        service_code: The service's own error code, such as ``0x80044352``, or "".
        request_id: The service's identifier of the request, for its support, or "".
        retry_after_seconds: What ``Retry-After`` said, or None when it was absent.
        said: The part of the message that is the service's words and may quote values of rows, or
            "". People who ask see it; it is neither logged nor stored.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str,
        status: int | None = None,
        service_code: str = "",
        request_id: str = "",
        retry_after_seconds: float | None = None,
        said: str = "",
        code: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.service = service
        self.status = status
        self.service_code = service_code
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.said = said

    @property
    def log_text(self) -> str:
        return self.message.replace(self.said, "(words not kept)") if self.said else self.message


class ServiceRefusedError(ServiceError, StopError):
    """A service refuses the request as such: wrong credential, missing privilege, wrong set-up."""

    code = "service-refused"


class DeltaLinkExpiredError(ServiceError):
    """Dataverse no longer accepts the delta link (0x80044352, 0x80044183): read everything."""

    code = "delta-link-expired"


class RetryLaterError(ServiceError):
    """The request was certainly not carried out and may be sent again later."""

    code = "retry-later"


class ThrottledError(RetryLaterError):
    """429: the service asks for less. All instances back off together."""

    code = "throttled"


class UnavailableError(RetryLaterError):
    """The service is down, cannot be reached, or a gateway answered in its place."""

    code = "service-unavailable"


class AnswerUnknownError(RetryLaterError):
    """A write was sent and its answer was lost or unreadable: it may have been carried out."""

    code = "answer-unknown"


class MessageError(P2cError):
    """A queue message cannot be understood and never will be."""

    code = "message-invalid"
