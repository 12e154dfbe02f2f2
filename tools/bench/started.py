"""Starts the app as the worker process does and writes down what that took, seen from inside.

``python -m tools.bench.started FOLDER STARTED_AT`` indexes the app in a folder; STARTED_AT is the
time at which this process was asked for. If the app has a function ``health``, it is invoked then.
One JSON object goes to standard output. Nothing is imported here that the worker does not need.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

from tools.bench.memory import peak_bytes
from tools.functions_worker import library, protos


async def _measure(folder: str, started_at: float) -> dict[str, object]:
    functions = await library.index(folder)
    report: dict[str, object] = {
        "indexed_seconds": time.time() - started_at,
        "indexed_cpu_seconds": time.process_time(),
        "indexed_bytes": peak_bytes(),
        "functions": len(functions),
    }
    health = next((function for function in functions if function.name == "health"), None)
    if health is None:
        return report
    invoked_at = time.time()
    response = await library.invoke("1", health.function_id, {"request": _get_health()}, {})
    return report | {
        "invoked_seconds": time.time() - invoked_at,
        "invoked_bytes": peak_bytes(),
        "answer": _answer(response),
    }


def _get_health() -> protos.TypedData:
    return protos.TypedData(
        http=protos.RpcHttp(
            method="GET",
            url="http://localhost/api/health",
            headers={},
            params={},
            query={},
            body=protos.TypedData(),
        )
    )


def _answer(response: Any) -> str:
    """Return status and body of an answer, or why there is none."""
    if response.result.status != protos.StatusResult.Success:
        return str(response.result.exception.message)
    http = response.return_value.http
    return f"{http.status_code} {http.body.bytes.decode()}"


def main() -> None:
    """Measure and print."""
    folder, started_at = sys.argv[1], float(sys.argv[2])
    sys.path.insert(0, folder)
    print(json.dumps(asyncio.run(_measure(folder, started_at))), flush=True)
    os._exit(0)  # Threads of the app must not keep the process.


if __name__ == "__main__":
    main()
