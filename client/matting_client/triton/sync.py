"""The model on a Triton server, over gRPC or HTTP; over gRPC with shared memory on the same machine.

The two classes differ in the tritonclient module they speak through; everything else is shared. `aio` has their twins.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np

from matting_client.engine import OUTPUT, check_batch
from matting_client.errors import EngineError, OptionError, ServerBusy, ServerUnavailable
from matting_client.triton.protocol import (
    TRANSPORT_ERRORS,
    UNREGISTERING,
    Image,
    LbPolicy,
    alpha_shape,
    grpc_settings,
    input_side,
    is_loopback,
    may_have_arrived,
    tensors,
)
from matting_client.triton.retry import RegionForgotten, Retry, has_forgotten, is_in_use, region_forgotten, translate
from matting_client.triton.shm import Region, Regions, token_headers


class _SyncEngine:
    """Shared body of the synchronous engines; safe to use from several threads."""

    module: ModuleType

    def __init__(
        self,
        url: str,
        model: str = "matting_512",
        *,
        shared_memory: bool | None = None,
        timeout: float = 30.0,
        retry: Retry | None = None,
    ) -> None:
        self.url, self.model, self.timeout = url, model, timeout
        self.retry = retry or Retry()
        self._regions = Regions()
        self._share = self._may_share(shared_memory)
        self._must_share = shared_memory is True
        self._closed = False
        try:
            self.size = input_side(model, url, self._metadata())
        except TRANSPORT_ERRORS as error:
            self.close()
            raise translate(error, url, model) from None
        except BaseException:
            self.close()
            raise

    def _connection(self) -> Any:
        """The tritonclient client that this thread may use."""
        raise NotImplementedError

    def _disconnect(self) -> None:
        raise NotImplementedError

    def _metadata(self) -> dict[str, Any]:
        raise NotImplementedError

    def _options(self) -> dict[str, Any]:
        raise NotImplementedError

    def _may_share(self, wish: bool | None) -> bool:
        """Whether to try shared memory, given what the caller wishes."""
        raise NotImplementedError

    def _memory_options(self) -> dict[str, Any]:
        """Of calls about shared memory."""
        return self._options()

    @property
    def transport(self) -> str:
        """How the pixels travel: "shared memory" or the protocol's name."""
        return "shared memory" if self._share else type(self).__name__.removesuffix("Engine").lower()

    def infer(self, image: Image) -> Image:
        """(N, S, S, 3) uint8 RGB -> (N, S, S, 1) uint8; retries while the server is busy or comes back.

        Raises
        ------
        ModelError
            The request is wrong.
        ServerBusy, ServerUnavailable
            Still so when the retry budget was spent.
        EngineError
            It was closed.
        """
        image = check_batch(image, self.size)
        if self._closed:
            raise EngineError(self.url, "a client that was closed", "an open one", "make another")
        waits = self.retry.waits()
        forgotten = 0
        while True:
            try:
                return self._once(image)
            except RegionForgotten:
                forgotten += 1
                if forgotten == 2:  # no restart, but several servers behind the address: send pixels from now on
                    if self._must_share:
                        raise
                    self._share = False
                continue
            except (ServerBusy, ServerUnavailable):
                forgotten = 0
                wait = next(waits, None)
                if wait is None:
                    raise
                time.sleep(wait)

    def _once(self, image: Image) -> Image:
        try:
            if self._share:
                alpha = self._shared(image)
                if alpha is not None:
                    return alpha
            answer = self._infer(image)
            return np.array(answer.as_numpy(OUTPUT))
        except TRANSPORT_ERRORS as error:
            raise translate(error, self.url, self.model) from None

    def _infer(self, image: Image, region: Region | None = None) -> Any:
        given, wanted = tensors(self.module, image, region)
        return self._connection().infer(self.model, given, outputs=wanted, **self._options())

    def _shared(self, image: Image) -> Image | None:
        """One attempt through shared memory; None when the pixels must be sent instead."""
        self._unregister(self._regions.due())
        region = self._regions.take(image.nbytes)
        if region is None:
            self._unregister(self._regions.outgrown())
            region = self._new_region(image)
        if region is None:
            return None
        try:
            region.write(image)
            self._infer(image, region)
            alpha = region.read(alpha_shape(image))
        except TRANSPORT_ERRORS as error:
            if has_forgotten(error):  # as it is of a server that has restarted, which knows none of them
                for stale in [region, *self._regions.drain()]:
                    stale.close()
                raise region_forgotten(self.url) from None
            if translate(error, self.url, self.model).answered:
                self._unregister([region])
            else:
                self._regions.retire(region)
            raise
        except BaseException:
            self._regions.retire(region)
            raise
        self._regions.give(region)
        return alpha

    def _new_region(self, image: Image) -> Region | None:
        """A region that the server knows; None, and no shared memory from now on, where that cannot be."""
        region = None
        try:
            region = Region(image.nbytes, image.nbytes // 3)
            region.register(self._connection(), **self._memory_options())
        except BaseException as error:
            if region is not None and may_have_arrived(error, self.url, self.model):
                self._regions.retire(region)
                raise
            if region is not None:
                region.close()
            if self._must_share or not isinstance(error, TRANSPORT_ERRORS):
                raise
            # The address is local but the memory is not, as with a container: send the pixels instead.
            self._share = False
            return None
        return region

    def _unregister(self, regions: list[Region]) -> None:
        waits, pending = UNREGISTERING.waits(), list(regions)
        try:
            while pending:
                with contextlib.suppress(*TRANSPORT_ERRORS):  # a server that is gone has forgotten it
                    while self._unregistering(pending[-1].name) and (wait := next(waits, None)) is not None:
                        time.sleep(wait)
                pending.pop().close()
        finally:  # interrupted: the rest is for later
            for region in pending:
                self._regions.retire(region)

    def _unregistering(self, name: str) -> bool:
        """Ask for a region to be unregistered; whether the server still has it."""
        try:
            self._connection().unregister_system_shared_memory(name, **self._memory_options())
        except TRANSPORT_ERRORS as error:
            if is_in_use(error):
                return True
            raise
        return bool(self._connection().get_system_shared_memory_status(name, as_json=True, **self._memory_options()))

    def close(self) -> None:
        """Unregister and unlink shared memory and close the connection; harmless when repeated."""
        if self._closed:
            return
        regions = self._regions.drain()
        if self._share:
            self._unregister(regions)
        for region in regions:  # also of servers that do not share memory: no certain one could be asked
            region.close()
        self._closed = True
        self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class GrpcEngine(_SyncEngine):
    """Over gRPC.

    Parameters
    ----------
    url : host:port.
    model : name in the repository.
    shared_memory : pass pixels through system shared memory; None does so where a server of this user on this machine
        lets it.
    lb_policy : "round_robin" asks all servers that a name stands for in turn, "pick_first" stays with one.
    timeout : seconds for one attempt.
    retry : waits between attempts.

    Raises
    ------
    ServerUnavailable
        No server answers.
    ModelError
        The server has no such matting model.
    """

    def __init__(
        self,
        url: str = "127.0.0.1:8001",
        model: str = "matting_512",
        *,
        lb_policy: LbPolicy = "pick_first",
        **options: Any,
    ) -> None:
        import tritonclient.grpc as module

        self.module = module
        self._client = module.InferenceServerClient(url, channel_args=grpc_settings(url, lb_policy))
        super().__init__(url, model, **options)

    def _connection(self) -> Any:
        return self._client

    def _disconnect(self) -> None:
        self._client.close()

    def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get_model_metadata(self.model, as_json=True, client_timeout=self.timeout)
        return found

    def _options(self) -> dict[str, Any]:
        return {"client_timeout": self.timeout}

    def _may_share(self, wish: bool | None) -> bool:
        return bool(token_headers(self.url)) and is_loopback(self.url) if wish is None else wish

    def _memory_options(self) -> dict[str, Any]:
        # Read anew each time: a server that was started again has another token.
        return {"headers": token_headers(self.url), **self._options()}


class HttpEngine(_SyncEngine):
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
        found: dict[str, Any] = self._connection().get_model_metadata(self.model)
        return found

    def _may_share(self, wish: bool | None) -> bool:
        if wish:
            raise OptionError(
                "shared_memory", "True, but pixels can be shared over gRPC only", remedy="use a grpc:// address"
            )
        return False

    def _options(self) -> dict[str, Any]:
        return {}
