"""Stand-in for the generated protobuf classes that the worker's library is handed.

The library builds and reads these by attribute, and asks messages with alternatives which one is
set. Field names are those of the Functions host's protocol; whatever is not set is None.
"""

from typing import Any


class _Message:
    """Takes any field; one that was not given is None. Types are no fields."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name[0].isupper():
            raise AttributeError(name)
        return None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  protobuf's name
        return next((name for name, value in self.__dict__.items() if value is not None), None)


class TypedData(_Message):
    """A value: ``string``, ``bytes``, ``json``, ``int``, ``double`` or ``http``."""


class ParameterBinding(_Message):
    """A named value."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  protobuf's name
        return "data" if self.data is not None else None


class StatusResult(_Message):
    Failure = 0
    Success = 1
    Cancelled = 2


class BindingInfo(_Message):
    inout = 2
    out = 1
    undefined = 0


class RpcHttp(_Message): ...


class RpcException(_Message): ...


class RpcFunctionMetadata(_Message): ...


class RpcRetryOptions(_Message): ...


class WorkerInitRequest(_Message): ...


class WorkerInitResponse(_Message): ...


class WorkerMetadata(_Message): ...


class FunctionMetadataResponse(_Message): ...


class FunctionLoadRequest(_Message): ...


class FunctionLoadResponse(_Message): ...


class InvocationRequest(_Message): ...


class InvocationResponse(_Message): ...


class RpcTraceContext(_Message): ...


class RetryContext(_Message): ...


class StreamingMessage(_Message): ...
