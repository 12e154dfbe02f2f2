"""Names of settings that several modules speak of, and the settings that are given."""

import os
from collections.abc import Mapping

STORAGE = "AzureWebJobsStorage"
TELEMETRY = "P2C_TELEMETRY"
SCHEDULE_PREFIX = "P2C_SCHEDULE_"


def given_settings(environ: Mapping[str, str] | None) -> dict[str, str]:
    """Return what is set in the process's environment, or in another; what is empty is not."""
    found = os.environ if environ is None else environ
    return {name: value for name, value in found.items() if value.strip()}
