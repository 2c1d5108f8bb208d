"""The model on a Triton server for asyncio: the awaitable twin of `sync`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterator
from types import ModuleType, TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from matting_client.engine import OUTPUT, check_batch, check_process, closed
from matting_client.errors import ServerBusy, ServerUnavailable
from matting_client.repository import split_model
from matting_client.triton.protocol import (
    UNREGISTERING,
    alpha_shape,
    input_side,
    may_have_arrived,
    request_tensors,
)
from matting_client.triton.retry import (
    Attempts,
    RegionForgotten,
    Retry,
    has_forgotten,
    is_in_use,
    region_forgotten,
    translate,
)
from matting_client.triton.shm import Region, Regions
from matting_client.triton.tracing import trace_headers
from matting_client.types import Batch


def _is_cancelled() -> bool:
    """Whether somebody has asked for the running task to be cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class AsyncTritonEngine:
    """Body of the asynchronous engines, for any number of event loops, at once or one after the other.

    `size` is known after the first `connect` or `infer`.
    """

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
        self.url = url
        self.model = model
        self.timeout = timeout
        self._name, self._version = split_model(model)
        self.retry = retry or Retry()
        self.size = 0
        self._process = os.getpid()
        self._lives: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[Any]] = WeakKeyDictionary()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
        self._closed: WeakSet[asyncio.AbstractEventLoop] = WeakSet()  # event loops that have closed it
        self._regions = Regions()
        self._share = self._may_share(shared_memory)
        self._must_share = shared_memory is True

    def _open(self) -> Any:
        raise NotImplementedError

    async def _connection(self) -> Any:
        """The tritonclient client of the running event loop: its connections belong to one loop."""
        check_process(self._process, self.url)
        loop = asyncio.get_running_loop()
        if loop in self._closed and loop not in self._clients:
            raise closed(self.url)
        if loop not in self._clients:
            self._lives[loop] = life = self._life()
            self._clients[loop] = await anext(life)
        return self._clients[loop]

    async def _life(self) -> AsyncGenerator[Any]:
        """A client that ends with `aclose`, or at the latest with its event loop, which closes all generators."""
        client = self._open()
        try:
            yield client
        finally:
            await client.close()

    async def _metadata(self) -> dict[str, Any]:
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
        name = type(self).__name__.removeprefix("Async").removesuffix("Engine").lower()
        return "shared memory" if self._share else name

    async def connect(self) -> Self:
        """Open the connection and learn the model's size.

        Raises
        ------
        EngineError
            No such server or model.
        """
        with self._explained():
            self.size = input_side(self.model, self.url, await self._metadata())
        return self

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise whatever aiohttp, grpc or tritonclient raise, which are unrelated types, as one of our errors."""
        loop = asyncio.get_running_loop()
        try:
            yield
        except asyncio.CancelledError:
            if loop in self._closed and not _is_cancelled():  # grpc cancels the calls of a channel that is closed
                raise closed(self.url) from None
            raise
        except Exception as error:
            if loop in self._closed:  # by another task
                raise closed(self.url) from None
            raise translate(error, self.url, self.model) from None

    async def infer(self, image: Batch) -> Batch:
        """(N, S, S, 3) uint8 RGB, N at most 8 -> (N, S, S, 1) uint8; retries and errors as of the twin in `sync`."""
        if not self.size:
            await self.connect()
        check_process(self._process, self.url)
        image = check_batch(image, self.size)
        attempts = Attempts(self.retry)
        while True:
            try:
                return await self._once(image)
            except (RegionForgotten, ServerBusy, ServerUnavailable) as error:
                wait = attempts.pause(error)
                if attempts.is_memory_in_vain:
                    if self._must_share:
                        raise
                    self._share = False  # send pixels from now on
            await asyncio.sleep(wait)

    async def _once(self, image: Batch) -> Batch:
        with self._explained():
            if asyncio.get_running_loop() in self._closed:
                raise closed(self.url)
            if self._share:
                alpha = await self._shared(image)
                if alpha is not None:
                    return alpha
            answer = await self._infer(image)
            return np.array(answer.as_numpy(OUTPUT))

    async def _infer(self, image: Batch, region: Region | None = None) -> Any:
        given, wanted = request_tensors(self.module, image, region)
        return await (await self._connection()).infer(
            self._name, given, self._version, outputs=wanted, headers=trace_headers(), **self._options()
        )

    async def _shared(self, image: Batch) -> Batch | None:
        """One attempt through shared memory; None when the pixels must be sent instead."""
        await self._unregister(self._regions.due())
        region = self._regions.take(image.nbytes)
        if region is None:
            await self._unregister(self._regions.outgrown())
            region = await self._new_region(image)
        if region is None:
            return None
        try:
            region.write(image)
            await self._infer(image, region)
            alpha = region.read(alpha_shape(image))
        except Exception as error:  # of an unrelated type
            if has_forgotten(error):  # as it is of a server that has restarted, which knows none of them
                for stale in [region, *self._regions.drain()]:
                    stale.close()
                raise region_forgotten(self.url) from None
            if translate(error, self.url, self.model).answered:
                await self._unregister([region])
            else:
                self._regions.retire(region)
            raise
        except BaseException:  # cancelled: the server may still write to it
            self._regions.retire(region)
            raise
        self._regions.give(region)
        return alpha

    async def _new_region(self, image: Batch) -> Region | None:
        """A region that the server knows; None, and no shared memory from now on, where that cannot be."""
        region = None
        try:
            region = Region(image.nbytes, image.nbytes // 3)
            await region.register_async(await self._connection(), **self._memory_options())
        except BaseException as error:
            if region is not None and may_have_arrived(error, self.url, self.model):
                self._regions.retire(region)
                raise
            if region is not None:
                region.close()
            if self._must_share or not isinstance(error, Exception):
                raise
            # The address is local but the memory is not, as with a container: send the pixels instead.
            self._share = False
            return None
        return region

    async def _unregister(self, regions: list[Region]) -> None:
        waits = UNREGISTERING.waits()
        pending = list(regions)
        try:
            while pending:
                with contextlib.suppress(Exception):  # a server that is gone has forgotten it
                    while await self._unregistering(pending[-1].name) and (wait := next(waits, None)) is not None:
                        await asyncio.sleep(wait)
                pending.pop().close()
        finally:  # cancelled: the rest is for later
            for region in pending:
                self._regions.retire(region)

    async def _unregistering(self, name: str) -> bool:
        """Ask for a region to be unregistered; whether the server still has it."""
        try:
            await (await self._connection()).unregister_system_shared_memory(name, **self._memory_options())
        except Exception as error:
            if is_in_use(error):
                return True
            raise
        client = await self._connection()
        return bool(await client.get_system_shared_memory_status(name, as_json=True, **self._memory_options()))

    async def close(self) -> None:
        """Unregister and unlink shared memory and close the connection of this event loop; harmless when repeated.

        Other event loops may go on to use it.
        """
        self._closed.add(asyncio.get_running_loop())
        await self._disconnect()

    async def _disconnect(self) -> None:
        loop = asyncio.get_running_loop()
        if loop in self._clients:
            regions = self._regions.drain()
            if self._share:
                await self._unregister(regions)
            for region in regions:  # also of servers that do not share memory: no certain one could be asked
                region.close()
            del self._clients[loop]
            await self._lives.pop(loop).aclose()

    async def __aenter__(self) -> Self:
        try:
            return await self.connect()
        except BaseException:
            await self._disconnect()  # not for good: it may be tried again
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
