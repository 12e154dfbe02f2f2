"""`explain`: why a row is where it is, link by link, and what comes next.

Values of the row and of its record are printed on standard output for the person who asks.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from p2c.cli.common import AsJson, errors, open_app
from p2c.cli.report import console
from p2c.cli.show import print_json
from p2c.mapping.trace import FieldTrace, FilterTrace
from p2c.mapping.values import is_blank
from p2c.model import Outcome, Reason
from p2c.sync.explain_row import RowExplainer
from p2c.sync.explanation import (
    FieldState,
    PrerequisiteState,
    RowExplanation,
    TaskExplanation,
    TaskFacts,
)
from p2c.sync.explanation_json import explanations_as_json
from p2c.sync.explanation_words import moment, what_is_sent

LABEL_WIDTH = 11


def explain(
    row: Annotated[
        str, typer.Argument(help="The row's id in Sales, or its number such as ACC-01000-BVRCPS.")
    ],
    *,
    template: Annotated[
        str, typer.Option(metavar="NAME", help="Only this template, such as contacts.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show why a row is where it is: Sales, rule, prerequisites, each field, F&O, what is next."""
    with errors(as_json=as_json), open_app([template] if template else None, read_only=True) as app:
        explained = RowExplainer(app.runtime).explain(row, template or None)
        if as_json:
            print_json(explanations_as_json(row, explained))
        else:
            print_explanations(console(), explained)


def print_explanations(out: Console, explained: Iterable[RowExplanation]) -> None:
    """Print rows: first what became of each, then the chain that led to it."""
    for number, row in enumerate(explained):
        if number:
            out.print()
        for task in row.tasks:
            out.print(task.summary)
        out.print(f"Its id is {row.row_id}.")
        for task in row.tasks:
            _print_task(out, task)


def _print_task(out: Console, explained: TaskExplanation) -> None:
    facts = explained.facts
    task = facts.task
    out.print(f"\n{task.template}: {task.task} ({task.query.table} to {task.entity_set})")
    _print_section(out, "Sales", _sales(facts))
    _print_section(out, "Rule", _rule(facts))
    _print_section(out, "Needs", (_needs(state) for state in facts.prerequisites))
    _print_section(out, "Mapping", _mapping(facts))
    _print_fields(out, facts)
    _print_section(out, "F&O now", _fno(facts))
    _print_section(out, "Last", _last(facts))
    _print_section(out, "Next", [explained.next])


def _print_section(out: Console, label: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        section = Table.grid(padding=(0, 1))
        section.add_column(width=LABEL_WIDTH, no_wrap=True)
        section.add_column(overflow="fold")
        for line, name in zip_longest(found, [f"  {label}"], fillvalue=""):
            section.add_row(name, line)
        out.print(section)


def _sales(facts: TaskFacts) -> Iterator[str]:
    row, seen = facts.row, facts.entry.source_version
    if facts.sales_problem:
        yield f"not asked: {facts.sales_problem}"
    elif row is None:
        yield f"gone; p2c last read row version {seen}" if seen else "gone"
    else:
        state = row.columns.get("statecode")
        yield f"there, row version {row.version}" + ("" if state is None else f", state {state}")
        if not seen:
            yield "p2c has not read it yet"
        elif facts.has_changed:
            yield f"p2c last read row version {seen}: there is a change not processed yet"
        else:
            yield "p2c has read this row version"
    checkpoint = facts.checkpoint
    polled = moment(checkpoint.polled_at) if checkpoint.polled_at else "never"
    yield f"changes last polled: {polled}"
    if checkpoint.full_read:
        full = checkpoint.full_read
        yield f"a full read is under way: {full.read} rows read in execution {full.execution}"
    if facts.question:
        yield f"no changes are read until somebody decides: {facts.question}"
    if facts.template_has_changed:
        yield "template or project changed since all rows were last read: --all-data brings that"


def _rule(facts: TaskFacts) -> Iterator[str]:
    if facts.mapping is None:
        return
    passed = facts.mapping.filter
    if passed is None:
        yield "none: the task takes every row"
        return
    yield f"{passed.text}: {'holds' if passed.holds else 'does not hold'}"
    yield from _comparisons(passed)


def _comparisons(passed: FilterTrace) -> Iterator[str]:
    for compared in passed.comparisons:
        yield (
            f"  {compared.source} {compared.operation} {compared.literal}: "
            f"{'true' if compared.holds else 'false'}, it is {_shown(compared.value)}"
        )


def _needs(state: PrerequisiteState) -> str:
    need = state.prerequisite
    place = {True: "in F&O", False: "not in F&O", None: "not asked for"}[state.in_fno]
    number = need.value or "without a number"
    became = _outcome(state.outcome, state.reason) if state.outcome else "not finished yet"
    return (
        f"{need.field} {number} in {need.entity_set}: {place}. "
        f"Template '{need.template}' brings it from {need.table} {need.row_id}: {became}"
    )


def _mapping(facts: TaskFacts) -> Iterator[str]:
    if facts.mapping is None:
        return
    if facts.mapped:
        yield f"becomes {facts.mapped.key}"
    elif facts.would_be:
        yield f"becomes no record: {_outcome(*facts.would_be)}"


def _print_fields(out: Console, facts: TaskFacts) -> None:
    """Print a table of the fields, and in one line those that have nothing on either side."""
    states = {state.field: state for state in facts.fno.fields}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("  Field", "Source", "In Sales", "Transforms", "For F&O", "In F&O", ""):
        table.add_column(title, overflow="fold")
    blank = []
    for field in facts.mapping.fields if facts.mapping else ():
        state = states.get(field.field)
        said = field.is_key or field.rejection or field.value is not None
        if not said and (state is None or state.comparison == "blank"):
            blank.append(field.field)
        else:
            table.add_row(*_field_cells(field, state, seen=bool(facts.fno.exists)))
    if table.row_count:
        out.print(table)
    if blank:
        _print_section(out, "", [f"blank: {', '.join(blank)}"])


def _field_cells(field: FieldTrace, state: FieldState | None, *, seen: bool) -> Iterator[str]:
    yield f"  {field.field}"
    yield field.source
    yield _shown(field.raw) if field.source else ""
    if field.rejection:
        yield f"{field.rejection} [{field.rejection.code}]"
        yield "rejected"
    else:
        yield "; ".join(step.what for step in field.steps)
        yield _shown(field.value)
    yield _shown(state.actual) if state and seen else ""
    yield "key" if field.is_key else _compared(state)


def _compared(state: FieldState | None) -> str:
    if state is None:
        return ""
    return f"{state.comparison}, would be sent" if state.sent else state.comparison


def _fno(facts: TaskFacts) -> Iterator[str]:
    state = facts.fno
    if state.problem:
        yield f"not asked: {state.problem}"
        return
    if state.key is None:
        yield "there is no key to look for"
    else:
        yield f"{state.key} is {'there' if state.exists else 'not there'}"
    for record in state.former:
        kept = {None: "gone", True: "there, marked as retired", False: "there, not marked"}
        yield f"former key {record.key}: {kept[record.retired]}"
    if facts.would_be is None:
        yield from _would_send(facts)
    elif facts.mapped:
        yield f"if it were processed now: {_outcome(*facts.would_be)}"


def _would_send(facts: TaskFacts) -> Iterator[str]:
    plan, forced = facts.fno.plan, facts.fno.forced
    sent = plan.operations if plan else ()
    for operation in sent:
        yield f"if it were processed now: {what_is_sent(operation)}"
    if not sent:
        yield "if it were processed now: nothing to send"
    if forced and forced.operations != sent:
        for operation in forced.operations:
            yield f"with --force: {what_is_sent(operation)}"


def _last(facts: TaskFacts) -> Iterator[str]:
    entry = facts.entry
    if entry.outcome is None and entry.claim is None:
        yield "nothing: the ledger has no outcome for it"
        return
    if entry.outcome:
        since = f", since {moment(entry.since)}" if entry.since else ""
        yield f"{_outcome(entry.outcome, entry.reason)}{since}"
        yield f"last looked at in execution {entry.execution}"
    if entry.answered_at:
        yield f"last answer of F&O to a write: {entry.answer}, at {moment(entry.answered_at)}"
    if entry.claim:
        held = f"{moment(entry.claim.claimed_at)} until {moment(entry.claim.deadline)}"
        yield f"claimed by worker {entry.claim.owner} from {held}"
    if entry.unsettled_until:
        yield f"not settled before {moment(entry.unsettled_until)}"
    for key in entry.keys:
        yield f"record it owns: {key}"


def _outcome(outcome: Outcome, reason: Reason | None) -> str:
    return f"{outcome.value}: {reason.text} [{reason.code}]" if reason else outcome.value


def _shown(value: object) -> str:
    """Write a value for people: text as it is, in one line and without control characters."""
    if is_blank(value):
        return "blank"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return moment(value)
    line = " ".join(str(value).split())
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
    )
