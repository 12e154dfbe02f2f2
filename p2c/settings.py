"""The app settings, read once and validated; the only module that looks at the environment.

What the values are used for is left to `p2c.bootstrap`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from p2c.errors import SettingError, cut
from p2c.odata.urls import is_loopback

FUNCTION_TIMEOUT_SECONDS = 300
"""``functionTimeout`` of host.json: the longest that a claim's holder can live."""

FNO_LONGEST_REQUEST_SECONDS = 540
"""Assumed: the longest that F&O goes on with a request whose caller has given up."""

CLOCK_SKEW_SECONDS = 60
"""Assumed: the most by which the clocks of two instances differ."""

DEFAULT_SETTLE_SECONDS = FUNCTION_TIMEOUT_SECONDS + FNO_LONGEST_REQUEST_SECONDS + CLOCK_SKEW_SECONDS

_EXAMPLE_SCHEDULE = "0 */5 * * * *"
"""Every five minutes: a poll that finds nothing costs one request a task."""

STORAGE = "AzureWebJobsStorage"
TELEMETRY = "P2C_TELEMETRY"
TelemetryChoice = Literal["off", "azure", "otlp", "console"]
_INSIGHTS = "APPLICATIONINSIGHTS_CONNECTION_STRING"
SCHEDULE_PREFIX = "P2C_SCHEDULE_"
_STORAGE_SUFFIXES = (
    "accountName",
    "queueServiceUri",
    "tableServiceUri",
    "blobServiceUri",
    "credential",
    "clientId",
)
# Read by tests and tools, not by the app.
_FOREIGN_PREFIXES = ("P2C_CONTRACT_", "P2C_TEST_", "P2C_SANDBOX_", "P2C_DEMO_")
# They lead nowhere, and contradict nothing that may be there.
_STAND_INS: Mapping[str, object] = {
    "P2C_DATAVERSE_URL": "http://127.0.0.1:9",
    "P2C_FNO_URL": "http://127.0.0.1:9",
    "P2C_LEGAL_ENTITY": "none",
    STORAGE: {STORAGE: "UseDevelopmentStorage=true"},
}
_SECRET = frozenset({STORAGE, "P2C_HASH_KEY"})


def is_this_machine(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def _url(value: str) -> SplitResult:
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError as error:
        raise ValueError("it is not a URL") from error
    if url.scheme not in ("https", "http") or not url.hostname:
        raise ValueError("it does not start with https:// and a host")
    if url.username is not None or url.password is not None:
        raise ValueError("it carries a user name")
    return url


def _root_url(value: str) -> str:
    url = _url(value)
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("something follows the host")
    if url.scheme == "http" and not is_this_machine(value):
        raise ValueError("http is for this machine only")
    return value.rstrip("/")


def _storage_url(value: str) -> str:
    """Check a URL of a storage service; Azurite's have the account's name as their path."""
    url = _url(value)
    if url.scheme != "https":
        raise ValueError("tokens are sent over https only")
    if not is_this_machine(value):
        return _root_url(value)
    if url.query or url.fragment or not re.fullmatch(r"(/[a-z0-9]{3,24})?/?", url.path):
        raise ValueError("more than an account's name follows the host")
    return value.rstrip("/")


def _folder(value: Path) -> Path:
    if not value.is_dir():
        raise ValueError("there is no such folder")
    return value


def _legal_entity(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,4}", value):
        raise ValueError("it is not one to four letters or digits")
    return value


def _hash_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("it is too short to be safe")
    return value


def _connection_string(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    parts = dict(part.partition("=")[::2] for part in text.split(";") if part.strip())
    names = {name.strip().lower() for name, content in parts.items() if content}
    if "usedevelopmentstorage" in names:
        return value
    if {"accountname", "accountkey"} <= names or "sharedaccesssignature" in names:
        return value
    raise ValueError("it names no account with a key")


_SCHEDULE_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_SCHEDULE_NAMES = {
    4: ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    5: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}


def _schedule(value: str) -> str:
    """Check an NCRONTAB expression: the worker takes any text, the host then fails to start."""
    fields = value.split()
    if len(fields) != len(_SCHEDULE_RANGES):
        raise ValueError(f"it has {len(fields)} fields, not six")
    for index, found in enumerate(fields):
        if not all(_is_schedule_item(item, index) for item in found.split(",")):
            raise ValueError(f"its field {index + 1} is '{found}'")
    return value


def _is_schedule_item(item: str, index: int) -> bool:
    match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", item)
    if match is None:
        return False
    first, last, step = match.groups()
    if step is not None and int(step) == 0:
        return False
    if first == "*":
        return last is None
    low, high = _SCHEDULE_RANGES[index]
    numbers = [_schedule_number(text, index) for text in (first, last) if text is not None]
    return all(low <= number <= high for number in numbers) and numbers == sorted(numbers)


def _schedule_number(text: str, index: int) -> int:
    names = _SCHEDULE_NAMES.get(index, ())
    if text.lower() in names:
        return names.index(text.lower()) + _SCHEDULE_RANGES[index][0]
    return int(text) if text.isascii() and text.isdigit() else -1


class StorageSettings(BaseModel):
    """How to reach Azure Storage: by connection string, or by identity.

    The identity form is that of the Functions host, so that one set of settings serves both.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    connection_string: Annotated[SecretStr, AfterValidator(_connection_string)] | None = Field(
        None, alias=STORAGE
    )
    """Connection string with a key or a shared access signature. For development: the
    deployed app uses the identity form."""

    account_name: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")] | None = Field(
        None, alias=f"{STORAGE}__accountName"
    )
    """Name of the account in the public cloud; the identity form that needs no URLs."""

    queue_service_uri: Annotated[str, AfterValidator(_storage_url)] | None = Field(
        None, alias=f"{STORAGE}__queueServiceUri"
    )
    """Root URL of the queues, instead of the account's name. On this machine the account's name
    may follow the host, as it does in Azurite's URLs."""

    table_service_uri: Annotated[str, AfterValidator(_storage_url)] | None = Field(
        None, alias=f"{STORAGE}__tableServiceUri"
    )
    """Root URL of the tables, likewise."""

    blob_service_uri: str | None = Field(None, alias=f"{STORAGE}__blobServiceUri")
    """Root URL of the blobs, which only the Functions host uses."""

    credential: Literal["managedidentity"] | None = Field(None, alias=f"{STORAGE}__credential")
    """``managedidentity`` in Azure; without it, whatever DefaultAzureCredential finds."""

    client_id: str | None = Field(None, alias=f"{STORAGE}__clientId")
    """Client id of a user-assigned managed identity; without it, the system-assigned one."""

    @property
    def queue_url(self) -> str:
        """Root URL of the queues, or "" with a connection string."""
        return self.queue_service_uri or self._account_url("queue")

    @property
    def table_url(self) -> str:
        """Root URL of the tables, or "" with a connection string."""
        return self.table_service_uri or self._account_url("table")

    def _account_url(self, service: str) -> str:
        if self.account_name is None:
            return ""
        return f"https://{self.account_name}.{service}.core.windows.net"


class Settings(BaseModel):
    """Every app setting of p2c. `load_settings` makes it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    dataverse_url: Annotated[str, AfterValidator(_root_url)] = Field(alias="P2C_DATAVERSE_URL")
    """Root URL of the Dataverse environment, without ``/api/data``. Required. http is for
    loopback hosts only, because a bearer token is sent there."""

    fno_url: Annotated[str, AfterValidator(_root_url)] = Field(alias="P2C_FNO_URL")
    """Root URL of the F&O environment, without ``/data``. Required. http as above."""

    credential: Literal["default", "sandbox"] = Field("default", alias="P2C_CREDENTIAL")
    """``default``: azure-identity's DefaultAzureCredential, which finds a managed identity in
    Azure and a developer's sign-in elsewhere. ``sandbox``: the fixed token of the sandbox, for
    loopback hosts only. Default ``default``, so that a deployment needs no secret."""

    legal_entity: Annotated[str, AfterValidator(_legal_entity)] = Field(alias="P2C_LEGAL_ENTITY")
    """``dataAreaId`` of the legal entity that records are written to. Required: a guess would
    write into another company."""

    projects: Annotated[Path, AfterValidator(_folder)] | None = Field(None, alias="P2C_PROJECTS")
    """Folder of project files. Default none: every shipped template runs with its defaults."""

    settle_seconds: int = Field(DEFAULT_SETTLE_SECONDS, alias="P2C_SETTLE_SECONDS", ge=0)
    """Seconds after a row was claimed from which no request of that claim takes effect any more.
    Default 900: the deployed function timeout, the longest F&O is assumed to work on an abandoned
    request, and clock skew. Shorter settles rows sooner and risks a late write winning."""

    hash_key: Annotated[SecretStr, AfterValidator(_hash_key)] | None = Field(
        None, alias="P2C_HASH_KEY"
    )
    """Key of the field hashes in the ledger, at least 32 characters. Default none: one is made
    once and kept in storage. Set it to keep the key in a vault instead."""

    telemetry: TelemetryChoice = Field("off", alias=TELEMETRY)
    """Where spans, metrics and log records are sent: ``azure`` to Application Insights, ``otlp`` to
    an OpenTelemetry collector, ``console`` to standard error, ``off`` nowhere. Default ``off``,
    which costs nothing; `load_telemetry_settings` reads it for those who send."""

    schedules: Mapping[str, Annotated[str, AfterValidator(_schedule)]] = Field(
        default_factory=dict, alias="P2C_SCHEDULE_<TEMPLATE>"
    )
    """When each template's timer fires: setting name, such as ``P2C_SCHEDULE_ACCOUNTS``, to an
    NCRONTAB expression of six fields, UTC. Read by the Functions host, which does not start
    without those of all templates; p2c only checks them."""

    storage: StorageSettings = Field(alias=STORAGE)
    """Azure Storage for queues and tables. Required; shared with the Functions host."""


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
        f"six NCRONTAB fields starting with seconds, such as '{_EXAMPLE_SCHEDULE}'",
        "Mend the expression or remove the setting for the default.",
    ),
}


def setting_names() -> list[str]:
    """Return the name of every setting, as documentation has to list them."""
    own = [field.alias for field in Settings.model_fields.values()]
    storage = [field.alias for field in StorageSettings.model_fields.values()]
    return sorted({name for name in own + storage if name is not None})


def schedule_setting(template: str) -> str:
    """Return the name of the setting that says when a template's timer fires."""
    return f"{SCHEDULE_PREFIX}{template.upper().replace('-', '_')}"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and validate the app settings.

    An empty setting counts as absent.

    Args:
        environ: The process's environment when None.

    Raises:
        SettingError: Some settings are missing or wrong; the message has a line for each.
    """
    found = find_settings(environ)
    if found.problems:
        raise SettingError("\n".join(found.problems))
    return found.settings


@dataclass(frozen=True)
class FoundSettings:
    """The settings as far as they are right.

    Attributes:
        settings: In place of what is missing or wrong it has values that lead nowhere.
        problems: A sentence or two for each setting that is missing or wrong.
        unusable: Names of the settings that have no value of their own.
    """

    settings: Settings
    problems: tuple[str, ...]
    unusable: frozenset[str]


def find_settings(environ: Mapping[str, str] | None = None) -> FoundSettings:
    """Read the app settings and everything that is wrong with them; as `load_settings` reads."""
    given = {k: v for k, v in (os.environ if environ is None else environ).items() if v.strip()}
    own = _by_setting(given)
    problems: list[str] = []
    unusable: set[str] = set()
    try:
        settings = Settings.model_validate(own)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_problem(detail) for detail in details]
        unusable = {str(detail["loc"][0]) for detail in details}
        usable = {name: value for name, value in own.items() if name not in unusable}
        stand_ins = {name: value for name, value in _STAND_INS.items() if name not in usable}
        settings = Settings.model_validate(usable | stand_ins)
        given = given if STORAGE in usable else {}  # A stand-in would contradict it.
    for name, problem in _contradictions(settings, given):
        problems.append(problem)
        unusable.add(name)
    return FoundSettings(settings, tuple(problems), frozenset(unusable))


def load_storage_settings(environ: Mapping[str, str] | None = None) -> StorageSettings:
    """Read only how to reach storage, so that work can be put back when other settings are broken.

    Raises:
        SettingError: As `load_settings`.
    """
    given = {k: v for k, v in (os.environ if environ is None else environ).items() if v.strip()}
    found = _by_setting(given).get(STORAGE)
    if found is None:
        expected, advice = _ADVICE[STORAGE]
        raise SettingError(f"{STORAGE}: found nothing; expected {expected}. {advice}")
    try:
        storage = StorageSettings.model_validate(found)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False)]
        raise SettingError("\n".join(problems)) from None
    _check_storage(storage, given)
    return storage


@dataclass(frozen=True)
class TelemetrySettings:
    """Where telemetry goes, and what of OpenTelemetry's own settings p2c has to know.

    Attributes:
        service: Name of the app in traces: OTEL_SERVICE_NAME, the name of the function app, or p2c.
        sampled: OTEL_TRACES_SAMPLER says which traces are sent; without it, all are.
        connection_string: Application Insights', for ``azure`` only.
    """

    choice: TelemetryChoice
    service: str
    sampled: bool
    connection_string: str = field(repr=False)


def load_telemetry_settings(environ: Mapping[str, str] | None = None) -> TelemetrySettings:
    """Read only where telemetry goes, so that what is wrong with other settings can be told.

    Raises:
        SettingError: P2C_TELEMETRY is wrong, or Application Insights is not named.
    """
    given = {k: v for k, v in (os.environ if environ is None else environ).items() if v.strip()}
    found = given.get(TELEMETRY, "off")
    choice = next((known for known in get_args(TelemetryChoice) if known == found), None)
    if choice is None:
        expected, advice = _ADVICE[TELEMETRY]
        raise SettingError(f"{TELEMETRY}: found '{cut(found)}'; expected {expected}. {advice}")
    if choice == "azure" and _INSIGHTS not in given:
        raise SettingError(
            f"{_INSIGHTS}: found nothing; expected Application Insights' connection string, since "
            f"{TELEMETRY} is 'azure'. Copy it from its overview, or set {TELEMETRY} to off."
        )
    return TelemetrySettings(
        choice=choice,
        service=given.get("OTEL_SERVICE_NAME") or given.get("WEBSITE_SITE_NAME") or "p2c",
        sampled="OTEL_TRACES_SAMPLER" in given,
        connection_string=given.get(_INSIGHTS, ""),
    )


def _by_setting(given: Mapping[str, str]) -> dict[str, object]:
    """Pick p2c's settings; names that only start like them stay, so that a typo is found."""
    own: dict[str, object] = {}
    schedules: dict[str, str] = {}
    storage = {
        name: given[name]
        for name in (STORAGE, *(f"{STORAGE}__{suffix}" for suffix in _STORAGE_SUFFIXES))
        if name in given
    }
    for name, value in given.items():
        if name.startswith(SCHEDULE_PREFIX):
            schedules[name] = value
        elif name.startswith("P2C_") and not name.startswith(_FOREIGN_PREFIXES):
            own[name] = value
    if storage:
        own[STORAGE] = storage
    return {**own, "P2C_SCHEDULE_<TEMPLATE>": schedules}


def _problem(detail: ErrorDetails) -> str:
    name = str(detail["loc"][-1])
    if detail["type"] == "extra_forbidden":
        return (
            f"{name}: found this setting, which p2c does not know; expected one of "
            f"{', '.join(n for n in setting_names() if n.startswith('P2C_'))}. Mend its name or "
            "remove it."
        )
    expected, advice = _ADVICE[SCHEDULE_PREFIX if name.startswith(SCHEDULE_PREFIX) else name]
    if detail["type"] == "missing":
        return f"{name}: found nothing; expected {expected}. {advice}"
    why = str(detail.get("ctx", {}).get("error", ""))
    found = _shown(name, str(detail["input"]))
    return f"{name}: found {found}{f', and {why}' if why else ''}; expected {expected}. {advice}"


def _shown(name: str, value: str) -> str:
    if name in _SECRET or "@" in value:
        return f"{len(value)} characters (not shown)"
    return f"'{cut(value)}'"


def _contradictions(settings: Settings, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield settings that contradict each other: the one that is wrong, and the problem."""
    for name, url in (
        ("P2C_DATAVERSE_URL", settings.dataverse_url),
        ("P2C_FNO_URL", settings.fno_url),
    ):
        if settings.credential == "sandbox" and not is_this_machine(url):
            problem = (
                f"P2C_CREDENTIAL: found 'sandbox' with {name} '{url}'; expected a loopback host "
                "with it. Remove P2C_CREDENTIAL for real services."
            )
            yield "P2C_CREDENTIAL", problem
    try:
        _check_storage(settings.storage, given)
    except SettingError as error:
        yield STORAGE, error.message


def _check_storage(storage: StorageSettings, given: Mapping[str, str]) -> None:
    """Find that storage is named in two ways, or half.

    Raises:
        SettingError: It is.
    """
    by_identity = [name for name in given if name.startswith(f"{STORAGE}__")]
    if storage.connection_string is not None and by_identity:
        raise SettingError(
            f"{STORAGE}: found a connection string and also {by_identity[0]}; expected one form. "
            "Remove the connection string to use an identity."
        )
    if storage.connection_string is None and not (storage.queue_url and storage.table_url):
        missing = "queueServiceUri" if not storage.queue_url else "tableServiceUri"
        raise SettingError(
            f"{STORAGE}__{missing}: found nothing; expected it beside "
            f"{', '.join(sorted(by_identity))}. Set it, or {STORAGE}__accountName alone."
        )
