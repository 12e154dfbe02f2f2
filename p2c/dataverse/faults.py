"""What Dataverse's errors mean for the caller. Pure.

Codes are from the Web service error table of the Dataverse documentation. Statuses of several are
not documented, so a known code decides before the status does.
"""

from collections.abc import Callable
from datetime import datetime

from p2c.errors import (
    DeltaLinkExpiredError,
    P2cError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.odata.answer import Answer, Fault, describe, fault
from p2c.odata.refusals import failing, refusal

SERVICE = "dataverse"

_EXPIRED_VERSION_STAMP = "0x80044352"
# Also given to queries that are wrong in other ways, so it only counts for a link.
_INVALID_VERSION_STAMP = "0x80044183"
_TRACKING_NOT_ENABLED = "0x80072491"
_NOT_A_MEMBER = "0x80072560"
_PRIVILEGE_DENIED = "0x80040220"
_SERVICE_PROTECTION = frozenset({"0x80072321", "0x80072322", "0x80072326"})
_SQL_TIMEOUTS = frozenset({"0x80044150", "0x80044151"})


def error_of_read(answer: Answer, doing: str, now: datetime, *, from_link: bool) -> P2cError:
    """Return the error that an unsuccessful answer to a read means.

    Args:
        doing: What was asked for, such as ``reading changes of accounts``.
        from_link: Whether a link of an earlier answer was followed.
    """
    found = fault(answer.body) or Fault("", "", "")
    if from_link and found.code in {_EXPIRED_VERSION_STAMP, _INVALID_VERSION_STAMP}:
        return DeltaLinkExpiredError(
            f"dataverse no longer accepts the link for {doing}: {describe(answer)}. "
            "Everything has to be read again.",
            service=SERVICE,
            status=answer.status,
            service_code=found.code,
            request_id=answer.request_id,
        )
    if found.code in _SERVICE_PROTECTION:
        return failing(ThrottledError, SERVICE, answer, doing, now)
    if found.code in _SQL_TIMEOUTS or answer.status >= 500 or answer.status == 408:
        return failing(UnavailableError, SERVICE, answer, doing, now)
    for applies, code, advice in _REFUSALS:
        if applies(answer.status, found):
            return refusal(SERVICE, answer, doing, code=code, advice=advice)
    return _other_refusal(answer, doing)


def _other_refusal(answer: Answer, doing: str) -> ServiceRefusedError:
    return refusal(
        SERVICE,
        answer,
        doing,
        code="request-refused",
        advice="Compare the tables and columns of the template with those of this environment.",
    )


def _is_tracking_off(status: int, found: Fault) -> bool:
    message = found.message.lower()
    named = "change tracking" in message and "enabled" in message
    # The refusal of $filter and its like has both words too, but is about our request.
    return found.code == _TRACKING_NOT_ENABLED or (
        status == 400 and named and "query parameter" not in message
    )


def _is_not_a_member(_status: int, found: Fault) -> bool:
    return found.code == _NOT_A_MEMBER


def _is_privilege_missing(status: int, found: Fault) -> bool:
    return found.code == _PRIVILEGE_DENIED or (
        status == 403 and "missing prv" in found.message.lower()
    )


def _is_forbidden(status: int, _found: Fault) -> bool:
    return status == 403


def _is_absent(status: int, _found: Fault) -> bool:
    return status == 404


_REFUSALS: tuple[tuple[Callable[[int, Fault], bool], str, str], ...] = (
    (
        _is_tracking_off,
        "change-tracking-off",
        "Switch on 'Track changes' in the properties of this table, publish, and run again.",
    ),
    (
        _is_not_a_member,
        "not-a-member",
        "Add an application user for p2c's identity to this environment and give it a role.",
    ),
    (
        _is_privilege_missing,
        "privilege-missing",
        "Give the security role of p2c's application user organization-wide Read on this table.",
    ),
    (
        _is_forbidden,
        "access-refused",
        "Check the application user of p2c's identity and its security roles.",
    ),
    (
        _is_absent,
        "not-found",
        "Check the environment's URL in the settings and the table in the template.",
    ),
)
