"""What stands in front of a simulator: tokens, limits, latency, faults and counting.

The simulators behind it are plain functions from a request to an answer. Everything runs on one
event loop, so their state needs no locks.
"""

import asyncio
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from p2c.sandbox.control import Control
from p2c.sandbox.faults import Fault, Service
from p2c.sandbox.http import (
    Call,
    Receive,
    Reply,
    Scope,
    Send,
    html_reply,
    json_reply,
    read_call,
    reset_connection,
    send_reply,
    send_truncated,
)
from p2c.sandbox.state import State

_LATE = frozenset({"reset_after", "drop_part", "garbage", "truncate", "cut", "foreign_link"})


class Front:
    """The ASGI application of one service."""

    def __init__(self, service: Service, state: State) -> None:
        self.service: Service = service
        self._state = state
        self._control = Control(state)
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = await read_call(scope, receive)
        if call.path.startswith("/sandbox"):
            await send_reply(send, self._control.answer(call))
            return
        traffic = self._state.traffic[self.service]
        traffic.begin(call.method, call.url)
        traffic.cookies += "cookie" in call.headers
        status = 0
        try:
            fault = self._state.faults.hit(self.service, call, "request") or self._random_fault()
            reply = await self._before_cut(call, fault)
            if reply is None:
                await reset_connection(scope, receive)
            elif fault is not None and fault.effect == "truncate":
                await send_truncated(send, reply, scope, receive)
            else:
                status = reply.status
                reply.headers |= self._tracing_headers(call)
                await send_reply(send, reply)
        finally:
            traffic.end(status)

    async def stop(self) -> None:
        """Drop requests that were still to be carried out late."""
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _tracing_headers(self, call: Call) -> dict[str, str]:
        """What the real services send along: ids for support, allowances, and a sticky cookie."""
        request_id = str(uuid.uuid4())
        cookie = {"Set-Cookie": f"ARRAffinity={request_id[:8]};Path=/;HttpOnly"}
        if self.service == "fno":
            return {"ms-dyn-aid": request_id, **cookie}
        limits = self._state.limits[self.service]
        user = call.headers.get("authorization", "")
        left, seconds = limits.remaining(user, self._state.switches)
        return {
            "x-ms-service-request-id": request_id,
            "REQ_ID": request_id,
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(left),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{seconds:.2f}",
            "x-ms-dop-hint": "4",
            **cookie,
        }

    def _random_fault(self) -> Fault | None:
        switches, faults = self._state.switches, self._state.faults
        if faults.chance(switches.random_429_rate):
            return Fault(effect="status", status=429)
        if faults.chance(switches.random_502_rate):
            return Fault(effect="status", status=502, html=True)
        if faults.chance(switches.random_lost_reply_rate):
            return Fault(effect="reset_after")
        return None

    async def _before_cut(self, call: Call, fault: Fault | None) -> Reply | None:
        """The reply to a call; None when the connection is to be cut instead."""
        if fault is not None and fault.effect == "delay":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.effect == "status":
            return self._status_reply(fault)
        if fault is not None and fault.effect == "reset_before":
            return None
        if fault is not None and fault.effect == "late":
            task = asyncio.create_task(self._carry_out_late(call, fault.seconds))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return None
        if fault is not None and fault.effect == "partial":
            await self._admitted(call, fault.part)
            return None
        reply = await self._admitted(call)
        if fault is not None and fault.effect in _LATE:
            return _spoilt(reply, fault)
        return reply

    async def _carry_out_late(self, call: Call, seconds: float) -> None:
        generation = self._state.generation
        await asyncio.sleep(seconds)
        if generation == self._state.generation:
            await self._admitted(call)

    async def _admitted(self, call: Call, budget: int | None = None) -> Reply:
        simulator = self._state.simulator(self.service)
        user = call.headers.get("authorization", "")
        if not user.lower().startswith("bearer ") or not user[7:].strip():
            return simulator.unauthorized()
        switches = self._state.switches
        limited = (
            switches.dataverse_limits if self.service == "dataverse" else switches.fno_user_limits
        )
        limits = self._state.limits[self.service]
        excess = limits.excess(user, switches) if limited else None
        if excess is not None:
            return simulator.throttled(excess)
        if self.service == "fno" and 0 < switches.fno_capacity <= self._running:
            return simulator.busy(1)
        started = limits.begin(user)
        self._running += 1
        try:
            milliseconds = self._state.latency_of(self.service).request_ms
            if milliseconds:
                await asyncio.sleep(milliseconds / 1000)
            return await self._carried_out(call, budget)
        finally:
            self._running -= 1
            limits.end(user, started)

    async def _carried_out(self, call: Call, budget: int | None) -> Reply:
        """Carry out a call; of a batch only the first `budget` operations, unless None."""
        simulator = self._state.simulator(self.service)
        left = budget

        async def before(operation: Call) -> Reply | None:
            nonlocal left
            if left is not None:
                if left <= 0:
                    return html_reply(503, "503 - Service Unavailable")
                left -= 1
            return await self._before_operation(operation)

        if call.method == "POST" and call.path.endswith("/$batch"):
            self._state.traffic[self.service].methods["$batch"] += 1
            return await simulator.batch(call, before)
        return await before(call) or simulator.answer(call)

    async def _before_operation(self, call: Call) -> Reply | None:
        traffic = self._state.traffic[self.service]
        traffic.operations += 1
        traffic.methods[call.method] += 1
        milliseconds = self._state.latency_of(self.service).operation_ms
        if milliseconds:
            await asyncio.sleep(milliseconds / 1000)
        fault = self._state.faults.hit(self.service, call, "operation")
        if fault is None:
            return None
        if fault.effect == "infolog":
            return self._state.simulator(self.service).faulty(fault, call)
        if fault.effect == "delay":
            await asyncio.sleep(fault.seconds)
            return None
        return self._status_reply(fault)

    def _status_reply(self, fault: Fault) -> Reply:
        simulator = self._state.simulator(self.service)
        if fault.status == 401:
            reply = simulator.unauthorized()
        elif fault.html:
            reply = html_reply(fault.status, f"{fault.status} - Server error")
        elif fault.status == 429:
            reply = simulator.busy(fault.retry_after if isinstance(fault.retry_after, int) else 1)
        else:
            text = fault.text or "An unexpected error occurred."
            error = {"code": fault.code, "message": text}
            reply = json_reply(fault.status, {"error": error})
        if fault.retry_after == "absent":
            reply.headers.pop("Retry-After", None)
        elif fault.retry_after == "date":
            moment = datetime.now(UTC) + timedelta(seconds=fault.seconds)
            reply.headers["Retry-After"] = format_datetime(moment, usegmt=True)
        elif fault.retry_after is not None:
            reply.headers["Retry-After"] = str(fault.retry_after)
        return reply


def _spoilt(reply: Reply, fault: Fault) -> Reply | None:
    """What a fault makes of the answer to a request that was carried out."""
    if fault.effect == "reset_after":
        return None
    if fault.effect == "garbage":
        return Reply(200, b"\x00\x01 not what was expected", {"Content-Type": "text/plain"})
    if fault.effect == "cut":
        return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
    if fault.effect == "drop_part":
        return _without_part(reply, fault.part)
    if fault.effect == "foreign_link":
        return _with_foreign_link(reply, fault.host)
    return reply


def _without_part(reply: Reply, index: int) -> Reply:
    boundary = reply.headers["Content-Type"].partition("boundary=")[2].encode()
    head, *parts = reply.body.split(b"--" + boundary)
    kept = parts[:-1]
    del kept[index]
    body = (b"--" + boundary).join([head, *kept, parts[-1]])
    return Reply(reply.status, body, reply.headers)


def _with_foreign_link(reply: Reply, host: str) -> Reply:
    body = reply.body
    for name in (b'"@odata.nextLink":"', b'"@odata.deltaLink":"'):
        before, found, after = body.partition(name)
        if found:
            path = after.partition(b"://")[2].partition(b"/")[2]
            body = before + found + host.encode() + b"/" + path
    return Reply(reply.status, body, reply.headers)
