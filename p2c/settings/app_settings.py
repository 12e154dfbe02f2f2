"""Every app setting of p2c, read once and validated."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from p2c.errors import SettingError
from p2c.settings.names import SCHEDULE_PREFIX, STORAGE, TELEMETRY, given_settings
from p2c.settings.problems import describe
from p2c.settings.schedules import schedule
from p2c.settings.storage import StorageSettings, check_storage, pick_storage
from p2c.settings.telemetry import TelemetryChoice
from p2c.settings.urls import is_this_machine, root_url

FUNCTION_TIMEOUT_SECONDS = 300
"""``functionTimeout`` of host.json: the longest that a claim's holder can live."""

FNO_LONGEST_REQUEST_SECONDS = 540
"""Assumed: the longest that F&O goes on with a request whose caller has given up."""

CLOCK_SKEW_SECONDS = 60
"""Assumed: the most by which the clocks of two instances differ."""

DEFAULT_SETTLE_SECONDS = FUNCTION_TIMEOUT_SECONDS + FNO_LONGEST_REQUEST_SECONDS + CLOCK_SKEW_SECONDS

# Read by tests and tools, not by the app.
_FOREIGN_PREFIXES = ("P2C_CONTRACT_", "P2C_TEST_", "P2C_SANDBOX_", "P2C_DEMO_")
# They lead nowhere, and contradict nothing that may be there.
_STAND_INS: Mapping[str, object] = {
    "P2C_DATAVERSE_URL": "http://127.0.0.1:9",
    "P2C_FNO_URL": "http://127.0.0.1:9",
    "P2C_LEGAL_ENTITY": "none",
    STORAGE: {STORAGE: "UseDevelopmentStorage=true"},
}


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


class Settings(BaseModel):
    """Every app setting of p2c. `load_settings` makes it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    dataverse_url: Annotated[str, AfterValidator(root_url)] = Field(alias="P2C_DATAVERSE_URL")
    """Root URL of the Dataverse environment, without ``/api/data``. Required. http is for
    loopback hosts only, because a bearer token is sent there."""

    fno_url: Annotated[str, AfterValidator(root_url)] = Field(alias="P2C_FNO_URL")
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

    schedules: Mapping[str, Annotated[str, AfterValidator(schedule)]] = Field(
        default_factory=dict, alias="P2C_SCHEDULE_<TEMPLATE>"
    )
    """When each template's timer fires: setting name, such as ``P2C_SCHEDULE_ACCOUNTS``, to an
    NCRONTAB expression of six fields, UTC. Read by the Functions host, which does not start
    without those of all templates; p2c only checks them."""

    storage: StorageSettings = Field(alias=STORAGE)
    """Azure Storage for queues and tables. Required; shared with the Functions host."""


def setting_names() -> list[str]:
    """Return the name of every setting, as documentation has to list them."""
    own = [field.alias for field in Settings.model_fields.values()]
    storage = [field.alias for field in StorageSettings.model_fields.values()]
    return sorted({name for name in own + storage if name is not None})


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
    given = given_settings(environ)
    own = _by_setting(given)
    problems: list[str] = []
    unusable: set[str] = set()
    try:
        settings = Settings.model_validate(own)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [describe(detail, setting_names()) for detail in details]
        unusable = {str(detail["loc"][0]) for detail in details}
        usable = {name: value for name, value in own.items() if name not in unusable}
        stand_ins = {name: value for name, value in _STAND_INS.items() if name not in usable}
        settings = Settings.model_validate(usable | stand_ins)
        given = given if STORAGE in usable else {}  # A stand-in would contradict it.
    for name, problem in _contradictions(settings, given):
        problems.append(problem)
        unusable.add(name)
    return FoundSettings(settings, tuple(problems), frozenset(unusable))


def _by_setting(given: Mapping[str, str]) -> dict[str, object]:
    """Pick p2c's settings; names that only start like them stay, so that a typo is found."""
    own: dict[str, object] = {}
    schedules: dict[str, str] = {}
    for name, value in given.items():
        if name.startswith(SCHEDULE_PREFIX):
            schedules[name] = value
        elif name.startswith("P2C_") and not name.startswith(_FOREIGN_PREFIXES):
            own[name] = value
    if storage := pick_storage(given):
        own[STORAGE] = storage
    return {**own, "P2C_SCHEDULE_<TEMPLATE>": schedules}


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
        check_storage(settings.storage, given)
    except SettingError as error:
        yield STORAGE, error.message
