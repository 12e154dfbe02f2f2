"""Speaks to the worker's library as the worker process's dispatcher does.

Azure runs the app with this library from Python 3.13 on. The dispatcher wraps each message of the
host and awaits one of the library's functions; so does this module. The library keeps functions in
a module of its own, so a process serves one app.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]

from tools.functions_worker import protos


class IndexingError(Exception):
    """The library cannot index the app; the message is the library's."""


async def index(folder: str) -> Sequence[Any]:
    """Index and load the app in a folder, which has to be on the path for modules.

    Returns:
        The metadata of each function: ``name``, ``function_id``, ``raw_bindings``,
        ``retry_options``.

    Raises:
        IndexingError: As it says.
    """
    runtime.start_threadpool_executor()
    await announced(folder)
    found = await runtime.functions_metadata_request(_request("functions_metadata_request", None))
    functions: Sequence[Any] = found.function_metadata_results or ()
    for function in functions:
        load = protos.FunctionLoadRequest(function_id=function.function_id, metadata=function)
        await runtime.function_load_request(_request("function_load_request", load))
    return functions


async def announced(folder: str) -> Mapping[str, str]:
    """Begin, and return the capabilities that the worker announces to the host.

    Raises:
        IndexingError: The library cannot begin.
    """
    init = protos.WorkerInitRequest(capabilities={}, function_app_directory=folder)
    started = await runtime.worker_init_request(_request("worker_init_request", init))
    if started.result.status != protos.StatusResult.Success:
        raise IndexingError(started.result.exception.message)
    capabilities: Mapping[str, str] = started.capabilities
    return capabilities


async def invoke(
    call: str,
    function_id: str,
    given: Mapping[str, protos.TypedData],
    metadata: Mapping[str, protos.TypedData],
    *,
    traceparent: str = "",
) -> Any:
    """Invoke a function of the app.

    Args:
        call: Names the invocation.
        given: The trigger's value and others, by the names of their bindings.
        metadata: What the host tells along with the trigger.
        traceparent: W3C trace context of the host's own span, "" when it tells of none.

    Returns:
        The response: ``result`` with its ``status`` and ``exception``, and ``return_value``.
    """
    request = protos.InvocationRequest(
        invocation_id=call,
        function_id=function_id,
        input_data=[protos.ParameterBinding(name=name, data=data) for name, data in given.items()],
        trigger_metadata=dict(metadata),
        trace_context=protos.RpcTraceContext(
            trace_parent=traceparent, trace_state="", attributes={}
        ),
        retry_context=protos.RetryContext(retry_count=0, max_retry_count=0),
    )
    return await runtime.invocation_request(_request("invocation_request", request))


def _request(kind: str, message: object) -> SimpleNamespace:
    """Wrap a message as the dispatcher does."""
    return SimpleNamespace(
        name=kind,
        request=protos.StreamingMessage(**{kind: message}),
        properties={"protos": protos, "host": "127.0.0.1"},
    )
