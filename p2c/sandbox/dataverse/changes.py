"""Change tracking: the full read that starts it, and the deltas that follow.

A full read goes through the rows by id, page by page, and shows each row as it is when its page is
read. A delta shows the net changes up to the moment of its first page, by row version, then
deletes.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote

from p2c.sandbox.dataverse.errors import (
    BAD_REQUEST,
    EXPIRED_TOKEN,
    INVALID_TOKEN,
    TRACKING_OFF,
    refused,
)
from p2c.sandbox.dataverse.read import (
    applied,
    check_options,
    context,
    next_link,
    page_size,
    read_cookie,
    utc_stamp,
)
from p2c.sandbox.dataverse.schema import Table
from p2c.sandbox.dataverse.select import FORMATTED, Shape, projector, shape_of
from p2c.sandbox.dataverse.store import Store
from p2c.sandbox.http import Call, Reply, json_reply
from p2c.sandbox.switches import Switches

NOT_WITH_TRACKING = ("$filter", "$orderby", "$expand", "$top")


def is_tracked(call: Call) -> bool:
    """Whether a GET of a set is a tracked read, a page of one, or a delta."""
    options = call.options()
    return (
        "odata.track-changes" in call.preferences()
        or "$deltatoken" in options
        or 'istracking="True"' in options.get("$skiptoken", "")
    )


def read_changes(call: Call, table: Table, store: Store, switches: Switches) -> Reply:
    """Answer a tracked GET of a set."""
    options = call.options()
    _check_allowed(options, table, switches)
    shape = shape_of(table, options.get("$select"), None)
    if "$skiptoken" in options:
        page, position, _ = read_cookie(options["$skiptoken"])
        kind, *numbers = position.split("|")
        if kind == "full":
            return _full(call, shape, store, switches, page, (numbers[0], int(numbers[1])))
        return _delta(call, shape, store, switches, page, tuple(map(int, numbers)))
    if "$deltatoken" in options:
        since = token_version(options["$deltatoken"], store, switches)
        return _delta(call, shape, store, switches, 1, (since, since, store.version))
    return _full(call, shape, store, switches, 1, ("", store.version))


def count_changes(call: Call, table: Table, store: Store, switches: Switches) -> int:
    """How many rows changed or were deleted since a token."""
    since = token_version(call.options()["$deltatoken"], store, switches)
    rows = store.tables[table.logical_name]
    changed = sum(1 for _ in rows.changes_after(since, store.version))
    return changed + sum(1 for _ in rows.deletions_after(since, store.version))


def token_version(token: str, store: Store, switches: Switches) -> int:
    """The row version in a delta token.

    Raises:
        Refused: The token is malformed, from the future, or expired.
    """
    number, _, stamp = token.partition("!")
    try:
        issued = datetime.strptime(stamp, "%m/%d/%Y %H:%M:%S").replace(tzinfo=UTC)
        version = int(number)
    except ValueError as error:
        raise refused(400, INVALID_TOKEN, "Invalid version stamp") from error
    if version > store.version:
        raise refused(400, INVALID_TOKEN, "Invalid version stamp")
    age = store.now() - issued
    if version < store.expired_before or age > timedelta(days=switches.dataverse_token_days):
        raise refused(
            switches.dataverse_expired_status,
            EXPIRED_TOKEN,
            "Version stamp associated with the client has expired. Please perform a full sync.",
        )
    return version


def _check_allowed(options: dict[str, str], table: Table, switches: Switches) -> None:
    if switches.dataverse_change_tracking == "off":
        raise refused(
            400, TRACKING_OFF, f"Entity {table.logical_name} isn't enabled for change tracking."
        )
    if switches.dataverse_change_tracking == "off-other-words":
        raise refused(
            400, BAD_REQUEST, f"Change tracking is not enabled for entity '{table.logical_name}'."
        )
    for name in NOT_WITH_TRACKING:
        if name in options:
            raise refused(
                400,
                BAD_REQUEST,
                f'The "${name[1:]}" query parameter isn\'t supported when Change Tracking is '
                "enabled.",
            )
    check_options(options)


def _full(
    call: Call,
    shape: Shape,
    store: Store,
    switches: Switches,
    page: int,
    at: tuple[str, int],
) -> Reply:
    last_id, first_version = at
    rows = store.tables[shape.table.logical_name]
    size = page_size(call, switches)
    start = bisect_right(rows.ids, last_id)
    ids = rows.ids[start : start + size]
    project = _projector(call, shape, store)
    body: dict[str, Any] = {"@odata.context": context(call, shape)}
    more = start + size < len(rows.ids)
    if more:
        body["@odata.nextLink"] = next_link(
            call, page + 1, f"full|{ids[-1]}|{first_version}", tracked=True
        )
    else:
        stamp = first_version if _stamped_at_start(switches) else store.version
        _add_delta_link(body, call, store, stamp, lost=page > 1 and _lost(call, switches))
    body["value"] = [project(rows.rows[row_id]) for row_id in ids]
    return json_reply(200, body, applied(call))


def _delta(
    call: Call,
    shape: Shape,
    store: Store,
    switches: Switches,
    page: int,
    at: tuple[int, ...],
) -> Reply:
    changed_to, deleted_to, until = at
    rows = store.tables[shape.table.logical_name]
    size = page_size(call, switches)
    changed = list(islice(rows.changes_after(changed_to, until), size + 1))
    deleted = list(islice(rows.deletions_after(deleted_to, until), size + 1 - len(changed)))
    if len(changed) > size:
        changed = changed[:size]
    more = len(changed) + len(deleted) > size or len(changed) == size
    deleted = deleted[: size - len(changed)]
    project = _projector(call, shape, store)
    items = [project(row) for _, row in changed]
    base = f"{context(call, shape).split('#')[0]}#{shape.table.entity_set}/$deletedEntity"
    items += [{"@odata.context": base, "id": row_id, "reason": "deleted"} for _, row_id in deleted]
    changed_to = changed[-1][0] if changed else changed_to
    deleted_to = deleted[-1][0] if deleted else deleted_to
    if more:
        more = _any(rows.changes_after(changed_to, until)) or _any(
            rows.deletions_after(deleted_to, until)
        )
    body: dict[str, Any] = {"@odata.context": context(call, shape, "/$delta")}
    if more:
        position = f"delta|{changed_to}|{deleted_to}|{until}"
        body["@odata.nextLink"] = next_link(call, page + 1, position, tracked=True)
    else:
        _add_delta_link(body, call, store, until, lost=page > 1 and _lost(call, switches))
    body["value"] = items
    return json_reply(200, body, applied(call))


def _stamped_at_start(switches: Switches) -> bool:
    return switches.dataverse_token_stamp == "start"  # noqa: S105 - a delta token is no secret


def _any(items: Any) -> bool:
    return next(iter(items), None) is not None


def _lost(call: Call, switches: Switches) -> bool:
    annotations = call.preferences().get("odata.include-annotations", "")
    formatted = FORMATTED in annotations or annotations == "*"
    return switches.dataverse_annotations_lose_delta_link and formatted


def _projector(call: Call, shape: Shape, store: Store) -> Any:
    return projector(shape, store, call.preferences().get("odata.include-annotations"), call.root)


def _add_delta_link(
    body: dict[str, Any], call: Call, store: Store, version: int, *, lost: bool
) -> None:
    if lost:
        return
    token = _lower_hex(quote(f"{version}!{utc_stamp(store.now())}", safe=""))
    kept = [
        piece
        for piece in call.query.split("&")
        if piece and unquote(piece.partition("=")[0]) not in {"$skiptoken", "$deltatoken"}
    ]
    link = f"{call.root}{call.path}?{'&'.join([*kept, f'$deltatoken={token}'])}"
    body["@odata.deltaLink"] = link


def _lower_hex(text: str) -> str:
    """Percent-encoding in lower-case hex, as the service writes it."""
    head, *rest = text.split("%")
    return head + "".join("%" + piece[:2].lower() + piece[2:] for piece in rest)
