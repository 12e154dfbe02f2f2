"""What p2c tells of its work while it works: spans, metrics and log records.

`Telemetry` is the port that everything else uses, `SILENT` what it is when telemetry is off, and
`p2c.telemetry.metrics` names what is measured. `p2c.telemetry.sdk` is OpenTelemetry behind the
port, imported only where telemetry is switched on.
"""

from p2c.telemetry.port import SILENT, Attributes, Kind, Span, Telemetry

__all__ = ["SILENT", "Attributes", "Kind", "Span", "Telemetry"]
