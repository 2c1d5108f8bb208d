"""What the server takes: under 1.2 GB at its largest batches, and nothing for good from requests that are too large."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tests.protocol.serving import SIZES, Served

LIMIT_BYTES = 1_200_000_000
OVERSIZED = 100  # photos of 768 KiB in one request, where 8 are allowed
KEPT_BYTES = 300_000_000  # four such requests


@pytest.fixture
def fresh() -> Iterator[Served]:
    """A server of its own: the shared one keeps what other tests' oversized requests made it take."""
    server = Served()
    try:
        yield server.wait_ready()
    finally:
        assert server.stop() == 0, server.log


def test_memory_of_the_server(fresh: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    with grpcclient.InferenceServerClient(fresh.grpc) as client:
        for model in SIZES:
            largest = json.loads(fresh.get(f"/v2/models/{model}/config")[1])["max_batch_size"]
            photos = portraits[model][:largest]
            assert len(photos) == largest
            tensor = grpcclient.InferInput("image", photos.shape, "UINT8")
            tensor.set_data_from_numpy(photos)
            for _ in range(2):
                client.infer(model, [tensor], client_timeout=120)
    processes = fresh.processes()
    assert len(processes) == 1 + len(SIZES)
    # RSS, as `top` shows it: pages that the processes share count for each of them.
    used = {f"{each.name()} {each.pid}": each.memory_info().rss for each in processes}
    print({name: f"{size / 1e6:.0f} MB" for name, size in used.items()})
    assert sum(used.values()) < LIMIT_BYTES, used


def test_requests_that_are_too_large_are_not_kept(fresh: Served) -> None:
    before = fresh.triton().memory_info().rss
    photos = np.zeros((OVERSIZED, 512, 512, 3), np.uint8)
    tensor = grpcclient.InferInput("image", photos.shape, "UINT8")
    tensor.set_data_from_numpy(photos)
    with grpcclient.InferenceServerClient(fresh.grpc) as client:
        for _ in range(12):
            with pytest.raises(InferenceServerException, match="batch-size must be <= 8"):
                client.infer("matting_512", [tensor], client_timeout=60)
    grown = fresh.triton().memory_info().rss - before
    print(f"{grown / 1e6:.0f} MB")
    assert grown < KEPT_BYTES
