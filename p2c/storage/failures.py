"""Turns what the Azure SDK raises into p2c's errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from p2c.errors import ServiceError, ServiceRefusedError, UnavailableError, cut

_PASSING_STATUSES = frozenset({408, 429})
_PASSING_CODES = frozenset({"TableBeingDeleted", "QueueBeingDeleted"})


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Raise p2c's errors for the SDK's.

    Args:
        action: What was being done, as in "reading from table p2cledger".

    Raises:
        UnavailableError: Storage cannot be reached, is busy or failed. A write may have been
            carried out.
        ServiceRefusedError: Storage does not accept the credential or the request as such.
    """
    try:
        yield
    except AzureError as error:
        raise _translate(error, action) from error


def service_code(error: HttpResponseError) -> str:
    """Return the service's own code of an error, such as ``QueueNotFound``, or "".

    The SDK reads it from some answers and leaves others as they came.
    """
    code = getattr(error, "error_code", None)
    response = error.response
    if code or response is None:
        return str(getattr(code, "value", code) or "")
    header = getattr(response, "headers", {}).get("x-ms-error-code")
    if header:
        return str(header)
    try:
        return str(json.loads(response.text())["odata.error"]["code"])
    except (ValueError, LookupError, TypeError, AzureError):
        return ""


def _translate(error: AzureError, action: str) -> ServiceError:
    if isinstance(error, ClientAuthenticationError) or _status(error) in (401, 403):
        return ServiceRefusedError(
            f"Azure Storage refused the credential when {action}: {_words(error)} Expected a "
            "valid key in AzureWebJobsStorage, or an identity with the roles Storage Queue Data "
            "Contributor and Storage Table Data Contributor. Mend the setting or the roles.",
            service="storage",
            status=_status(error),
            service_code=_code(error),
            request_id=_request_id(error),
        )
    status = _status(error)
    passing = status in _PASSING_STATUSES or _code(error) in _PASSING_CODES
    if status is None or status >= 500 or passing:
        return UnavailableError(
            f"Azure Storage did not answer as it should when {action}: {_words(error)} p2c tries "
            "again later. If it lasts, see whether the storage account of AzureWebJobsStorage "
            "is up and can be reached from here.",
            service="storage",
            status=status,
            service_code=_code(error),
            request_id=_request_id(error),
        )
    return ServiceRefusedError(
        f"Azure Storage refused a request when {action}: {_words(error)} See that "
        "AzureWebJobsStorage names an account with queues and tables.",
        service="storage",
        status=status,
        service_code=_code(error),
        request_id=_request_id(error),
    )


def _status(error: AzureError) -> int | None:
    return error.status_code if isinstance(error, HttpResponseError) else None


def _code(error: AzureError) -> str:
    return service_code(error) if isinstance(error, HttpResponseError) else ""


def _request_id(error: AzureError) -> str:
    headers = getattr(getattr(error, "response", None), "headers", {})
    return str(headers.get("x-ms-request-id", ""))


def _words(error: AzureError) -> str:
    """What the service said, or the kind of failure: never the request, which carries keys."""
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return f"{error.status_code} {_code(error) or cut(str(error.reason or ''))}."
    return f"{type(error).__name__}."
