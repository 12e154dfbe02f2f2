"""What Dataverse's errors mean, one case per answer it is known to give."""

import json
from datetime import UTC, datetime

import pytest

from p2c.dataverse.faults import error_of_read
from p2c.errors import (
    DeltaLinkExpiredError,
    P2cError,
    ServiceRefusedError,
    ThrottledError,
    UnavailableError,
)
from p2c.odata.answer import Answer

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def error(
    status: int, code: str, message: str, *, from_link: bool = False, **headers: str
) -> P2cError:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    named = {name.replace("_", "-").lower(): text for name, text in headers.items()}
    answer = Answer(status, named, body)
    return error_of_read(answer, "reading changes of accounts", NOW, from_link=from_link)


@pytest.mark.parametrize("status", [400, 410, 500])
@pytest.mark.parametrize("code", ["0x80044352", "0x80044183"])
def test_an_expired_delta_link_is_reported_as_such_at_any_status(status, code):
    found = error(status, code, "Version stamp ... has expired.", from_link=True)
    assert isinstance(found, DeltaLinkExpiredError)
    assert found.status == status
    assert str(found) == (
        "dataverse no longer accepts the link for reading changes of accounts: "
        f"{code} Version stamp ... has expired. Everything has to be read again."
    )


def test_a_first_read_cannot_have_an_expired_link():
    # 0x80044183 also means a query that is too long or otherwise wrong.
    found = error(400, "0x80044183", "exceeded the hard limit of conditions")
    assert isinstance(found, ServiceRefusedError)
    assert found.code == "request-refused"


REFUSALS = [
    (
        400,
        "0x80072491",
        "Entity account isn't enabled for change tracking.",
        "change-tracking-off",
        "dataverse refused reading changes of accounts with 400: 0x80072491 Entity account isn't "
        "enabled for change tracking. Switch on 'Track changes' in the properties of this table, "
        "publish, and run again.",
    ),
    (
        400,
        "0x80060888",
        "Change Tracking is not enabled for this resource",
        "change-tracking-off",
        "dataverse refused reading changes of accounts with 400: 0x80060888 Change Tracking is not "
        "enabled for this resource. Switch on 'Track changes' in the properties of this table, "
        "publish, and run again.",
    ),
    (
        403,
        "0x80040220",
        "Principal user (Id=1, type=8) is missing prvReadAccount privilege",
        "privilege-missing",
        "dataverse refused reading changes of accounts with 403: 0x80040220 Principal user (Id=1, "
        "type=8) is missing prvReadAccount privilege. Give the security role of p2c's application "
        "user organization-wide Read on this table.",
    ),
    (
        403,
        "0x80048306",
        "Principal user is missing prvReadAccount privilege",
        "privilege-missing",
        "dataverse refused reading changes of accounts with 403: 0x80048306 Principal user is "
        "missing prvReadAccount privilege. Give the security role of p2c's application user "
        "organization-wide Read on this table.",
    ),
    (
        403,
        "0x80072560",
        "The user is not a member of the organization.",
        "not-a-member",
        "dataverse refused reading changes of accounts with 403: 0x80072560 The user is not a "
        "member of the organization. Add an application user for p2c's identity to this "
        "environment and give it a role.",
    ),
    (
        403,
        "",
        "Denied",
        "access-refused",
        "dataverse refused reading changes of accounts with 403: Denied. Check the application "
        "user of p2c's identity and its security roles.",
    ),
    (
        404,
        "0x80060888",
        "Resource not found for the segment 'accountz'.",
        "not-found",
        "dataverse refused reading changes of accounts with 404: 0x80060888 Resource not found for "
        "the segment 'accountz'. Check the environment's URL in the settings and the table in the "
        "template.",
    ),
    (
        400,
        "0x80060888",
        'The "filter" query parameter isn\'t supported when Change Tracking is enabled.',
        "request-refused",
        'dataverse refused reading changes of accounts with 400: 0x80060888 The "filter" query '
        "parameter isn't supported when Change Tracking is enabled. Compare the tables and columns "
        "of the template with those of this environment.",
    ),
]


@pytest.mark.parametrize(("status", "service_code", "message", "code", "told"), REFUSALS)
def test_a_refusal_says_what_to_do(status, service_code, message, code, told):
    found = error(status, service_code, message, x_ms_service_request_id="r-1")
    assert isinstance(found, ServiceRefusedError)
    assert (found.code, found.service_code) == (code, service_code)
    assert (found.status, found.request_id) == (status, "r-1")
    assert str(found) == told


@pytest.mark.parametrize("code", ["0x80072321", "0x80072322", "0x80072326"])
def test_service_protection_is_throttling_whatever_the_status(code):
    found = error(503, code, "Number of requests exceeded", retry_after="9")
    assert isinstance(found, ThrottledError)
    assert found.retry_after_seconds == 9


@pytest.mark.parametrize(
    ("status", "code"), [(400, "0x80044150"), (400, "0x80044151"), (500, ""), (501, ""), (408, "")]
)
def test_what_passes_by_itself_is_unavailability(status, code):
    found = error(status, code, "SQL Server timeout")
    assert isinstance(found, UnavailableError)
    assert "SQL Server timeout" in str(found)


def test_an_error_without_a_readable_body_is_told_by_its_status():
    answer = Answer(404, {}, b"")
    found = error_of_read(answer, "reading rows of accounts", NOW, from_link=False)
    assert str(found) == (
        "dataverse refused reading rows of accounts with 404: a body of 0 bytes without an error "
        "description. Check the environment's URL in the settings and the table in the template."
    )
