"""The only chooser of implementations: builds what the functions and the commands work with."""

from p2c.bootstrap.app import (
    EXECUTIONS_TABLE,
    LEDGER_TABLE,
    STATE_TABLE,
    TABLES,
    WAITING_TABLE,
    App,
    build_app,
    open_queue,
    open_scratch,
    open_setup,
    poison_queue_name,
    queue_name,
)
from p2c.bootstrap.telemetry import start_telemetry

__all__ = [
    "EXECUTIONS_TABLE",
    "LEDGER_TABLE",
    "STATE_TABLE",
    "TABLES",
    "WAITING_TABLE",
    "App",
    "build_app",
    "open_queue",
    "open_scratch",
    "open_setup",
    "poison_queue_name",
    "queue_name",
    "start_telemetry",
]
