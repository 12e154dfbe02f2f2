"""Puts the app together, from the settings.

The functions and the commands build one `App` a process. Building connects to nothing but storage,
and to that only when the key of the field hashes is kept there.
"""

import os
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache

from p2c.bootstrap.credentials import storage_credential, token_provider
from p2c.dataverse import DataverseClient
from p2c.errors import StopError, TemplateError
from p2c.fno import FnoClient
from p2c.mapping.task import CompiledTemplate
from p2c.odata.meter import Meter
from p2c.odata.transport import Transport
from p2c.settings import (
    STORAGE,
    FoundSettings,
    Settings,
    StorageSettings,
    load_storage_settings,
)
from p2c.storage import AzureDocuments, AzureProbe, AzureQueue, StorageAccount, SystemClock
from p2c.sync.backoff import Backoff
from p2c.sync.check_setup import Setup
from p2c.sync.enumerate_changes import EnumerateChanges
from p2c.sync.executions import Executions
from p2c.sync.handle_message import MessageHandler
from p2c.sync.keep_alive import keep_claims
from p2c.sync.limiter import Limiter
from p2c.sync.observe import Observer
from p2c.sync.ports import Documents
from p2c.sync.prerequisites import WaitingRows
from p2c.sync.runtime import Runtime, Stores
from p2c.sync.sync_rows import KeepAlive, RowSync
from p2c.telemetry import SILENT, Telemetry
from p2c.templates import load_templates, shipped_names

LEDGER_TABLE = "p2cledger"
WAITING_TABLE = "p2cwaiting"
STATE_TABLE = "p2cstate"
EXECUTIONS_TABLE = "p2cexecutions"
TABLES = (LEDGER_TABLE, WAITING_TABLE, STATE_TABLE, EXECUTIONS_TABLE)

HASH_KEY_BYTES = 32
LONGEST_SETTLE_SECONDS = 10 * 365 * 24 * 3600
"""Settings take any whole number; beyond this a date could not be written."""
_HASH_KEY_PLACE = ("secrets", "hash-key")


def queue_name(template: str) -> str:
    """Return the name of a template's queue."""
    return f"p2c-{template}"


def poison_queue_name(template: str) -> str:
    """Return the name that the Functions host gives to the poison queue of a template's queue."""
    return f"{queue_name(template)}-poison"


_QUEUE_NAMES = (queue_name, poison_queue_name)


@dataclass(frozen=True)
class App:
    """Everything a process works with.

    Attributes:
        templates: Those that were asked for, prerequisites first. The runtime knows all.
        queue: Template name to its queue.
        poison_queue: Template name to its poison queue.
        tables: Table name to table.
        backoff: Service (``dataverse``, ``fno``) to its shared back-off.
    """

    settings: Settings
    templates: tuple[CompiledTemplate, ...]
    runtime: Runtime
    handler: MessageHandler
    enumerate_changes: EnumerateChanges
    executions: Executions
    waiting: WaitingRows
    observer: Observer
    meter: Meter
    source: DataverseClient
    destination: FnoClient
    backoff: Mapping[str, Backoff]
    queue: Callable[[str], AzureQueue]
    poison_queue: Callable[[str], AzureQueue]
    tables: Mapping[str, AzureDocuments]
    transports: tuple[Transport, ...]

    def ensure_storage(self) -> None:
        """Create the tables, queues and poison queues of all templates that are missing.

        Raises:
            UnavailableError: Storage cannot be reached.
            ServiceRefusedError: Storage does not accept the credential.
        """
        for table in self.tables.values():
            table.ensure()
        for name in self.runtime.templates:
            self.queue(name).ensure()
            self.poison_queue(name).ensure()

    def check_storage(self) -> None:
        """Ask the tables and a queue for next to nothing, once and without patience.

        Raises:
            UnavailableError, ServiceRefusedError: As `ensure_storage`.
        """
        account = replace(_storage_account(self.settings.storage), retries=0)
        account.documents(STATE_TABLE).get(*_HASH_KEY_PLACE)
        account.queue(queue_name(self.templates[0].name)).length()

    def close(self) -> None:
        """Close the connections to both services."""
        for transport in self.transports:
            transport.close()


def build_app(
    settings: Settings,
    *,
    templates: Sequence[str] | None = None,
    execution: str = "",
    keep_alive: KeepAlive = keep_claims,
    read_only: bool = False,
    telemetry: Telemetry = SILENT,
) -> App:
    """Put the app together.

    Args:
        templates: Names of those wanted; None for all.
        execution: Counts everything the process does besides the messages' own executions.
        keep_alive: Holds on to claims, and to whatever else, while a message is worked on.
        read_only: Store no key of the field hashes where there is none: no hash was stored either.
        telemetry: Told of what the app does; `start_telemetry` makes it, and who made it closes it.

    Raises:
        RequestError: A name is not a template's.
        TemplateError: A template or project does not load.
        UnavailableError, ServiceRefusedError: The hash key is kept in storage, which cannot be
            reached or refuses the credential.
    """
    loaded = _load(settings, None)
    wanted = loaded if templates is None else _load(settings, templates)
    account = _storage_account(settings.storage)
    tables = {name: account.documents(name) for name in TABLES}
    stores = Stores(
        ledger=tables[LEDGER_TABLE],
        waiting=tables[WAITING_TABLE],
        state=tables[STATE_TABLE],
        executions=tables[EXECUTIONS_TABLE],
    )
    queue = cache(lambda template: account.queue(queue_name(template)))
    poison_queue = cache(lambda template: account.queue(poison_queue_name(template)))
    meter = Meter()
    transports = _transports(settings, meter, telemetry)
    source = DataverseClient(transports["dataverse"])
    destination = FnoClient(transports["fno"], settings.legal_entity)
    runtime = Runtime(
        source=source,
        destination=destination,
        stores=stores,
        queue_of=queue,
        clock=SystemClock(),
        templates={template.name: template for template in loaded},
        hash_key=_hash_key(settings, stores.state, may_store=not read_only),
        settle_seconds=min(settings.settle_seconds, LONGEST_SETTLE_SECONDS),
        owner=f"{os.getpid()}-{uuid.uuid4().hex}",
        execution=execution,
        telemetry=telemetry,
    )
    limiter = Limiter(stores.state, runtime.clock, runtime.owner)
    row_sync = RowSync(runtime, keep_alive, limiter)
    return App(
        settings=settings,
        templates=wanted,
        runtime=runtime,
        handler=MessageHandler(runtime, row_sync),
        enumerate_changes=EnumerateChanges(runtime),
        executions=Executions(runtime),
        waiting=WaitingRows(runtime),
        observer=Observer(runtime, poison_queue),
        meter=meter,
        source=source,
        destination=destination,
        backoff=row_sync.backoff,
        queue=queue,
        poison_queue=poison_queue,
        tables=tables,
        transports=tuple(transports.values()),
    )


@contextmanager
def open_setup(found: FoundSettings) -> Iterator[tuple[Setup, TemplateError | None]]:
    """Open what `check` looks at, as far as the settings lead to it. Connects to nothing itself.

    Yields:
        What to check, and what is wrong with templates or projects.
    """
    templates, error = _load_or_not(found)
    tasks = [task for template in templates for task in template.tasks]
    account = replace(_storage_account(found.settings.storage), retries=1)
    state, clock = account.documents(STATE_TABLE), SystemClock()
    transports = _transports(found.settings, Meter())
    try:
        yield (
            Setup(
                tasks=tasks,
                legal_entity=found.settings.legal_entity,
                tables=TABLES,
                state_table=STATE_TABLE,
                queues=[name(one) for one in shipped_names() for name in _QUEUE_NAMES],
                storage=AzureProbe(account),
                # One id is enough to see whether changes may be read.
                source=DataverseClient(transports["dataverse"], page_size=1),
                destination=FnoClient(transports["fno"], found.settings.legal_entity),
                backoff={name: Backoff(state, clock, name) for name in transports},
                clock=clock,
                hindered=_hindered(found, error),
            ),
            error,
        )
    finally:
        for transport in transports.values():
            transport.close()


def _load_or_not(
    found: FoundSettings,
) -> tuple[tuple[CompiledTemplate, ...], TemplateError | None]:
    try:
        return _load(found.settings, None), None
    except TemplateError as error:
        return (), error


def _hindered(found: FoundSettings, templates: TemplateError | None) -> dict[str, str]:
    """Say of what cannot be checked why."""
    needs = {
        "storage": (STORAGE,),
        "dataverse": ("P2C_DATAVERSE_URL", "P2C_CREDENTIAL"),
        "fno": ("P2C_FNO_URL", "P2C_CREDENTIAL"),
        "legal entity": ("P2C_LEGAL_ENTITY",),
    }
    hindered = {
        what: f"{name} is missing or wrong"
        for what, names in needs.items()
        for name in names
        if name in found.unusable
    }
    return hindered | ({"templates": "the templates do not load"} if templates else {})


def open_queue(name: str) -> AzureQueue:
    """Open a queue by the storage settings alone, for when the rest of the app cannot be built.

    Raises:
        SettingError: Those are broken, too.
    """
    return _storage_account(load_storage_settings()).queue(name)


def open_scratch() -> AbstractContextManager[Callable[[str], Documents]]:
    """Open documents that last as long as a context; each name has its own.

    Raises:
        StopError: This Python cannot keep them.
    """
    try:
        # Imported here because a Python that was built without SQLite can do everything else.
        from p2c.storage.scratch import scratch  # noqa: PLC0415
    except ImportError as error:
        raise StopError(
            "This Python was built without SQLite, in which a plan keeps what it would write. "
            "Expected the module 'sqlite3'. Use another Python, such as python.org's or Azure's.",
            code="sqlite-missing",
        ) from error
    return scratch()


def _load(settings: Settings, names: Sequence[str] | None) -> tuple[CompiledTemplate, ...]:
    return load_templates(
        names, legal_entity=settings.legal_entity, projects_folder=settings.projects
    )


def _transports(
    settings: Settings, meter: Meter, telemetry: Telemetry = SILENT
) -> dict[str, Transport]:
    roots = {"dataverse": settings.dataverse_url, "fno": settings.fno_url}
    return {
        service: Transport(
            service,
            root,
            token_provider(settings.credential, service, root),
            meter,
            SystemClock(),
            telemetry=telemetry,
        )
        for service, root in roots.items()
    }


def _storage_account(storage: StorageSettings) -> StorageAccount:
    if storage.connection_string is not None:
        return StorageAccount(connection_string=storage.connection_string.get_secret_value())
    return StorageAccount(
        queue_url=storage.queue_url,
        table_url=storage.table_url,
        credential=storage_credential(storage.credential, storage.client_id),
    )


def _hash_key(settings: Settings, state: Documents, *, may_store: bool = True) -> bytes:
    """Return the key from the settings, or the one in storage, made there at the first time."""
    if settings.hash_key is not None:
        return settings.hash_key.get_secret_value().encode()
    while True:
        known = state.get(*_HASH_KEY_PLACE)
        if known is not None:
            return bytes.fromhex(str(known.body["key"]))
        made = secrets.token_bytes(HASH_KEY_BYTES)
        # On a conflict another process has just made one, which is then everybody's.
        if not may_store or state.put(*_HASH_KEY_PLACE, {"key": made.hex()}, None):
            return made
