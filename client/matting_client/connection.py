"""From an engine's name and a server's address to a client."""

from __future__ import annotations

from typing import Literal

from matting_client.client import AsyncMattingClient, MattingClient
from matting_client.engine import AsyncEngine, Engine
from matting_client.errors import OptionError
from matting_client.imaging import decode
from matting_client.imaging.decode import Limits
from matting_client.runtime.local import LocalEngine
from matting_client.triton.grpc import AsyncGrpcEngine, GrpcEngine
from matting_client.triton.http import AsyncHttpEngine, HttpEngine
from matting_client.triton.protocol import LbPolicy
from matting_client.triton.retry import Retry

MOST_PORT = 65535


def split_url(url: str) -> tuple[Literal["grpc", "http"], str]:
    """Protocol and address of grpc://host:port, http://host:port or host:port, which means gRPC.

    Raises
    ------
    OptionError
        Another scheme, or no port from 1 to 65535.
    """
    scheme, found, rest = url.partition("://")
    address = (rest if found else url).rstrip("/")
    if found and scheme not in ("grpc", "http"):
        raise OptionError("url", f"{url!r}", "grpc://host:port, http://host:port or host:port")
    port = address.rpartition(":")[2]
    if not (port.isascii() and port.isdigit()):
        raise OptionError("url", f"{url!r}", "a port, as in 127.0.0.1:8001")
    if len(port) > len(str(MOST_PORT)) or not 1 <= int(port) <= MOST_PORT:
        raise OptionError("url", f"{url!r}", f"a port from 1 to {MOST_PORT}")  # gRPC would count on from 0
    return ("http" if scheme == "http" and found else "grpc"), address


def open_engine(
    kind: str = "triton",
    url: str = "127.0.0.1:8001",
    model: str = "matting_512",
    *,
    shared_memory: bool | None = None,
    lb_policy: LbPolicy = "pick_first",
    retry: Retry | None = None,
    for_video: bool = False,
) -> Engine:
    """An engine by name: "triton" at a URL, or "local".

    Parameters
    ----------
    for_video : the frames of a clip come, not photos: several together, and none that has to be decoded first, so that
        neither a second form of the model nor the process that decodes photos takes memory.
    shared_memory, lb_policy, retry : of a server's engine, as of `GrpcEngine`.

    Raises
    ------
    OptionError, EngineError
    """
    if not for_video:
        decode.warm_up()  # while the model is loaded, or the server asked
    if kind == "local":
        return LocalEngine(model, together=for_video)
    if kind != "triton":
        raise OptionError("engine", repr(kind), "triton or local", "give an address as url")
    protocol, address = split_url(url)
    if protocol == "grpc":
        return GrpcEngine(address, model, lb_policy=lb_policy, shared_memory=shared_memory, retry=retry)
    _check_http_policy(lb_policy)
    return HttpEngine(address, model, shared_memory=shared_memory, retry=retry)


def _check_http_policy(lb_policy: LbPolicy) -> None:
    if lb_policy != "pick_first":
        raise OptionError("lb_policy", repr(lb_policy), "a gRPC address with it", "begin the url with grpc://")


def connect(
    engine: str = "triton",
    url: str = "127.0.0.1:8001",
    model: str = "matting_512",
    limits: Limits | None = None,
    *,
    shared_memory: bool | None = None,
    lb_policy: LbPolicy = "pick_first",
    for_video: bool = False,
) -> MattingClient:
    """A client by engine name and URL; parameters and errors as of `open_engine`."""
    opened = open_engine(engine, url, model, shared_memory=shared_memory, lb_policy=lb_policy, for_video=for_video)
    return MattingClient(opened, limits)


def connect_async(
    url: str = "127.0.0.1:8001",
    model: str = "matting_512",
    limits: Limits | None = None,
    *,
    shared_memory: bool | None = None,
    lb_policy: LbPolicy = "pick_first",
) -> AsyncMattingClient:
    """An asynchronous client of a Triton server, usable in any event loop; parameters as of `open_engine`.

    Raises
    ------
    OptionError
        The URL is none.
    """
    protocol, address = split_url(url)
    engine: AsyncEngine
    if protocol == "grpc":
        engine = AsyncGrpcEngine(address, model, lb_policy=lb_policy, shared_memory=shared_memory)
    else:
        _check_http_policy(lb_policy)
        engine = AsyncHttpEngine(address, model, shared_memory=shared_memory)
    return AsyncMattingClient(engine, limits)
