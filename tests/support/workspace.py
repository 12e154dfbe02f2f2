"""A Log Analytics workspace as far as the queries need it: what was sent, as tables asked in KQL.

duckdb-kql carries the queries out. It is not Kusto: its makers compare what it knows with Kusto's
emulator, and it refuses what it does not know.
"""

import json
from datetime import datetime

import duckdb_kql

from tools.kql_check.check import TABLES

_COLUMNS = {
    "string": "VARCHAR",
    "int": "INTEGER",
    "real": "DOUBLE",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
}


class Workspace:
    """The tables that the queries are checked with, filled with envelopes of the exporter."""

    def __init__(self, envelopes):
        self._database = duckdb_kql.connect()
        for table, columns in TABLES.items():
            lines = ", ".join(f'"{name}" {_COLUMNS[kind]}' for name, kind in columns.items())
            self._database.execute(f'CREATE TABLE "{table}" ({lines})')
        self._insert("AppMetrics", ("Name", "Sum"), _data_points(envelopes))
        self._insert("AppTraces", ("Message",), _log_records(envelopes))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._database.close()

    def ask(self, query, now=None):
        """Carry out a query and return each row as a dictionary; `now` is what ``now()`` says."""
        found = duckdb_kql.query(self._database, query, query_now=now)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def _insert(self, table, own, rows):
        rows = list(rows)
        if rows:
            columns = ", ".join(("TimeGenerated", "Properties", *own))
            marks = ", ".join(f"({', '.join('?' * len(rows[0]))})" for _ in rows)
            statement = f"INSERT INTO {table} ({columns}) VALUES {marks}"
            self._database.execute(statement, [value for row in rows for value in row])


def _data_points(envelopes):
    for envelope, base in _of(envelopes, "MetricData"):
        for point in base["metrics"]:
            yield (*_usual(envelope, base), point["name"], point["value"])


def _log_records(envelopes):
    for envelope, base in _of(envelopes, "MessageData"):
        yield (*_usual(envelope, base), base["message"])


def _of(envelopes, kind):
    for envelope in envelopes:
        if envelope["data"]["baseType"] == kind:
            yield envelope, envelope["data"]["baseData"]


def _usual(envelope, base):
    return sent_at(envelope), json.dumps(base["properties"])


def sent_at(envelope):
    """The time of an envelope, in UTC without saying so, as tables have it."""
    return datetime.fromisoformat(envelope["time"]).replace(tzinfo=None)


def data_point(at, name, value, **attributes):
    """A metric's data point as the exporter sends it."""
    point = {"name": name, "value": value, "count": 1}
    return _envelope(at, "MetricData", {"metrics": [point], "properties": attributes})


def log_record(at, text, **particulars):
    """A log record as the exporter sends it, which makes a text of every particular."""
    texts = {name: str(value) for name, value in particulars.items()}
    return _envelope(at, "MessageData", {"message": text, "properties": texts})


def _envelope(at, kind, base):
    return {"time": f"{at.isoformat()}Z", "data": {"baseType": kind, "baseData": base}}
