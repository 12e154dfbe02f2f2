"""Puts what was found out about a row into sentences: what became of it, and what comes next. Pure.

The sentences name ids, numbers, codes and times, and what a person can do.
"""

from datetime import datetime

from p2c.model import Create, Operation, Outcome, Reason
from p2c.sync.explanation import PrerequisiteState, TaskFacts

_AT = "%Y-%m-%d %H:%M:%S UTC"


def summary(facts: TaskFacts) -> str:
    """Say in one sentence what became of a row in a task."""
    entry, template = facts.entry, f"'{facts.task.template}'"
    who = row_name(facts)
    if facts.is_claimed and entry.claim:
        return f"{who} is being worked on by {template} since {moment(entry.claim.claimed_at)}."
    if entry.outcome is None:
        if entry.version:
            return f"{who} was taken up by {template} and not finished yet."
        return f"{who} was never looked at by {template}."
    return f"{who} {_became(facts, template)}.{_since(facts)}"


def next_sentence(facts: TaskFacts) -> str:
    """Say what comes next by itself, or what a person has to do for something to come."""
    entry = facts.entry
    if facts.sales_problem:
        return f"{facts.sales_problem}. Ask again then: what comes next depends on the row."
    if entry.claim:
        return _claimed(facts)
    if entry.outcome is None:
        return _first_time(facts)
    if (facts.row is None) != (entry.outcome is Outcome.DELETED):
        change = "It is in Sales again." if facts.row else "It is no longer in Sales."
        return f"{change} {_at_the_next_poll(facts)}"
    if facts.has_changed:
        return f"It has changed in Sales since p2c read it. {_at_the_next_poll(facts)}"
    return _by_outcome(facts)


def row_name(facts: TaskFacts) -> str:
    """Name a row by its table and its number, or by its id where it has none."""
    return f"{facts.task.query.table.capitalize()} {facts.number or facts.row_id}"


def moment(time: datetime) -> str:
    """Write a time for people."""
    return f"{time:{_AT}}"


def what_is_sent(operation: Operation) -> str:
    """Say what an operation does to which record."""
    fields = ", ".join(operation.values)
    if isinstance(operation, Create):
        return f"create {operation.key} with {fields}"
    return f"update {operation.key}: {fields}"


def _became(facts: TaskFacts, template: str) -> str:
    entry = facts.entry
    record = entry.record or "its record"
    match entry.outcome:
        case Outcome.CREATED | Outcome.UPDATED:
            return f"was {entry.outcome.value} in F&O as {record} by {template}"
        case Outcome.UNCHANGED:
            return f"is in F&O as {record}; {template} found nothing to change"
        case Outcome.SKIPPED:
            became = f"was left out of {template}"
        case Outcome.WAITING:
            became = f"waits in {template}"
        case Outcome.REJECTED:
            became = f"was rejected by {template}"
        case _:
            became = f"was found deleted by {template}"
    return f"{became}: {_why(entry.reason)}"


def _why(reason: Reason | None) -> str:
    return f"{reason.text.rstrip('.')} [{reason.code}]" if reason else "no reason was recorded"


def _since(facts: TaskFacts) -> str:
    return " It has changed in Sales since." if facts.has_changed else ""


def _claimed(facts: TaskFacts) -> str:
    claim = facts.entry.claim
    assert claim is not None
    if facts.is_claimed:
        return (
            f"A worker has it until {moment(claim.deadline)} at the latest, unless it asks for "
            "longer. Whoever else is to look at the row comes back then. Ask again in a minute."
        )
    return (
        f"Its worker stopped before it was done; its claim ran out at {moment(claim.deadline)}. "
        "The message that names the row comes again by itself (deployed functions, or the next "
        "'run'), F&O is looked at then, and the row is verified later."
    )


def _first_time(facts: TaskFacts) -> str:
    template, checkpoint = facts.task.template, facts.checkpoint
    if facts.entry.version:
        return f"It was put back on the queue and comes again by itself.{_left_alone(facts)}"
    if facts.question:
        return facts.question
    if checkpoint.full_read:
        return (
            f"A full read is under way in execution {checkpoint.full_read.execution}; it names "
            "every row, this one too."
        )
    if checkpoint.polled_at is None:
        return f"'{template}' was never polled. Its timer, or 'run {template}', reads every row."
    return (
        f"It comes at the next poll if it was made after the last one, which was at "
        f"{moment(checkpoint.polled_at)}, or is on the queue already. Otherwise: "
        f"'resync {template} {facts.row_id}'."
    )


def _at_the_next_poll(facts: TaskFacts) -> str:
    template, checkpoint = facts.task.template, facts.checkpoint
    if facts.question:
        return facts.question
    if checkpoint.polled_at is None:
        return f"Its timer, or 'run {template}', brings that."
    return (
        f"That comes at the next poll of '{template}', by its timer or by 'run {template}'; the "
        f"last one was at {moment(checkpoint.polled_at)}. It may be on the queue already."
    )


def _by_outcome(facts: TaskFacts) -> str:
    match facts.entry.outcome:
        case Outcome.WAITING:
            return _waiting(facts)
        case Outcome.REJECTED:
            return _rejected(facts)
        case Outcome.SKIPPED:
            return _skipped(facts)
        case Outcome.DELETED:
            return "Nothing. Should the row be restored in Sales, it comes by itself."
        case _:
            return _written(facts)


def _waiting(facts: TaskFacts) -> str:
    entry = facts.entry
    verified = (
        f" F&O is looked at again after {moment(entry.unsettled_until)}; the message for it is on "
        "the queue. With the commands alone, the next 'run' after that time does it."
        if entry.unsettled_until
        else ""
    )
    if entry.reason and entry.reason.code == "verification-pending":
        return verified.strip()
    missing = _missing(facts)
    if missing is None and entry.waits_for is None:
        return f"It comes again by itself; nothing has to be done.{_left_alone(facts)}{verified}"
    if missing is None:
        return (
            f"What it waits for is there now. The next timer or 'run {facts.task.template}' sends "
            f"it{_asked_again(facts)}; 'resync {facts.task.template} {facts.row_id}' does so at "
            "once."
        )
    return f"{_brings(missing)}{_looked_at_again(facts)}{_left_alone(facts)}"


def _missing(facts: TaskFacts) -> PrerequisiteState | None:
    return next((state for state in facts.prerequisites if state.in_fno is not True), None)


def _brings(state: PrerequisiteState) -> str:
    need = state.prerequisite
    row = f"{need.table} {need.row_id}"
    if not need.value:
        return (
            f"It goes on by itself once {row} has a number and template '{need.template}' has "
            f"brought it. Give it a number in Sales."
        )
    if state.outcome is None:
        became = f"'{need.template}' has not finished that row yet"
    elif state.reason:
        became = f"there that row is {state.outcome.value}: {_why(state.reason)}"
    else:
        became = f"there that row is {state.outcome.value}"
    return (
        f"It goes on by itself once template '{need.template}' has brought {row} "
        f"({need.field} {need.value}); {became}. See 'explain {need.row_id}'."
    )


def _asked_again(facts: TaskFacts) -> str:
    later = facts.asked_again_at is not None and facts.asked_again_at > facts.now
    return f" after {moment(facts.asked_again_at)}" if later and facts.asked_again_at else ""


def _looked_at_again(facts: TaskFacts) -> str:
    if facts.asked_again_at is None:
        return ""
    return (
        f" Should that happen in another way, the next timer or 'run'{_asked_again(facts)} "
        "finds out."
    )


def _rejected(facts: TaskFacts) -> str:
    retry = f"'rejected retry {facts.row_id}'"
    reason = facts.entry.reason
    by_fno = reason is not None and reason.code == facts.entry.answer
    if facts.would_be is None and facts.fno.plan and not by_fno:
        return f"Nothing keeps the row as it is now from being sent: {retry} does that."
    return (
        f"Mend what the reason names. After a change of the row in Sales it comes by itself; after "
        f"a change anywhere else (F&O, a project): {retry}."
    )


def _skipped(facts: TaskFacts) -> str:
    if facts.would_be is None or facts.would_be[0] is not Outcome.SKIPPED:
        return f"It would not be left out now. {_changed_elsewhere(facts)}"
    return "Nothing, until the row changes in Sales; it is looked at again then."


def _written(facts: TaskFacts) -> str:
    template, row = facts.task.template, facts.row_id
    if facts.fno.problem:
        return f"{facts.fno.problem}; whether F&O holds what Sales says is not known."
    if facts.would_be is not None:
        outcome, reason = facts.would_be
        return f"It would be {outcome.value} now: {_why(reason)}. {_changed_elsewhere(facts)}"
    if facts.fno.plan and facts.fno.plan.operations:
        return f"F&O does not hold what Sales says now. {_changed_elsewhere(facts)}"
    if facts.fno.forced and facts.fno.forced.operations:
        return (
            "Nothing by itself. F&O holds other values than p2c wrote; each stays until the same "
            f"field changes in Sales. 'resync {template} {row} --force' overwrites them."
        )
    return "Nothing: F&O holds what Sales says."


def _changed_elsewhere(facts: TaskFacts) -> str:
    """Say what else has changed of a row that has not, and what brings it."""
    template = facts.task.template
    resync = f"'resync {template} {facts.row_id}'"
    if facts.template_has_changed:
        return (
            f"The template or its project has changed. {resync} brings this row, "
            f"'run {template} --all-data' all of them."
        )
    return (
        "A row it refers to, or the record it needs, has changed. Where p2c reads that row's "
        f"table, its change brings this row by itself; {resync} does so at once."
    )


def _left_alone(facts: TaskFacts) -> str:
    return "".join(
        f" {'F&O' if service == 'fno' else 'Sales'} is left alone until {moment(until)}."
        for service, until in facts.left_alone.items()
    )
