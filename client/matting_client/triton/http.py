"""The model on a Triton server over HTTP."""

from __future__ import annotations

import functools
import io
import os
import threading
import weakref
from typing import Any

from matting_client.errors import OptionError
from matting_client.triton.aio import AsyncTritonEngine
from matting_client.triton.sync import SyncTritonEngine

CONNECTIONS = 64  # kept by an asynchronous engine; more requests than this wait for one


class _OverHttp:
    """What both engines have in common."""

    def _options(self) -> dict[str, Any]:
        return {}

    def _may_share(self, wish: bool | None) -> bool:
        if wish:
            raise OptionError(
                "shared_memory", "True, but pixels can be shared over gRPC only", remedy="use a grpc:// address"
            )
        return False


@functools.cache
def _outlive_forks() -> None:
    """In a forked process that is not told so, gevent's loop would wait for ever."""
    import gevent

    os.register_at_fork(after_in_child=gevent.reinit)


class HttpEngine(_OverHttp, SyncTritonEngine):
    """Over HTTP; parameters and errors as of `GrpcEngine`, but there is no shared memory.

    Raises
    ------
    OptionError
        ``shared_memory`` is wanted.
    """

    CONNECT_SECONDS = 5.0

    def __init__(self, url: str = "127.0.0.1:8000", model: str = "matting_512", **options: Any) -> None:
        import tritonclient.http as module

        self.module = module
        _outlive_forks()
        # Its HTTP client runs on gevent, whose locks belong to one thread: every thread gets a client of its own.
        self._own = threading.local()
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(url, model, **options)

    def _connection(self) -> Any:
        if not hasattr(self._own, "client"):
            self._own.client = self.module.InferenceServerClient(
                self.url, connection_timeout=self.CONNECT_SECONDS, network_timeout=self.timeout
            )
            self._clients.add(self._own.client)
        return self._own.client

    def _disconnect(self) -> None:
        for client in list(self._clients):
            client.close()

    def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self._connection().get_model_metadata(self._name, self._version)
        return found


class AsyncHttpEngine(_OverHttp, AsyncTritonEngine):
    """Over HTTP, awaitable; parameters and errors as of `HttpEngine`."""

    def __init__(self, url: str = "127.0.0.1:8000", model: str = "matting_512", **options: Any) -> None:
        import tritonclient.http.aio as module

        self.module = module
        super().__init__(url, model, **options)

    def _open(self) -> Any:
        client = self.module.InferenceServerClient(self.url, conn_limit=CONNECTIONS, conn_timeout=self.timeout)
        send = client._post

        async def post(request_uri: str, request_body: Any, headers: Any, query_params: Any) -> Any:
            # aiohttp warns of bodies above 1 MiB that are handed over as bytes.
            body = io.BytesIO(request_body) if isinstance(request_body, bytes) else request_body
            return await send(request_uri, body, headers, query_params)

        client._post = post
        return client

    async def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = await (await self._connection()).get_model_metadata(self._name, self._version)
        return found
