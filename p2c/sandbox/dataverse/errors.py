"""Dataverse's error answers: always ``{"error": {"code": "0x…", "message": "…"}}``."""

from p2c.sandbox.http import Refused, Reply, json_reply

BAD_REQUEST = "0x80060888"
NOT_FOUND = "0x80040217"
DUPLICATE_KEY = "0x80060892"
DUPLICATE_ROW = "0x80040237"
NO_ROW_WITH_KEY = "0x80060891"
VERSION_MISMATCH = "0x80060882"
VALIDATION = "0x80044331"
PAYLOAD = "0x80048d19"
TOO_MANY_CONDITIONS = "0x8004430c"
TRACKING_OFF = "0x80072491"
EXPIRED_TOKEN = "0x80044352"  # noqa: S105 - an error code
INVALID_TOKEN = "0x80044183"  # noqa: S105 - an error code

LIMITS = {
    "requests": (
        "0x80072322",
        "Number of requests exceeded the limit of {requests} over time window of {window} seconds.",
    ),
    "seconds": (
        "0x80072321",
        (
            "Combined execution time of incoming requests exceeded limit of {milliseconds:,} "
            "milliseconds over time window of {window} seconds. Decrease number of concurrent "
            "requests or reduce the duration of requests and try again later."
        ),
    ),
    "concurrency": (
        "0x80072326",
        "Number of concurrent requests exceeded the limit of {parallel}.",
    ),
}


def error_reply(status: int, code: str, message: str) -> Reply:
    """An error answer."""
    return json_reply(status, {"error": {"code": code, "message": message}})


def refused(status: int, code: str, message: str) -> Refused:
    """An error answer, to be raised."""
    return Refused(error_reply(status, code, message))


def unknown_property(name: str, type_name: str) -> Refused:
    """A query names a column that the table lacks."""
    return refused(
        400, BAD_REQUEST, f"Could not find a property named '{name}' on type '{type_name}'."
    )


def no_such_row(table: str, row_id: str) -> Refused:
    """A row addressed by its primary key does not exist."""
    return refused(404, NOT_FOUND, f"{table} With Id = {row_id} Does Not Exist")
