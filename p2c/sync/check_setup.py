"""Checks the whole set-up: storage, both services' metadata and privileges, reference values.

Nothing stops at the first thing that is wrong, and what cannot be looked at is said. Settings and
templates are read before this: `p2c.bootstrap` tells what of them is usable.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from p2c.errors import P2cError, ServiceRefusedError, ThrottledError
from p2c.mapping.task import TaskMapping
from p2c.model import DestinationMetadata
from p2c.sync.backoff import Backoff
from p2c.sync.check_destination import REFERENCES, compare_entity, references
from p2c.sync.check_source import compare_table, tables_of
from p2c.sync.findings import Finding, Verdict, failed, not_checked, well
from p2c.sync.ports import Clock, DestinationSetup, SourceSetup, StorageProbe

MOST_SKEW = timedelta(seconds=60)
"""The settle time allows for clocks that differ by this much."""
LISTED = 20
"""So many legal entities are named where one is not found."""


@dataclass(frozen=True)
class Setup:
    """What is to be checked.

    Attributes:
        tasks: Of the templates; none when these do not load.
        tables: Names of the tables that p2c keeps; back-off is in `state_table`.
        queues: Names of the queues that p2c keeps.
        backoff: Service to its shared back-off.
        hindered: ``storage``, ``dataverse``, ``fno``, ``templates`` or ``legal entity`` to why
            it cannot be checked.
    """

    tasks: Sequence[TaskMapping]
    legal_entity: str
    tables: Sequence[str]
    state_table: str
    queues: Sequence[str]
    storage: StorageProbe
    source: SourceSetup
    destination: DestinationSetup
    backoff: Mapping[str, Backoff]
    clock: Clock
    hindered: Mapping[str, str]


def check_setup(setup: Setup) -> Iterator[Finding]:
    """Yield what each check comes to, as soon as it is known."""
    knows_backoff = yield from _storage(setup)
    for service, checks in (("dataverse", _dataverse), ("fno", _fno)):
        if service in setup.hindered:
            yield not_checked(service, "all of it", setup.hindered[service])
            continue
        closed = list(_backoff(setup, service)) if knows_backoff else []
        yield from closed
        if any(finding.code == "throttled" for finding in closed):
            yield not_checked(service, "all of it", "the service asks to be left alone")
            continue
        try:
            yield from checks(setup)
        except P2cError as error:
            if isinstance(error, ThrottledError) and knows_backoff:
                setup.backoff[service].throttled(error.retry_after_seconds)
            yield failed(service, "connection", error)
            yield not_checked(service, "the rest", "the service cannot be asked")


def _storage(setup: Setup) -> Generator[Finding, None, bool]:
    """Check tables and queues; return whether the shared back-off can be read."""
    if "storage" in setup.hindered:
        yield not_checked("storage", "tables and queues", setup.hindered["storage"])
        return False
    found: dict[str, frozenset[str]] = {"tables": frozenset(), "queues": frozenset()}
    for what, names, look, attempt in (
        ("tables", setup.tables, setup.storage.tables, setup.storage.try_table),
        ("queues", setup.queues, setup.storage.queues, setup.storage.try_queue),
    ):
        try:
            found[what] = look()
            attempt()
        except P2cError as error:
            yield failed("storage", what, error)
            continue
        missing = [name for name in names if name not in found[what]]
        there = f"{', '.join(missing)} will be made at first use" if missing else "all are there"
        yield well("storage", what, f"can be made, written, read and removed; {there}")
    return setup.state_table in found["tables"]


def _backoff(setup: Setup, service: str) -> Iterator[Finding]:
    backoff = setup.backoff[service]
    until, since = backoff.until(), backoff.outage_since()
    if since:
        yield Finding(
            service,
            Verdict.WARNING,
            "shared back-off",
            f"it has not answered since {since:%Y-%m-%d %H:%M:%S} UTC",
            "an answer",
            "Nothing, if the connection works now; p2c goes on by itself.",
            "service-unavailable",
        )
    elif until:
        yield Finding(
            service,
            Verdict.WARNING,
            "shared back-off",
            f"it asks to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC",
            "no throttling",
            "Check again after that.",
            "throttled",
        )


def _dataverse(setup: Setup) -> Iterator[Finding]:
    area = "dataverse"
    caller = setup.source.who_am_i()
    yield well(area, "connection", f"it takes us for system user {caller.user_id}")
    if caller.service_time:
        skew = abs(caller.service_time - setup.clock.now())
        if skew > MOST_SKEW:
            yield Finding(
                area,
                Verdict.WARNING,
                "clock",
                f"this machine's differs by {skew.total_seconds():.0f} s",
                f"at most {MOST_SKEW.total_seconds():.0f} s",
                "Set this machine's clock, or raise P2C_SETTLE_SECONDS by the difference.",
                "clock-differs",
            )
    if "templates" in setup.hindered:
        yield not_checked(area, "tables", setup.hindered["templates"])
    for table, tasks in tables_of(setup.tasks).items():
        yield from _each(area, f"table '{table}'", partial(_table, setup, table, tasks))
    for task in setup.tasks:
        subject = f"rows for {task.template}: {task.task}"
        yield from _each(area, subject, partial(_sample, setup, subject, task))


def _table(setup: Setup, name: str, tasks: Sequence[TaskMapping]) -> list[Finding]:
    """Compare a table; one whose changes are followed is asked for them as well."""
    definition = setup.source.table_definition(name)
    findings = compare_table(definition, tasks)
    query = next((task.query for task in tasks if task.query.table == name), None)
    if query and definition.is_change_tracking_enabled:
        setup.source.changes(query, None, tracked=True)
    return findings


def _sample(setup: Setup, subject: str, task: TaskMapping) -> list[Finding]:
    rows = setup.source.sample(task.query)
    found = (
        "can be read with all columns and lookups" if rows else "can be asked for; none is there"
    )
    return [well("dataverse", subject, found)]


def _fno(setup: Setup) -> Iterator[Finding]:
    area = "fno"
    companies = setup.destination.companies()
    yield well(area, "connection", f"it has {len(companies)} legal entities")
    legal_entity = _legal_entity(setup, companies)
    yield legal_entity
    if "templates" in setup.hindered:
        yield not_checked(area, "data entities", setup.hindered["templates"])
        return
    wanted = [task.entity_set for task in setup.tasks]
    wanted += [entity_set for places in REFERENCES.values() for entity_set, _ in places]
    metadata = setup.destination.metadata(dict.fromkeys(wanted))
    for task in setup.tasks:
        yield from compare_entity(metadata, task)
    for field, values in references(setup.tasks).items():
        if legal_entity.verdict is Verdict.WELL:
            yield _reference(setup, metadata, field, values)
        else:
            yield not_checked(area, _values_of(field), "the legal entity is not known")


def _legal_entity(setup: Setup, companies: Sequence[str]) -> Finding:
    subject = f"legal entity '{setup.legal_entity}'"
    if "legal entity" in setup.hindered:
        return not_checked("fno", "legal entity", setup.hindered["legal entity"])
    if setup.legal_entity.lower() in companies:
        return well("fno", subject, "it is there")
    named = ", ".join(sorted(companies)[:LISTED])
    more = f" and {len(companies) - LISTED} more" if len(companies) > LISTED else ""
    return Finding(
        "fno",
        Verdict.BROKEN,
        subject,
        "F&O has no such legal entity, or hides it from this user",
        f"one of {named}{more}",
        "Correct P2C_LEGAL_ENTITY, or give p2c's user in F&O access to the legal entity.",
        "legal-entity-unknown",
    )


def _reference(
    setup: Setup,
    metadata: DestinationMetadata,
    field: str,
    values: Mapping[str, Sequence[str]],
) -> Finding:
    """Look for the values that templates give a field in the set-up data they refer to."""
    subject = _values_of(field)
    place = next((at for at in REFERENCES[field] if at[0] in metadata.entity_sets), None)
    if place is None:
        known = " or ".join(entity_set for entity_set, _ in REFERENCES[field])
        return not_checked("fno", subject, f"this F&O has no data entity {known}")
    entity_set, key = place
    try:
        records = setup.destination.find(entity_set, key, values, [])
    except ServiceRefusedError as error:
        return not_checked("fno", subject, f"it is not needed otherwise and: {error.message}")
    there = {_comparable(record.get(key)) for record in records}
    missing = [value for value in values if _comparable(value) not in there]
    if not missing:
        return well("fno", subject, f"{', '.join(values)} in {entity_set}")
    given_by = sorted({place for value in missing for place in values[value]})
    return Finding(
        "fno",
        Verdict.BROKEN,
        subject,
        f"{', '.join(missing)} is not in {entity_set} (given by {'; '.join(given_by)})",
        "it is there",
        f"Create it in F&O, or give {field} another value in a project.",
        "reference-missing",
    )


def _values_of(field: str) -> str:
    return f"values of '{field}'"


def _each(area: str, subject: str, check: Callable[[], Sequence[Finding]]) -> Sequence[Finding]:
    """Do one check of several: what refuses it concerns it alone."""
    try:
        return check()
    except ServiceRefusedError as error:
        return [failed(area, subject, error)]


def _comparable(value: object) -> str:
    return str(value).rstrip().casefold()
