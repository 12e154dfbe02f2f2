"""What a use case is given to work with: ports, mappings and the few numbers that bound it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from p2c.errors import RequestError
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.sync.ledger import Ledger
from p2c.sync.messages import Message, write_message
from p2c.sync.ports import Clock, Destination, Documents, Outbox, Source
from p2c.telemetry import SILENT, Telemetry

CLAIM_SECONDS = 30.0
"""How long a claim holds unless renewed; a killed worker's rows are free again after this."""
SEND_SECONDS = 240.0
"""After a claim nothing may be sent later than this: under the deployed function timeout of
300 s, so that a request's latest effect is bounded by the settle time."""


@dataclass(frozen=True)
class Stores:
    """The tables p2c keeps.

    Attributes:
        ledger: Entries and tallies.
        waiting: Index of waiting rows by what they wait for.
        state: Checkpoints, back-off and limiter.
        executions: Executions by day.
    """

    ledger: Documents
    waiting: Documents
    state: Documents
    executions: Documents


@dataclass(frozen=True)
class Runtime:
    """Everything the use cases share within a process.

    Attributes:
        queue_of: Template name to its queue.
        hash_key: Key of the field hashes.
        settle_seconds: A request takes effect at the latest this long after its row was claimed.
        owner: Unique name of this process, for claims.
        execution: Execution that counts everything this process does besides the messages' own;
            "" for none. The `run` command sets it.
        telemetry: Told of what the use cases do.
    """

    source: Source
    destination: Destination
    stores: Stores
    queue_of: Callable[[str], Outbox]
    clock: Clock
    templates: Mapping[str, CompiledTemplate]
    hash_key: bytes
    settle_seconds: int
    owner: str
    execution: str = ""
    claim_seconds: float = CLAIM_SECONDS
    send_seconds: float = SEND_SECONDS
    telemetry: Telemetry = SILENT
    _ledgers: dict[tuple[str, str], Ledger] = field(default_factory=dict)

    def task(self, template: str, task: str) -> TaskMapping:
        """Find a task by the names a message carries."""
        for candidate in self.template(template).tasks:
            if candidate.task == task:
                return candidate
        known = ", ".join(f"'{found.task}'" for found in self.template(template).tasks)
        raise RequestError(
            f"Template '{template}' has no task '{task}'; it has {known}. "
            "The message is from another version of the template: start a resync.",
            code="task-unknown",
        )

    def template(self, name: str) -> CompiledTemplate:
        """Find a template by its file name."""
        try:
            return self.templates[name]
        except KeyError:
            raise RequestError(
                f"There is no template '{name}'; there are: {', '.join(self.templates)}.",
                code="template-unknown",
            ) from None

    def send(self, message: Message, *, delay_seconds: float = 0) -> None:
        """Put a message on its template's queue, with what telemetry has to know of it.

        A message that comes again belongs to the work that sent it first.

        Raises:
            As `p2c.sync.ports.Outbox.send`.
        """
        if self.telemetry.on:
            due = self.clock.now() + timedelta(seconds=delay_seconds)
            trace = message.trace or self.telemetry.traceparent()
            update = {"trace": trace, "due": due.isoformat(timespec="seconds")}
            message = message.model_copy(update=update)
        queue = self.queue_of(message.template)
        queue.send(write_message(message), delay_seconds=delay_seconds)

    def ledger(self, task: TaskMapping) -> Ledger:
        """The ledger of a task."""
        found = self._ledgers.get((task.template, task.task))
        if found is None:
            found = Ledger(self.stores.ledger, task.template, task.task, self.telemetry)
            self._ledgers[task.template, task.task] = found
        return found
