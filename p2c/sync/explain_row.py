"""Explains a row: what is in Sales, which rule, what it waits for, each field, F&O, what is next.

Reads both services, the ledger and the checkpoints, and writes nothing anywhere. What a run would
do is found out by the functions that a run decides with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from p2c.errors import RequestError, RetryLaterError, ServiceRefusedError
from p2c.mapping.result import Mapped, NotMapped, Prerequisite
from p2c.mapping.task import TaskMapping
from p2c.mapping.trace import MappingTrace, trace_row
from p2c.model import Outcome, RecordKey, RowId, SourceRow
from p2c.sync.acquire_keys import KeyAcquirer
from p2c.sync.backoff import Backoff
from p2c.sync.checkpoints import Checkpoints
from p2c.sync.decide import (
    FnoRecord,
    Found,
    Plan,
    is_trusted,
    keys_to_look_up,
    match_records,
    plan_deleted,
    plan_from_ledger,
    plan_from_look,
    same_value,
)
from p2c.sync.explanation import (
    Comparison,
    FieldState,
    FnoState,
    FormerRecord,
    PrerequisiteState,
    RowExplanation,
    TaskExplanation,
    TaskFacts,
)
from p2c.sync.explanation_words import next_sentence, summary
from p2c.sync.find_rows import find_rows, not_found
from p2c.sync.ledger import Entry
from p2c.sync.prerequisites import (
    Waiter,
    WaitingRows,
    prerequisite_identity,
    waiting_reason,
)
from p2c.sync.row_work import Work
from p2c.sync.runtime import Runtime

_T = TypeVar("_T")
MOST_ROWS = 10
"""Rows of one number that are explained at once."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A row in one task, as Sales and the ledger have it. `problem` is why Sales was not asked."""

    task: TaskMapping
    row: SourceRow | None
    problem: str
    entry: Entry


class RowExplainer:
    """Explains rows of all templates."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._checkpoints = Checkpoints(runtime.stores.state)
        self._waiting = WaitingRows(runtime)
        self._keys = KeyAcquirer(runtime)
        self._backoff = {
            service: Backoff(runtime.stores.state, runtime.clock, service)
            for service in ("dataverse", "fno")
        }

    def explain(self, text: str, template: str | None = None) -> tuple[RowExplanation, ...]:
        """Explain the row that an id or a number names, in every task that reads its table.

        Several rows may have one number; the first `MOST_ROWS` are explained.

        Args:
            text: The id of a row in Sales in any spelling of a GUID, or its number.
            template: Only this template's tasks; None for all.

        Raises:
            RequestError: There is no such template (``template-unknown``) or row
                (``row-unknown``).
            RetryLaterError, ServiceRefusedError: Storage cannot be asked; or Sales, for a number.
        """
        tasks = self._tasks(template)
        left_alone = {
            service: until
            for service, backoff in self._backoff.items()
            if (until := backoff.until()) is not None
        }
        ids = find_rows(self._runtime, text, tasks, ask_sales="dataverse" not in left_alone)
        explained = [
            self._explanation(row, table, known, left_alone)
            for row in ids[:MOST_ROWS]
            for table, known in self._look_for(row, tasks, left_alone)
        ]
        if not explained:
            raise RequestError(not_found(text, tasks), code="row-unknown")
        return tuple(explained)

    def _tasks(self, template: str | None) -> list[TaskMapping]:
        names = [template] if template is not None else list(self._runtime.templates)
        return [task for name in names for task in self._runtime.template(name).tasks]

    def _look_for(
        self, row: RowId, tasks: Iterable[TaskMapping], left_alone: Mapping[str, datetime]
    ) -> Iterator[tuple[str, list[_Known]]]:
        """Yield each table that has the row, or had it as the ledger remembers, with its tasks."""
        by_table: dict[str, list[TaskMapping]] = {}
        for task in tasks:
            by_table.setdefault(task.query.table, []).append(task)
        for table, group in by_table.items():
            known = [self._known(task, row, left_alone) for task in group]
            if any(found.row or found.entry.version for found in known):
                yield table, known

    def _known(self, task: TaskMapping, row: RowId, left_alone: Mapping[str, datetime]) -> _Known:
        # The ledger first: a row that is finished in between then shows as changed, not as lost.
        entry = self._runtime.ledger(task).read([row])[row]
        found, problem = _asked(
            "Sales",
            left_alone.get("dataverse"),
            lambda: self._runtime.source.read(task.query, [row]).get(row),
        )
        return _Known(task, found, problem, entry)

    def _explanation(
        self, row: RowId, table: str, known: list[_Known], left_alone: Mapping[str, datetime]
    ) -> RowExplanation:
        number = next((number for found in known if (number := _number(found))), "")
        facts = [replace(self._facts(found, left_alone), number=number) for found in known]
        return RowExplanation(
            row_id=row,
            table=table,
            number=number,
            tasks=tuple(
                TaskExplanation(found, summary(found), next_sentence(found)) for found in facts
            ),
        )

    def _facts(self, known: _Known, left_alone: Mapping[str, datetime]) -> TaskFacts:
        task, row, entry = known.task, known.row, known.entry
        trace = trace_row(task.map_row, row) if row else None
        work = Work(entry.row_id, entry, row=row)
        sales_problem = known.problem
        if not sales_problem:
            work.map_row(task)
            foreseen = partial(self._keys.foresee, task, work)
            _, sales_problem = _asked("Sales", left_alone.get("dataverse"), foreseen)
        wanted = _prerequisites(trace, entry)
        (present, found), problem = self._ask_fno(task, work, wanted, left_alone)
        states = tuple(self._prerequisite(need, present) for need in wanted)
        missing = next((state.prerequisite for state in states if state.in_fno is False), None)
        fno = self._fno_state(task, work, trace, found, problem)
        would_be = (work.outcome, work.reason) if work.outcome else None
        if missing and fno.plan and fno.plan.creates:
            # Only what exists is written before its prerequisite is there.
            would_be = (Outcome.WAITING, waiting_reason(missing))
            fno = _unsent(fno)
        return TaskFacts(
            task=task,
            row_id=entry.row_id,
            row=row,
            sales_problem=sales_problem,
            entry=entry,
            checkpoint=self._checkpoints.read(task),
            mapping=trace,
            would_be=would_be,
            prerequisites=states,
            fno=fno,
            now=self._runtime.clock.now(),
            asked_again_at=self._asked_again_at(task, entry),
            left_alone=left_alone,
        )

    def _ask_fno(
        self,
        task: TaskMapping,
        work: Work,
        wanted: Iterable[Prerequisite],
        left_alone: Mapping[str, datetime],
    ) -> tuple[tuple[set[tuple[str, str, str]] | None, Found | None], str]:
        """Ask which prerequisites are there and what is under each of the row's keys."""
        keys = [*keys_to_look_up(work.entry, work.mapped), *([work.key] if work.key else [])]

        def ask() -> tuple[set[tuple[str, str, str]] | None, Found | None]:
            return self._waiting.present(wanted), self._find(task, keys)

        answer, problem = _asked("F&O", left_alone.get("fno"), ask)
        return answer or (None, None), problem

    def _find(self, task: TaskMapping, keys: Iterable[RecordKey]) -> Found:
        field = task.key_fields[1]
        values = {dict(key.parts)[field] for key in keys if key.entity_set == task.entity_set}
        # F&O reads an asterisk as a wildcard; a key that has one was rejected and never sent.
        values = {value for value in values if "*" not in value}
        if not values:
            return {}
        select = sorted({*task.key_fields, *task.field_types})
        records = self._runtime.destination.find(task.entity_set, field, sorted(values), select)
        return match_records(task.entity_set, task.key_fields, records)

    def _fno_state(
        self,
        task: TaskMapping,
        work: Work,
        trace: MappingTrace | None,
        found: Found | None,
        problem: str,
    ) -> FnoState:
        key = work.key or work.entry.current_key
        if found is None:
            return FnoState(key=key, problem=problem)
        plan, forced, trusted = self._plans(task, work, found)
        record = found.get(key.identity) if key else None
        mapped = trace.result if trace and isinstance(trace.result, Mapped) else None
        return FnoState(
            key=key,
            exists=record is not None if key else None,
            fields=_field_states(task, mapped, record, plan, forced) if mapped else (),
            former=_former(task, work.entry, key, found),
            plan=plan,
            forced=forced,
            trusted=trusted,
        )

    def _plans(
        self, task: TaskMapping, work: Work, found: Found
    ) -> tuple[Plan | None, Plan | None, bool]:
        """Return what a run would do, what it would do with force, and if it trusts the ledger."""
        hash_key, entry = self._runtime.hash_key, work.entry
        if work.mapped:
            forced = plan_from_look(task, entry, work.mapped, found, hash_key)
            if is_trusted(entry, work.mapped.key):
                return plan_from_ledger(task, entry, work.mapped, hash_key), forced, True
            return forced, forced, False
        if work.row is None and work.outcome is None:
            plan = plan_deleted(task, entry, found, hash_key)
            return plan, plan, False
        return None, None, False

    def _prerequisite(
        self, need: Prerequisite, present: set[tuple[str, str, str]] | None
    ) -> PrerequisiteState:
        in_fno = None
        if present is not None and need.value:
            in_fno = prerequisite_identity(need) in present
        for task in self._runtime.template(need.template).tasks:
            if task.query.table == need.table:
                entry = self._runtime.ledger(task).read([need.row_id])[need.row_id]
                return PrerequisiteState(need, in_fno, entry.outcome, entry.reason)
        return PrerequisiteState(need, in_fno, None, None)

    def _asked_again_at(self, task: TaskMapping, entry: Entry) -> datetime | None:
        if entry.waits_for is None:
            return None
        waiter = Waiter(task.template, task.task, entry.row_id, entry.waits_for, "")
        return self._waiting.asked_again_at(waiter)


def _asked(
    service: str, left_alone: datetime | None, ask: Callable[[], _T]
) -> tuple[_T | None, str]:
    """Ask a service; return its answer, or why there is none."""
    if left_alone is not None:
        return None, f"{service} is left alone until {left_alone:%Y-%m-%d %H:%M:%S} UTC"
    try:
        return ask(), ""
    except (RetryLaterError, ServiceRefusedError) as error:
        if error.service == "storage":
            raise
        return None, f"{error.message.rstrip('.')} [{error.code}]"


def _number(known: _Known) -> str:
    for field, column in known.task.number_columns.items():
        if known.row is not None:
            return str(known.row.columns.get(column) or "").strip()
        if known.entry.current_key:
            return dict(known.entry.current_key.parts).get(field, "")
    return ""


def _prerequisites(trace: MappingTrace | None, entry: Entry) -> tuple[Prerequisite, ...]:
    """Return what the row needs now or, of a row that cannot be read, what it waited for."""
    match trace.result if trace else None:
        case Mapped(prerequisites=found):
            return found
        case NotMapped(prerequisite=found) if found is not None:
            return (found,)
        case None if entry.waits_for is not None:
            return (entry.waits_for,)
        case _:
            return ()


def _field_states(
    task: TaskMapping,
    mapped: Mapped,
    record: FnoRecord | None,
    plan: Plan | None,
    forced: Plan | None,
) -> tuple[FieldState, ...]:
    sent, cleared = _sent(plan, mapped.key), _sent(forced, mapped.key)
    states = []
    for field, wanted in mapped.values.items():
        if field in task.key_fields:
            continue
        actual = None if record is None else record.get(field)
        comparison: Comparison
        if wanted is not None:
            same = same_value(task.field_types[field], wanted, actual)
            comparison = "new" if record is None else "equal" if same else "different"
        elif same_value(task.field_types[field], task.empty_values[field], actual):
            comparison = "blank"
        else:
            comparison = "to be cleared" if field in cleared else "left alone"
        states.append(FieldState(field, wanted, actual, comparison, sent=field in sent))
    return tuple(states)


def _unsent(state: FnoState) -> FnoState:
    fields = tuple(replace(field, sent=False) for field in state.fields)
    return replace(state, fields=fields, plan=None, forced=None)


def _sent(plan: Plan | None, key: RecordKey) -> set[str]:
    return {
        field
        for operation in (plan.operations if plan else ())
        if operation.key.identity == key.identity
        for field in operation.values
    }


def _former(
    task: TaskMapping, entry: Entry, current: RecordKey | None, found: Found
) -> tuple[FormerRecord, ...]:
    former = []
    for key in entry.keys:
        if current is not None and key.identity == current.identity:
            continue
        record = found.get(key.identity)
        retired = None
        if record is not None:
            retired = bool(task.retired) and all(
                same_value(task.field_types[field], value, record.get(field))
                for field, value in task.retired.items()
            )
        former.append(FormerRecord(key, retired))
    return tuple(former)
