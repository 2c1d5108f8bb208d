"""With both models loaded and used at their largest batch, the server stays under 1.2 GB."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray

from tests.protocol.serving import SIZES, Served

LIMIT_BYTES = 1_200_000_000


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
