"""Creating, updating (and so upserting) and deleting rows, with what the solution's plug-ins do.

The Prospect to cash plug-ins give numbers to accounts and contacts that have none, and keep
``msdynce_iscompanyanaccount`` true exactly when the parent is an account.
"""

import random
import string
import uuid
from typing import Any

from p2c.sandbox.dataverse.errors import (
    BAD_REQUEST,
    DUPLICATE_KEY,
    DUPLICATE_ROW,
    NO_ROW_WITH_KEY,
    VERSION_MISMATCH,
    no_such_row,
    refused,
)
from p2c.sandbox.dataverse.schema import Table
from p2c.sandbox.dataverse.select import projector, shape_of
from p2c.sandbox.dataverse.store import Row, Store
from p2c.sandbox.dataverse.values import GUID, rows_with_key, set_values
from p2c.sandbox.filters import fold
from p2c.sandbox.http import Call, Reply, json_reply, unquote_literal
from p2c.sandbox.switches import Switches

SUFFIX_ALPHABET = string.ascii_uppercase + string.digits


class Numbers:
    """The auto-numbering table: a sequence for each prefix from 1000, and a random suffix."""

    def __init__(self, seed: int) -> None:
        self._next = {"ACC": 1000, "CON": 1000}
        self._random = random.Random(seed)  # noqa: S311 - repeatable numbers, no secrets

    def take(self, prefix: str) -> str:
        """The next number, as ``ACC-01000-BVRCPS``."""
        number = self._next[prefix]
        self._next[prefix] = number + 1
        return f"{prefix}-{number:05d}-{''.join(self._random.choices(SUFFIX_ALPHABET, k=6))}"


class Writer:
    """Carries out writes on a store."""

    def __init__(self, store: Store, numbers: Numbers) -> None:
        self.store = store
        self.numbers = numbers

    def create(
        self,
        call: Call,
        table: Table,
        user: str,
        switches: Switches,
        row_id: str | None = None,
        preset: Row | None = None,
    ) -> Reply:
        """Insert a row; `preset` holds key columns out of the URL, which the body may override."""
        body = _body(call)
        row: Row = {
            name: column.default
            for name, column in table.columns.items()
            if column.default is not None
        }
        row |= preset or {}
        set_values(table, row, body, self.store)
        row_id = row_id or _given_id(table, body) or str(uuid.uuid4())
        if row_id in self.store.tables[table.logical_name].rows:
            raise refused(412, DUPLICATE_ROW, "A record with matching key values already exists.")
        row[table.primary_id] = row_id
        if table.number_column and not row.get(table.number_column):
            row[table.number_column] = self.numbers.take(table.number_prefix)
        if any(row.get(n) is not None for n in ("creditlimit", "revenue", "annualincome")):
            self._default_currency(row)
        self._derive(table, row)
        self._check_keys(table, row, switches)
        self.store.put(table.logical_name, row_id, row, user)
        return self._written(call, table, row, created=True)

    def update(
        self, call: Call, table: Table, row: Row, user: str, switches: Switches, key: set[str]
    ) -> Reply:
        """Change a row that exists; checks ``If-Match`` and ``If-None-Match``.

        The columns of the key that addressed the row (`key`) are left out of the body.
        """
        if call.headers.get("if-none-match") == "*":
            raise refused(412, DUPLICATE_ROW, "A record with matching key values already exists.")
        check_version(call, row)
        changed = dict(row)
        body = {name: value for name, value in _body(call).items() if name not in key}
        set_values(table, changed, body, self.store)
        self._derive(table, changed)
        self._check_keys(table, changed, switches)
        self.store.put(table.logical_name, changed[table.primary_id], changed, user)
        return self._written(call, table, changed, created=False)

    def replace(self, table: Table, row: Row, user: str) -> None:
        """Store a changed row with what follows from it."""
        self._derive(table, row)
        self.store.put(table.logical_name, row[table.primary_id], row, user)

    def delete(self, table: Table, row_id: str, user: str, switches: Switches) -> None:
        """Delete a row and do to the contacts below it what the relationship says."""
        self.store.remove(table.logical_name, row_id)
        contacts = self.store.tables["contact"]
        for child in contacts.with_value("_parentcustomerid_value", row_id):
            if switches.dataverse_delete_account == "cascade":
                if child in contacts.rows:
                    self.delete(contacts.table, child, user, switches)
                continue
            orphan = dict(contacts.rows[child])
            del orphan["_parentcustomerid_value"], orphan["_parentcustomerid_value!"]
            self._derive(contacts.table, orphan)
            self.store.put("contact", child, orphan, user)

    def _derive(self, table: Table, row: Row) -> None:
        if table.logical_name == "contact":
            names = (row.get("firstname"), row.get("lastname"))
            row["fullname"] = " ".join(name for name in names if name) or None
            row["msdynce_iscompanyanaccount"] = row.get("_parentcustomerid_value!") == "account"
        if "address1_composite" in table.columns:
            for n in (1, 2):
                lines = [
                    row.get(f"address{n}_{part}")
                    for part in ("line1", "line2", "line3", "postalcode", "city", "country")
                ]
                row[f"address{n}_composite"] = "\r\n".join(x for x in lines if x) or None

    def _default_currency(self, row: Row) -> None:
        if row.get("_transactioncurrencyid_value") is None:
            found = self.store.tables["transactioncurrency"].with_value("isocurrencycode", "USD")
            if found:
                row["_transactioncurrencyid_value"] = found[0]

    def _check_keys(self, table: Table, row: Row, switches: Switches) -> None:
        for name in active_keys(table, switches):
            value = row.get(name)
            others = (
                []
                if value is None
                else self.store.tables[table.logical_name].with_value(name, value)
            )
            if any(other != row[table.primary_id] for other in others):
                label = "Contact Number" if table.logical_name == "contact" else "Account Number"
                raise refused(
                    412,
                    DUPLICATE_KEY,
                    f"Entity Key {label} violated. A record with the same value for {label} "
                    "already exists. A duplicate record cannot be created. Select one or more "
                    "unique values and try again.",
                )

    def _written(self, call: Call, table: Table, row: Row, *, created: bool) -> Reply:
        by_id = f"{_set_url(call, table)}({row[table.primary_id]})"
        if call.preferences().get("return") == "representation":
            shape = shape_of(table, call.options().get("$select"), call.options().get("$expand"))
            body = {"@odata.context": f"{_set_url(call, table, '$metadata#')}/$entity"}
            body |= projector(shape, self.store, None, call.root)(row)
            headers = {
                "ETag": f'W/"{row["versionnumber"]}"',
                "Preference-Applied": "return=representation",
            }
            if created:
                headers |= {"Location": by_id, "OData-EntityId": by_id}
            return json_reply(201 if created else 200, body, headers)
        # After a PATCH by alternate key the answer echoes that URL, not the row's id.
        address = by_id if call.method == "POST" else f"{call.root}{call.path}"
        headers = {"OData-Version": "4.0", "OData-EntityId": address}
        if call.method == "POST":
            headers["Location"] = address
        return Reply(204, headers=headers)


def active_keys(table: Table, switches: Switches) -> list[str]:
    """Columns of the alternate keys that are usable."""
    if table.logical_name == "contact":
        return ["msdynce_contactnumber"]
    if table.logical_name == "account" and switches.dataverse_account_key == "Active":
        return ["accountnumber"]
    return []


def row_id_of(table: Table, key: dict[str, str], store: Store, switches: Switches) -> str | None:
    """The id that a key predicate addresses; None when an alternate key matches no row.

    Raises:
        Refused: The key is neither the primary nor a usable alternate key.
    """
    if set(key) == {""} or set(key) == {table.primary_id}:
        row_id = next(iter(key.values())).lower()
        if GUID.fullmatch(row_id) is None:
            raise refused(400, BAD_REQUEST, f"Invalid identifier '{row_id[:60]}'.")
        return row_id
    if len(key) != 1 or next(iter(key)) not in active_keys(table, switches):
        raise refused(
            400,
            BAD_REQUEST,
            f"The key in the request URI is not valid for resource '{table.type_name}'. Ensure "
            "that the names and number of key properties match the declared key properties for "
            f"the resource '{table.type_name}'.",
        )
    found = rows_with_key(table, key, store)
    return found[0] if found else None


def missing(table: Table, key: dict[str, str]) -> Exception:
    """The refusal of a row that does not exist, by the way it was addressed."""
    if "" in key or table.primary_id in key:
        return no_such_row(table.logical_name, next(iter(key.values())))
    return refused(
        404,
        NO_ROW_WITH_KEY,
        f"A record with the specified key values does not exist in {table.logical_name} entity",
    )


def preset_of(table: Table, key: dict[str, str]) -> Row:
    """Column values that an alternate key in the URL of an upsert gives to the new row."""
    return {
        name: unquote_literal(literal)
        for name, literal in key.items()
        if name and name != table.primary_id
    }


def check_version(call: Call, row: Row) -> None:
    """Refuse a write whose ``If-Match`` names another version than the row's."""
    wanted = call.headers.get("if-match")
    if wanted is not None and wanted != "*" and fold(wanted) != f'w/"{row["versionnumber"]}"':
        raise refused(
            412,
            VERSION_MISMATCH,
            "The version of the existing record doesn't match the RowVersion property provided.",
        )


def _given_id(table: Table, body: dict[str, Any]) -> str | None:
    given = body.get(table.primary_id)
    return str(given).lower() if given else None


def _body(call: Call) -> dict[str, Any]:
    body = call.json_body() if call.body.strip() else {}
    if body is None:
        raise refused(400, BAD_REQUEST, "An error occurred while validating input parameters.")
    return body


def _set_url(call: Call, table: Table, middle: str = "") -> str:
    version = "/".join(call.path.split("/")[:4])
    return f"{call.root}{version}/{middle}{table.entity_set}"
