"""Log records: a short fixed message, with the particulars beside it. Ids only, never data."""

import logging
from collections.abc import Mapping

from p2c.errors import P2cError
from p2c.functions.unforeseen import UnforeseenError, kind_and_place
from p2c.model import Outcome
from p2c.sync.executions import ExecutionSummary

_LOGGER = logging.getLogger("p2c")
_NOISY = ("azure.core.pipeline.policies.http_logging_policy", "azure.identity")


def quiet_libraries() -> None:
    """Keep the Azure SDK from logging every request to storage, row ids included."""
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_ended(template: str, summary: ExecutionSummary) -> None:
    """Write what an execution came to."""
    execution, total = summary.execution, dict.fromkeys(Outcome, 0)
    for tasks in summary.counts.values():
        for found in tasks.values():
            for outcome, number in found.items():
                total[outcome] += number
    levels = {"Completed": logging.INFO, "Warning": logging.WARNING}
    log(
        levels.get(summary.status, logging.ERROR),
        "An execution has ended",
        action="execution",
        template=template,
        execution_id=execution.execution_id,
        trigger=execution.trigger,
        status=summary.status,
        code=execution.error_code,
        started_at=execution.started_at.isoformat(timespec="seconds"),
        outcomes=total,
    )


def log(
    level: int,
    message: str,
    *,
    action: str,
    template: str = "",
    task: str = "",
    execution_id: str = "",
    error: BaseException | None = None,
    outcomes: Mapping[Outcome, int] | None = None,
    **more: str | int,
) -> None:
    """Write one record.

    Args:
        error: What went wrong: its code and text are recorded; of an error that p2c does not know
            its kind and place.
        outcomes: Numbers of rows, recorded as ``rows_created`` and so on, for a record's own
            ``created`` is its time.
        more: Further particulars.
    """
    extra: dict[str, object] = {
        "action": action,
        "template": template,
        "task": task,
        "row_id": "",
        "execution_id": execution_id,
        **{f"rows_{outcome.value}": number for outcome, number in (outcomes or {}).items()},
        **more,
    }
    if isinstance(error, P2cError):
        extra |= {"code": error.code, "reason": error.log_text}
    elif error is not None:
        extra |= {"code": UnforeseenError.code, "reason": kind_and_place(error)}
    _LOGGER.log(level, message, extra=extra)
