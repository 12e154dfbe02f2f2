"""Log records: a short fixed message, with the particulars beside it. Ids only, never data."""

import logging

_LOGGER = logging.getLogger("p2c")
_NOISY = ("azure.core.pipeline.policies.http_logging_policy", "azure.identity")


def quiet_libraries() -> None:
    """Keep the Azure SDK from logging every request to storage, row ids included."""
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def log(
    level: int,
    message: str,
    *,
    action: str,
    template: str = "",
    task: str = "",
    row_id: str = "",
    execution_id: str = "",
    error: BaseException | None = None,
    **more: str | int | dict[str, int],
) -> None:
    """Write one record.

    Args:
        error: What went wrong: its code and text are recorded, its traceback only when p2c does
            not know the kind of error.
        more: Further particulars.
    """
    extra: dict[str, object] = {
        "action": action,
        "template": template,
        "task": task,
        "row_id": row_id,
        "execution_id": execution_id,
        **more,
    }
    unknown = None
    if error is not None:
        code = getattr(error, "code", None)
        extra["code"] = code or type(error).__name__
        extra["reason"] = getattr(error, "message", "")
        unknown = None if code else error
    _LOGGER.log(level, message, extra=extra, exc_info=unknown)
