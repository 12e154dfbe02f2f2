"""The action ``Merge``: one account or contact is given up in favour of another of the same table.

What the subordinate row was parent of goes to the target; the subordinate itself is deactivated and
says into which row it was merged. Both the rows below it and itself are thereby changed.
"""

from typing import Any

from p2c.sandbox.dataverse.errors import BAD_REQUEST, no_such_row, refused
from p2c.sandbox.dataverse.schema import BY_NAME, Table
from p2c.sandbox.dataverse.store import Row
from p2c.sandbox.dataverse.values import set_values
from p2c.sandbox.dataverse.write import Writer
from p2c.sandbox.http import Call, Reply

MERGED = ("account", "contact")
PARENTAL = (("contact", "_parentcustomerid_value"), ("account", "_parentaccountid_value"))
"""Lookups that a merge hands over, as the standard relationships cascade it."""
_PARAMETERS = {"Target", "Subordinate", "UpdateContent", "PerformParentingChecks"}


def merge(call: Call, writer: Writer, user: str) -> Reply:
    """Carry out the action.

    Raises:
        Refused: A parameter is missing or unknown, or a row is not there.
    """
    body = call.json_body() or {}
    for name in body.keys() - _PARAMETERS:
        raise refused(400, BAD_REQUEST, f"The parameter '{name}' is not valid for 'Merge'.")
    table, target = _row(body, "Target", writer)
    other, subordinate = _row(body, "Subordinate", writer)
    if table is not other or target is subordinate:
        raise refused(400, BAD_REQUEST, "Two different rows of one table can be merged.")
    changed = dict(target)
    set_values(table, changed, body.get("UpdateContent") or {}, writer.store)
    _hand_over(subordinate[table.primary_id], target[table.primary_id], writer, user)
    writer.replace(table, changed, user)
    given_up = {
        **subordinate,
        "merged": True,
        "statecode": 1,
        "statuscode": 2,
        "_masterid_value": target[table.primary_id],
        "_masterid_value!": table.logical_name,
    }
    writer.replace(table, given_up, user)
    return Reply(204, headers={"OData-Version": "4.0"})


def _row(body: dict[str, Any], name: str, writer: Writer) -> tuple[Table, Row]:
    given = body.get(name) or {}
    kind = str(given.get("@odata.type", "")).removeprefix("#").rpartition(".")[2]
    if kind not in MERGED:
        raise refused(400, BAD_REQUEST, f"'{name}' needs the @odata.type of an account or contact.")
    table = BY_NAME[kind]
    row_id = str(given.get(table.primary_id, "")).lower()
    row = writer.store.tables[kind].rows.get(row_id)
    if row is None:
        raise no_such_row(kind, row_id)
    return table, row


def _hand_over(subordinate: str, target: str, writer: Writer, user: str) -> None:
    for name, column in PARENTAL:
        rows = writer.store.tables[name].rows
        below = [row for row in rows.values() if row.get(column) == subordinate]
        for row in below:
            writer.replace(BY_NAME[name], {**row, column: target}, user)
