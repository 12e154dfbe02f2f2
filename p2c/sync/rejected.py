"""Rejected rows: listed with the reason, and retried with their newest state in Sales."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p2c.mapping.task import TaskMapping
from p2c.model import Outcome, RowId
from p2c.sync.enumerate_changes import cut_into_messages
from p2c.sync.executions import Executions
from p2c.sync.runtime import Runtime


@dataclass(frozen=True)
class RejectedRow:
    """A rejected row as `rejected list --json` prints it."""

    template: str
    task: str
    row: RowId
    key: str
    code: str
    reason: str
    since: str
    execution_id: str


def rejected_rows(runtime: Runtime, templates: Iterable[str] | None = None) -> list[RejectedRow]:
    """List the rejected rows of some templates, or of all, in the order of tasks and rows."""
    found = []
    for name in templates or runtime.templates:
        for task in runtime.template(name).tasks:
            for entry in runtime.ledger(task).entries(Outcome.REJECTED):
                reason = entry.reason
                found.append(
                    RejectedRow(
                        template=task.template,
                        task=task.task,
                        row=entry.row_id,
                        key=entry.record,
                        code=reason.code if reason else "",
                        reason=reason.text if reason else "",
                        since=entry.since.isoformat(timespec="seconds") if entry.since else "",
                        execution_id=entry.execution,
                    )
                )
    return found


def retry_rejected(runtime: Runtime, rows: Sequence[RejectedRow], *, trigger: str) -> str:
    """Queue rejected rows once more; each is read anew, so an old failure brings no old data.

    Returns:
        The execution that counts them.
    """
    executions = Executions(runtime)
    execution = executions.new_id()
    templates = list(dict.fromkeys(row.template for row in rows))
    executions.start(execution, trigger, templates)
    for template in templates:
        for task in runtime.template(template).tasks:
            chosen = [row.row for row in rows if (row.template, row.task) == (template, task.task)]
            _queue(runtime, task, chosen, execution)
            executions.update(execution, read={template: {task.task: len(chosen)}})
        executions.update(execution, enumerated=template)
    return execution


def _queue(runtime: Runtime, task: TaskMapping, rows: list[RowId], execution: str) -> None:
    queue = runtime.queue_of(task.template)
    for message in cut_into_messages(task, rows, execution):
        queue.send(message.model_dump_json())
