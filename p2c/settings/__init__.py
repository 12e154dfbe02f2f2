"""The app settings, read once and validated; nothing else looks at the environment.

What the values are used for is left to `p2c.bootstrap`.
"""

from p2c.settings.app_settings import (
    CLOCK_SKEW_SECONDS,
    DEFAULT_SETTLE_SECONDS,
    FNO_LONGEST_REQUEST_SECONDS,
    FUNCTION_TIMEOUT_SECONDS,
    FoundSettings,
    Settings,
    find_settings,
    load_settings,
    setting_names,
)
from p2c.settings.names import SCHEDULE_PREFIX, STORAGE, TELEMETRY
from p2c.settings.schedules import schedule_setting
from p2c.settings.storage import StorageSettings, load_storage_settings
from p2c.settings.telemetry import TelemetryChoice, TelemetrySettings, load_telemetry_settings
from p2c.settings.urls import is_this_machine

__all__ = [
    "CLOCK_SKEW_SECONDS",
    "DEFAULT_SETTLE_SECONDS",
    "FNO_LONGEST_REQUEST_SECONDS",
    "FUNCTION_TIMEOUT_SECONDS",
    "SCHEDULE_PREFIX",
    "STORAGE",
    "TELEMETRY",
    "FoundSettings",
    "Settings",
    "StorageSettings",
    "TelemetryChoice",
    "TelemetrySettings",
    "find_settings",
    "is_this_machine",
    "load_settings",
    "load_storage_settings",
    "load_telemetry_settings",
    "schedule_setting",
    "setting_names",
]
