"""A worker process: the production worker's library, spoken to by lines of JSON.

``python -m tests.host.worker <folder of function_app.py>`` reads requests from standard input and
answers on standard output; log records of the app go there too. It ends when its input does. The
library keeps functions in a module, so a process serves one app.

First line out: ``{"functions": [{name, id, bindings, retry}]}`` or ``{"failure": …}``. Then for
each ``{"call", "function", "input", "metadata"}`` an answer ``{"call", "ok"}`` with ``output`` or
``failure``, in whatever order they end. Values are ``{"string": …}``, ``{"json": …}`` or
``{"http": …}``; bodies of HTTP are base64.
"""

import asyncio
import base64
import json
import logging
import os
import sys
import threading

from tools.functions_worker import library, protos

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class Channel:
    """Standard output, for answers only; what the app prints goes to standard error."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def send(self, message):
        line = json.dumps(message)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()


class ForwardLogs(logging.Handler):
    """Hands the app's records over, with what they carry beside the text."""

    def __init__(self, channel):
        super().__init__()
        self._channel = channel

    def emit(self, record):
        extra = {k: v for k, v in record.__dict__.items() if k not in _PLAIN}
        log = {
            "logger": record.name,
            "level": record.levelname,
            "message": record.getMessage(),
            "extra": json.loads(json.dumps(extra, default=str)),
            "traceback": bool(record.exc_info),
        }
        self._channel.send({"log": log})


def _typed(value):
    ((kind, content),) = value.items()
    if kind != "http":
        return protos.TypedData(**{kind: content})
    body = base64.b64decode(content["body"])
    return protos.TypedData(
        http=protos.RpcHttp(
            method=content["method"],
            url=content["url"],
            headers=content["headers"],
            params=content["params"],
            query=content["query"],
            body=protos.TypedData(bytes=body) if body else protos.TypedData(),
        )
    )


def _plain(typed):
    if typed is None:
        return None
    kind = typed.WhichOneof("data")
    content = getattr(typed, kind)
    if kind != "http":
        return {kind: content}
    return {
        "http": {
            "status": int(content.status_code),
            "headers": content.headers,
            "body": base64.b64encode(content.body.bytes or b"").decode(),
        }
    }


async def _invoke(channel, call):
    response = await library.invoke(
        call["call"],
        call["function"],
        {name: _typed(value) for name, value in call["input"].items()},
        {name: _typed(value) for name, value in call["metadata"].items()},
        traceparent=call["traceparent"],
    )
    ok = response.result.status == protos.StatusResult.Success
    answer = {"call": call["call"], "ok": ok}
    if ok:
        answer["output"] = _plain(response.return_value)
    else:
        answer["failure"] = response.result.exception.message
    channel.send(answer)


async def _start(channel, folder):
    try:
        found = await library.index(folder)
    except library.IndexingError as error:
        channel.send({"failure": str(error)})
        return False
    functions = [
        {
            "name": function.name,
            "id": function.function_id,
            "bindings": [json.loads(binding) for binding in function.raw_bindings],
            "retry": vars(function.retry_options) if function.retry_options else None,
        }
        for function in found
    ]
    channel.send({"functions": functions})
    return True


async def _serve(channel, folder):
    if not await _start(channel, folder):
        return
    loop = asyncio.get_running_loop()
    running = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(_invoke(channel, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


def main():
    folder = sys.argv[1]
    sys.path.insert(0, folder)
    channel = Channel()
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger().addHandler(ForwardLogs(channel))
    asyncio.run(_serve(channel, folder))
    os._exit(0)  # Threads that still work on a message must not keep the process.


if __name__ == "__main__":
    main()
