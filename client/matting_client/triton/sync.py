"""The model on a Triton server: what an engine does that blocks, whatever protocol it speaks; `aio` has its twin."""

from __future__ import annotations

import contextlib
import os
import time
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np

from matting_client.engine import OUTPUT, check_batch, check_process, closed
from matting_client.errors import ServerBusy, ServerUnavailable
from matting_client.repository import split_model
from matting_client.triton.protocol import (
    TRANSPORT_ERRORS,
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


class SyncTritonEngine:
    """Body of the synchronous engines; safe to use from several threads."""

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
        self._regions = Regions()
        self._share = self._may_share(shared_memory)
        self._must_share = shared_memory is True
        self._closed = False
        self._process = os.getpid()
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

    def infer(self, image: Batch) -> Batch:
        """(N, S, S, 3) uint8 RGB, N at most 8 -> (N, S, S, 1) uint8; retries while the server is busy or comes back.

        Raises
        ------
        ModelError
            The request is wrong.
        ServerBusy, ServerUnavailable
            Still so when the retry budget was spent.
        EngineError
            It was closed, or another process made it.
        """
        check_process(self._process, self.url)
        image = check_batch(image, self.size)
        attempts = Attempts(self.retry)
        while True:
            try:
                return self._once(image)
            except (RegionForgotten, ServerBusy, ServerUnavailable) as error:
                wait = attempts.pause(error)
                if attempts.is_memory_in_vain:
                    if self._must_share:
                        raise
                    self._share = False  # send pixels from now on
            time.sleep(wait)

    def _once(self, image: Batch) -> Batch:
        try:
            if self._closed:
                raise closed(self.url)
            if self._share:
                alpha = self._shared(image)
                if alpha is not None:
                    return alpha
            answer = self._infer(image)
            return np.array(answer.as_numpy(OUTPUT))
        except Exception as error:
            if self._closed:  # by another thread; the transports have no error of their own for it
                raise closed(self.url) from None
            if isinstance(error, TRANSPORT_ERRORS):
                raise translate(error, self.url, self.model) from None
            raise
        finally:
            if self._closed:  # what `close` could not give back, as it was in use
                for region in self._regions.drain():
                    region.close()

    def _infer(self, image: Batch, region: Region | None = None) -> Any:
        given, wanted = request_tensors(self.module, image, region)
        return self._connection().infer(
            self._name,
            given,
            self._version,
            outputs=wanted,
            headers=trace_headers(),
            **self._options(),
        )

    def _shared(self, image: Batch) -> Batch | None:
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

    def _new_region(self, image: Batch) -> Region | None:
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
        waits = UNREGISTERING.waits()
        pending = list(regions)
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
        if self._closed or os.getpid() != self._process:  # after a fork the other process goes on with it
            return
        self._closed = True
        regions = self._regions.drain()
        if self._share:
            self._unregister(regions)
        for region in regions:  # also of servers that do not share memory: no certain one could be asked
            region.close()
        self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
