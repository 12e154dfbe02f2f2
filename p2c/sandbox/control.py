"""The control interface: ``/sandbox/…`` on both ports, without a token.

    POST   /sandbox/reset          {"data": "demo" | "empty", "demo": {"seed", "accounts", …}}
    GET    /sandbox/switches       PUT /sandbox/switches   {"fno_page_size": 100, …}
    GET    /sandbox/latency        PUT /sandbox/latency    {"fno": {"request_ms": 50, …}}
    GET    /sandbox/faults         POST /sandbox/faults    {"faults": [{"effect": …}, …]}
    DELETE /sandbox/faults
    GET    /sandbox/requests       DELETE /sandbox/requests
    GET    /sandbox/records/<set>  what is stored; both services' sets
    POST   /sandbox/expire-tokens  every delta token so far is expired

A PUT changes what it names and leaves the rest; ``{}`` changes nothing. Unknown names and wrong
values are answered with 400 and say what was expected.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from p2c.sandbox.dataverse.schema import TABLES
from p2c.sandbox.faults import FaultList
from p2c.sandbox.fno.schema import entities
from p2c.sandbox.http import Call, Reply, json_reply
from p2c.sandbox.state import State
from p2c.sandbox.switches import Latency, Start, Switches

M = TypeVar("M", bound=BaseModel)


class Control:
    """Answers control requests."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._routes: dict[tuple[str, str], Callable[[Any], object]] = {
            ("POST", "reset"): self.reset,
            ("GET", "switches"): lambda _: self._state.switches.model_dump(),
            ("PUT", "switches"): self.set_switches,
            ("GET", "latency"): lambda _: self._state.latency.model_dump(),
            ("PUT", "latency"): self.set_latency,
            ("GET", "faults"): lambda _: self._state.faults.report(),
            ("POST", "faults"): self.add_faults,
            ("DELETE", "faults"): lambda _: self._state.faults.clear(),
            ("GET", "requests"): lambda _: self.requests(),
            ("DELETE", "requests"): lambda _: self._state.reset_traffic(),
            ("POST", "expire-tokens"): lambda _: self._state.dataverse.store.expire_tokens(),
        }

    def answer(self, call: Call) -> Reply:
        """Carry out one control request."""
        name = call.path.removeprefix("/sandbox").strip("/")
        if call.method == "GET" and name.startswith("records/"):
            return self._records(name.partition("/")[2])
        action = self._routes.get((call.method, name))
        if action is None:
            known = ", ".join(f"{method} /sandbox/{path}" for method, path in self._routes)
            return json_reply(
                404, {"error": f"No such control. There are: {known}, GET /sandbox/records/<set>."}
            )
        try:
            body = json.loads(call.body or b"{}")
            return json_reply(200, action(body) or {})
        except (ValidationError, ValueError) as error:
            return json_reply(400, {"error": str(error)})

    def reset(self, body: Any) -> None:
        """Begin anew."""
        self._state.reset(Start.model_validate(body))

    def set_switches(self, body: Any) -> object:
        """Turn some switches."""
        self._state.set_switches(_changed(self._state.switches, Switches, body))
        return self._state.switches.model_dump()

    def set_latency(self, body: Any) -> object:
        """Set the latency of one or both services."""
        self._state.latency = _changed(self._state.latency, Latency, body)
        return self._state.latency.model_dump()

    def add_faults(self, body: Any) -> object:
        """Arm faults."""
        self._state.faults.add(FaultList.model_validate(body).faults)
        return self._state.faults.report()

    def requests(self) -> dict[str, object]:
        """The counters of both services."""
        return {name: traffic.report() for name, traffic in self._state.traffic.items()}

    def _records(self, name: str) -> Reply:
        if name in TABLES:
            return json_reply(200, {"value": self._state.dataverse.dump(name)})
        if name in entities():
            return json_reply(200, {"value": self._state.fno.dump(name)})
        known = ", ".join([*TABLES, *entities()])
        return json_reply(404, {"error": f"No set '{name}'. There are: {known}."})


def _changed(current: M, model: type[M], body: Any) -> M:
    if not isinstance(body, dict):
        raise ValueError("A JSON object is expected.")  # noqa: TRY004 - answered as bad input
    return model.model_validate({**current.model_dump(), **body})
