"""What is said of a setting that is missing or wrong: what was found, expected, and what to do."""

from collections.abc import Iterable

from pydantic_core import ErrorDetails

from p2c.errors import cut
from p2c.settings.names import SCHEDULE_PREFIX, STORAGE, TELEMETRY
from p2c.settings.schedules import EXAMPLE_SCHEDULE

_SECRET = frozenset({STORAGE, "P2C_HASH_KEY"})
_URL_ADVICE = "Copy the environment's address from the browser, host only."
_ADVICE = {
    "P2C_DATAVERSE_URL": ("a root URL such as https://contoso.crm4.dynamics.com", _URL_ADVICE),
    "P2C_FNO_URL": ("a root URL such as https://contoso.operations.dynamics.com", _URL_ADVICE),
    "P2C_CREDENTIAL": (
        "default or sandbox",
        "Remove the setting for real services; use sandbox with the sandbox's URLs only.",
    ),
    "P2C_LEGAL_ENTITY": (
        "a dataAreaId such as usmf",
        "Take it from F&O's list of legal entities.",
    ),
    "P2C_PROJECTS": ("an existing folder of project files", "Mend the path or remove the setting."),
    "P2C_SETTLE_SECONDS": (
        "a whole number of seconds from 0",
        "Mend the number or remove the setting for the default of 900.",
    ),
    "P2C_HASH_KEY": (
        "at least 32 characters",
        "Use 'openssl rand -hex 32', or remove the setting.",
    ),
    TELEMETRY: (
        "off, azure, otlp or console",
        "Use azure in Azure, otlp with a collector, console to look at it; see docs/telemetry.md.",
    ),
    STORAGE: (
        (
            f"a connection string, or {STORAGE}__accountName, or {STORAGE}__queueServiceUri and "
            f"{STORAGE}__tableServiceUri"
        ),
        "Copy the connection string from the storage account's access keys, or use an identity.",
    ),
    f"{STORAGE}__accountName": (
        "a storage account's name, 3 to 24 lower-case letters and digits",
        "Copy it from the storage account's overview.",
    ),
    f"{STORAGE}__queueServiceUri": (
        "a URL such as https://contoso.queue.core.windows.net",
        "Copy it from the storage account's endpoints.",
    ),
    f"{STORAGE}__tableServiceUri": (
        "a URL such as https://contoso.table.core.windows.net",
        "Copy it from the storage account's endpoints.",
    ),
    f"{STORAGE}__credential": ("managedidentity", "Mend it, or remove it outside Azure."),
    SCHEDULE_PREFIX: (
        f"six NCRONTAB fields starting with seconds, such as '{EXAMPLE_SCHEDULE}'",
        "Mend the expression or remove the setting for the default.",
    ),
}


def missing(name: str) -> str:
    """Say that a setting is missing."""
    expected, advice = _expected(name)
    return f"{name}: found nothing; expected {expected}. {advice}"


def wrong(name: str, value: str, why: str = "") -> str:
    """Say that a setting's value is wrong; it is shown unless it may be secret."""
    expected, advice = _expected(name)
    found = _shown(name, value)
    return f"{name}: found {found}{f', and {why}' if why else ''}; expected {expected}. {advice}"


def describe(detail: ErrorDetails, known: Iterable[str] = ()) -> str:
    """Say what pydantic found.

    Args:
        known: The settings that there are.
    """
    name = str(detail["loc"][-1])
    if detail["type"] == "extra_forbidden":
        return (
            f"{name}: found this setting, which p2c does not know; expected one of "
            f"{', '.join(n for n in known if n.startswith('P2C_'))}. Mend its name or "
            "remove it."
        )
    if detail["type"] == "missing":
        return missing(name)
    return wrong(name, str(detail["input"]), str(detail.get("ctx", {}).get("error", "")))


def _expected(name: str) -> tuple[str, str]:
    return _ADVICE[SCHEDULE_PREFIX if name.startswith(SCHEDULE_PREFIX) else name]


def _shown(name: str, value: str) -> str:
    if name in _SECRET or "@" in value:
        return f"{len(value)} characters (not shown)"
    return f"'{cut(value)}'"
