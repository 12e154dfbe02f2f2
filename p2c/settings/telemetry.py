"""Where telemetry goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from p2c.errors import SettingError
from p2c.settings.names import TELEMETRY, given_settings
from p2c.settings.problems import wrong

TelemetryChoice = Literal["off", "azure", "otlp", "console"]
_INSIGHTS = "APPLICATIONINSIGHTS_CONNECTION_STRING"


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
    given = given_settings(environ)
    found = given.get(TELEMETRY, "off")
    choice = next((known for known in get_args(TelemetryChoice) if known == found), None)
    if choice is None:
        raise SettingError(wrong(TELEMETRY, found))
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
