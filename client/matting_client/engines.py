"""Ways to run the model: on a Triton server over gRPC, HTTP or shared memory, or in this process.

The names below are loaded when first used: `runtime.loader` alone needs no Triton client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matting_client.engine import AsyncEngine, Engine
    from matting_client.runtime.local import LocalEngine
    from matting_client.triton.grpc import AsyncGrpcEngine, GrpcEngine
    from matting_client.triton.http import AsyncHttpEngine, HttpEngine
    from matting_client.triton.retry import Retry

__all__ = [
    "AsyncEngine",
    "AsyncGrpcEngine",
    "AsyncHttpEngine",
    "Engine",
    "GrpcEngine",
    "HttpEngine",
    "LocalEngine",
    "Retry",
]

_HOME = {
    "AsyncEngine": "engine",
    "AsyncGrpcEngine": "triton.grpc",
    "AsyncHttpEngine": "triton.http",
    "Engine": "engine",
    "GrpcEngine": "triton.grpc",
    "HttpEngine": "triton.http",
    "LocalEngine": "runtime.local",
    "Retry": "triton.retry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"matting_client.{_HOME[name]}"), name)
