"""F&O's error answers: a useless outer message, and the infolog in ``innererror.message``."""

from collections.abc import Sequence

from p2c.sandbox.fno.schema import LABELS, Entity
from p2c.sandbox.http import Refused, Reply, json_reply

WRITE_ERROR = "Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataWriteException"
ODATA_ERROR = "Microsoft.OData.ODataException"
NOT_FOUND_TEXT = "No resources were found when selecting for update."
THROTTLED = (
    "This request could not be processed at this time due to system experiencing high resource "
    "utilization. Please retry the request after {seconds} seconds"
)
LIMITS = {
    "requests": "Number of requests exceeded the limit of {requests} over the time window of "
    "{window} seconds.",
    "seconds": "Combined execution time of incoming requests exceeded limit of {seconds} seconds "
    "over the time window of {window} seconds. Decrease number of concurrent requests "
    "or reduce the duration of requests and try again later.",
    "concurrency": "Number of concurrent requests exceeded the limit of {parallel}.",
}
_STACK = "   at Microsoft.Dynamics.Platform.Integration.Services.OData.AxODataDelegate"


class InfologError(Exception):
    """X++ refused a write; `lines` are infolog lines with their level."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def error_reply(status: int, message: str, kind: str) -> Reply:
    """An error answer with this inner message."""
    inner = {"message": message, "type": kind, "stacktrace": _STACK}
    return json_reply(
        status, {"error": {"code": "", "message": "An error has occurred.", "innererror": inner}}
    )


def bad_request(message: str) -> Refused:
    """The OData layer refuses a request before X++ sees it."""
    return Refused(error_reply(400, message, ODATA_ERROR))


def write_failed(entity: Entity, lines: Sequence[str], status: int) -> Reply:
    """The answer to a write that X++ refused."""
    text = f"Write failed for table row of type '{entity.xpp_name}'. Infolog: {'; '.join(lines)}."
    return error_reply(status, text, WRITE_ERROR)


def field_failed(entity: Entity, name: str, reason: str, level: str = "Warning") -> InfologError:
    """One field's value is refused by validateField."""
    return InfologError(
        f"{level}: {reason}",
        f"Warning: validateField failed on field '{entity.xpp_name}.{name}'",
    )


def not_in_table(entity: Entity, name: str, value: object, table: str) -> InfologError:
    """A foreign key finds nothing."""
    label = LABELS.get(name, name)
    return field_failed(
        entity,
        name,
        f"The value '{value}' in field '{label}' is not found in the related table '{table}'.",
    )


def must_be_filled(entity: Entity, name: str) -> InfologError:
    """A mandatory field is empty."""
    return InfologError(
        f"Error: Field '{LABELS.get(name, name)}' must be filled in.",
        f"Warning: validateWrite failed on data source '{entity.xpp_name} ({entity.xpp_name})'",
    )


def already_exists(entity: Entity, key_text: str) -> InfologError:
    """A record with this key is there."""
    return InfologError(
        f"Info: Cannot create a record in {entity.table_label}. {key_text}.\n"
        "The record already exists."
    )


def conflict(entity: Entity) -> InfologError:
    """Another process changed the record meanwhile."""
    return InfologError(
        f"Error: Cannot edit a record in {entity.table_label}. An update conflict occurred due "
        "to another user process deleting the record or changing one or more fields in the "
        "record."
    )


def deadlock(entity: Entity) -> InfologError:
    """SQL Server chose this transaction as the victim."""
    return InfologError(
        f"Error: Cannot edit a record in {entity.table_label}. Deadlock, where one or more users "
        "have simultaneously locked the whole table or part of it. SQL error description: "
        "Transaction was deadlocked on lock resources with another process and has been chosen "
        "as the deadlock victim."
    )
