"""The document that `explain --json` prints and ``GET /api/rows/{template}/{row}`` answers. Pure.

Absent things are null, times are ISO 8601 in UTC, decimals are JSON numbers.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from p2c.mapping.result import Mapped
from p2c.mapping.trace import FieldTrace, MappingTrace
from p2c.model import Create, Operation, Outcome, Reason
from p2c.sync.decide import Plan
from p2c.sync.explanation import (
    FieldState,
    FnoState,
    PrerequisiteState,
    RowExplanation,
    TaskExplanation,
    TaskFacts,
)

Json = dict[str, object]


def explanations_as_json(searched: str, rows: Iterable[RowExplanation]) -> Json:
    """Return the document about the rows that an id or a number named."""
    return {"searched": searched, "rows": [_row(row) for row in rows]}


def _row(explained: RowExplanation) -> Json:
    return {
        "row": explained.row_id,
        "table": explained.table,
        "number": explained.number or None,
        "tasks": [_task(task) for task in explained.tasks],
    }


def _task(explained: TaskExplanation) -> Json:
    facts = explained.facts
    return {
        "template": facts.task.template,
        "task": facts.task.task,
        "data_entity": facts.task.entity_set,
        "summary": explained.summary,
        "sales": _sales(facts),
        "rule": _rule(facts.mapping),
        "prerequisites": [_prerequisite(state) for state in facts.prerequisites],
        "mapping": _mapping(facts.mapping),
        "fno": _fno(facts.fno),
        "last": _last(facts),
        "next": explained.next,
    }


def _sales(facts: TaskFacts) -> Json:
    row, checkpoint = facts.row, facts.checkpoint
    full = checkpoint.full_read
    return {
        "exists": None if facts.sales_problem else row is not None,
        "problem": facts.sales_problem or None,
        "row_version": row.version if row else None,
        "state": row.columns.get("statecode") if row else None,
        "row_version_last_read": facts.entry.source_version or None,
        "changed_since": facts.has_changed,
        "polled_at": _time(checkpoint.polled_at),
        "template_changed_since_full_read": facts.template_has_changed,
        "question": facts.question or None,
        "full_read": {"execution_id": full.execution, "read": full.read} if full else None,
    }


def _rule(trace: MappingTrace | None) -> Json | None:
    if trace is None or trace.filter is None:
        return None
    return {
        "filter": trace.filter.text,
        "holds": trace.filter.holds,
        "comparisons": [
            {
                "column": compared.source,
                "operator": compared.operation,
                "literal": compared.literal,
                "value": _value(compared.value),
                "holds": compared.holds,
            }
            for compared in trace.filter.comparisons
        ],
    }


def _prerequisite(state: PrerequisiteState) -> Json:
    need = state.prerequisite
    return {
        "data_entity": need.entity_set,
        "field": need.field,
        "value": need.value or None,
        "in_fno": state.in_fno,
        "template": need.template,
        "table": need.table,
        "row": need.row_id,
        **_outcome(state.outcome, state.reason),
    }


def _mapping(trace: MappingTrace | None) -> Json | None:
    if trace is None:
        return None
    result = trace.result
    if isinstance(result, Mapped):
        outcome: Json = {"key": str(result.key), **_outcome(None, None)}
    else:
        key = str(result.key) if result.key else None
        outcome = {"key": key, **_outcome(result.outcome, result.reason)}
    return {**outcome, "fields": [_field(field) for field in trace.fields]}


def _field(field: FieldTrace) -> Json:
    return {
        "field": field.field,
        "type": field.type_name,
        "integration_key": field.is_key,
        "source": field.source or None,
        "raw": _value(field.raw),
        "steps": [{"what": step.what, "value": _value(step.value)} for step in field.steps],
        "value": _value(field.value),
        "rejected": {"code": field.rejection.code, "reason": str(field.rejection)}
        if field.rejection
        else None,
    }


def _fno(state: FnoState) -> Json:
    return {
        "problem": state.problem or None,
        "key": str(state.key) if state.key else None,
        "exists": state.exists,
        "fields": [_compared(field) for field in state.fields],
        "former_records": [
            {
                "key": str(record.key),
                "exists": record.retired is not None,
                "retired": record.retired,
            }
            for record in state.former
        ],
        "run_would_send": _operations(state.plan),
        "force_would_send": _operations(state.forced),
        "ledger_is_trusted": state.trusted,
    }


def _compared(field: FieldState) -> Json:
    return {
        "field": field.field,
        "mapped": _value(field.wanted),
        "found": _value(field.actual),
        "comparison": field.comparison,
        "would_be_sent": field.sent,
    }


def _operations(plan: Plan | None) -> list[Json]:
    return [_operation(operation) for operation in plan.operations] if plan else []


def _operation(operation: Operation) -> Json:
    return {
        "action": "create" if isinstance(operation, Create) else "update",
        "key": str(operation.key),
        "fields": {name: _value(value) for name, value in operation.values.items()},
    }


def _last(facts: TaskFacts) -> Json:
    entry = facts.entry
    claim = entry.claim
    return {
        **_outcome(entry.outcome, entry.reason),
        "since": _time(entry.since),
        "execution_id": entry.execution or None,
        "answer": entry.answer or None,
        "answered_at": _time(entry.answered_at),
        "claim": {
            "worker": claim.owner,
            "since": _time(claim.claimed_at),
            "until": _time(claim.deadline),
        }
        if claim
        else None,
        "unsettled_until": _time(entry.unsettled_until),
        "keys": [str(key) for key in entry.keys],
    }


def _outcome(outcome: Outcome | None, reason: Reason | None) -> Json:
    return {
        "outcome": outcome.value if outcome else None,
        "code": reason.code if reason else None,
        "reason": reason.text if reason else None,
    }


def _time(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None


def _value(value: object) -> object:
    """Return a value as JSON has it; a decimal with its digits as far as a double carries them."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(name): _value(item) for name, item in value.items()}
    return value
