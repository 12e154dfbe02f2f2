"""Chooses where telemetry goes."""

from p2c.errors import SettingError, cut
from p2c.settings import TelemetrySettings
from p2c.telemetry import SILENT, Telemetry


def start_telemetry(settings: TelemetrySettings) -> Telemetry:
    """Begin to send telemetry where the settings say; once a process.

    Raises:
        SettingError: It cannot be sent there.
    """
    if settings.choice == "off":
        return SILENT
    # Imported here because it takes a tenth of a second, and nothing of it when telemetry is off.
    from p2c.telemetry import sdk  # noqa: PLC0415

    try:
        if settings.choice == "azure":
            return sdk.to_azure_monitor(
                settings.connection_string, settings.service, sampled=settings.sampled
            )
        send = sdk.to_otlp if settings.choice == "otlp" else sdk.to_console
        return send(settings.service, sampled=settings.sampled)
    except Exception as error:  # whatever a library makes of its settings, p2c can work without it
        raise SettingError(
            f"P2C_TELEMETRY: found '{settings.choice}', and OpenTelemetry does not take its "
            f"settings ({cut(str(error))}); expected those in docs/telemetry.md. Mend "
            "APPLICATIONINSIGHTS_CONNECTION_STRING or OTEL_*, or set P2C_TELEMETRY to off."
        ) from error
