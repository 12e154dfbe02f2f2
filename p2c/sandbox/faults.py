"""Faults on demand: what goes wrong, for which calls, how often.

A fault is matched when a request arrives (or, at level ``operation``, when one operation of a batch
or a single request is carried out) and is used up as its `count` says.
"""

import random
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from p2c.sandbox.http import Call

Service = Literal["dataverse", "fno"]

Effect = Literal[
    "status",
    "reset_before",
    "reset_after",
    "late",
    "delay",
    "drop_part",
    "garbage",
    "truncate",
    "cut",
    "foreign_link",
    "partial",
    "infolog",
]


class Fault(BaseModel):
    """One fault. Of several that match, the one that was added first applies.

    Effects:
        status: Answer `status` and carry nothing out; an HTML page when `html`, otherwise an error
            with `code` and `text`.
        reset_before, reset_after: Reset the connection before or after carrying the request out
            (the latter is a lost reply).
        late: Reset the connection now, carry the request out after `seconds`.
        delay: Carry the request out, and answer, after `seconds`.
        drop_part: Leave part number `part` (from 0, negative from the end) out of the answer to a
            batch; it is carried out.
        garbage: Answer 200 with a body that is neither JSON nor multipart, after carrying out.
        truncate: Break the connection off halfway through the answer.
        cut: Send only half of the answer, as if it were all of it.
        foreign_link: Point ``@odata.nextLink`` and ``@odata.deltaLink`` at another host.
        partial: Carry out only the first `part` operations of a batch, then reset the connection.
        infolog: (F&O, level operation) Refuse with `text`, or with an update conflict or deadlock
            when `text` is ``conflict`` (also when it is empty) or ``deadlock``. In Dataverse, a
            plug-in's refusal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    effect: Effect
    level: Literal["request", "operation"] = "request"
    service: Service | None = None
    method: str | None = None
    path: str = ""
    """Part of the decoded path and query."""
    body: str = ""
    """Part of the request body."""
    nth: int = Field(1, ge=1)
    """The first matching call that is hit, from 1."""
    count: int | None = Field(1, ge=1)
    """How many calls are hit; None for all."""
    probability: float = Field(1, ge=0, le=1)
    status: int = Field(503, ge=400, le=599)
    retry_after: int | Literal["date", "absent"] | None = None
    """Seconds, an HTTP date some seconds ahead (`seconds`), or no header. None: as usual."""
    html: bool = False
    code: str = ""
    seconds: float = Field(0, ge=0)
    part: int = -1
    text: str = ""
    host: str = "https://attacker.example"


class FaultList(BaseModel):
    """The body of ``POST /sandbox/faults``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    faults: list[Fault]


@dataclass(slots=True)
class _Armed:
    fault: Fault
    matched: int = 0
    hit: int = 0


class Faults:
    """The faults that are armed now."""

    def __init__(self, seed: int = 7) -> None:
        self._armed: list[_Armed] = []
        self._random = random.Random(seed)  # noqa: S311 - repeatable faults, no secrets

    def add(self, faults: list[Fault]) -> None:
        """Arm more faults."""
        self._armed += [_Armed(fault) for fault in faults]

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def chance(self, rate: float) -> bool:
        """Whether an event of this probability happens now."""
        return rate > 0 and self._random.random() < rate

    def hit(self, service: Service, call: Call, level: str) -> Fault | None:
        """The fault that befalls this call, if any; uses it up."""
        for armed in self._armed:
            if armed.fault.level == level and self._matches(armed.fault, service, call):
                armed.matched += 1
                if self._applies(armed):
                    armed.hit += 1
                    return armed.fault
        return None

    def report(self) -> list[dict[str, object]]:
        """Each fault with how often it matched and hit."""
        return [
            {
                **armed.fault.model_dump(exclude_defaults=True),
                "matched": armed.matched,
                "hit": armed.hit,
            }
            for armed in self._armed
        ]

    def _applies(self, armed: _Armed) -> bool:
        fault = armed.fault
        if armed.matched < fault.nth or (fault.count is not None and armed.hit >= fault.count):
            return False
        return fault.probability >= 1 or self.chance(fault.probability)

    @staticmethod
    def _matches(fault: Fault, service: Service, call: Call) -> bool:
        return (
            fault.service in {None, service}
            and (fault.method is None or fault.method.upper() == call.method)
            and (not fault.path or fault.path in unquote(call.url))
            and (not fault.body or fault.body.encode() in call.body)
        )
