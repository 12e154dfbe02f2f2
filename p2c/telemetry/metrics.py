"""Every metric of p2c: its name, unit, attributes and meaning. docs/telemetry.md lists them.

Attributes are few-valued, for each combination of them is stored by itself.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        kind: A counter adds up what happened; a gauge says what was found at a moment.
        unit: In the UCUM notation of OpenTelemetry: ``s``, or a thing counted in braces.
        attributes: What each value is given by.
    """

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    attributes: tuple[str, ...]
    description: str


ROWS = Metric(
    "p2c.rows",
    "counter",
    "{row}",
    ("template", "task", "outcome", "previous", "code"),
    "Rows that came to an outcome. 'previous' is the outcome that the same execution had counted "
    "for the row before, 'none' for none, so that an execution's count of an outcome is the rows "
    "with it less those that had it. 'code' is the reason's, '' without one.",
)
REQUESTS = Metric(
    "p2c.requests",
    "counter",
    "{request}",
    ("service", "status"),
    "HTTP requests to Dataverse and F&O, retries and metadata included. 'status' is the answer's, "
    "'none' when there was none.",
)
OPERATIONS = Metric(
    "p2c.operations",
    "counter",
    "{operation}",
    ("service",),
    "Parts of batches, and requests of their own.",
)
THROTTLED = Metric(
    "p2c.throttled",
    "counter",
    "{answer}",
    ("service", "of"),
    "Answers with 429: to a 'request' as a whole, or to an 'operation' in a batch.",
)
BACKOFF = Metric(
    "p2c.backoff",
    "counter",
    "s",
    ("service", "cause"),
    "Seconds for which a service is left alone by all instances, because it was 'throttled' or "
    "because of an 'outage'. What overlaps counts once.",
)
EXECUTIONS = Metric(
    "p2c.executions",
    "counter",
    "{execution}",
    ("template", "status"),
    "Executions that ended: Completed, Warning or Error. A timer that found nothing to do counts "
    "as Completed.",
)
FRESHNESS = Metric(
    "p2c.freshness",
    "gauge",
    "s",
    ("template", "task"),
    "How long ago the task's changes had been read to their end when its timer fired.",
)
WAITING = Metric(
    "p2c.waiting",
    "gauge",
    "{row}",
    ("template",),
    "Rows that wait for another record.",
)
REJECTED = Metric(
    "p2c.rejected",
    "gauge",
    "{row}",
    ("template",),
    "Rows that are rejected and not retried yet; counted once an hour at most.",
)
QUEUE_AGE = Metric(
    "p2c.queue.age",
    "gauge",
    "s",
    ("template", "queue"),
    "For how long the oldest message that is due has been due. 'queue' is 'work' or 'poison'.",
)
QUEUE_LENGTH = Metric(
    "p2c.queue.length",
    "gauge",
    "{message}",
    ("template", "queue"),
    "Messages on the queue, those included that are worked on or due later.",
)

METRICS = (
    ROWS,
    REQUESTS,
    OPERATIONS,
    THROTTLED,
    BACKOFF,
    EXECUTIONS,
    FRESHNESS,
    WAITING,
    REJECTED,
    QUEUE_AGE,
    QUEUE_LENGTH,
)
