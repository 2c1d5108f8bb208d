"""With both models loaded and used at their largest batch, the server stays under 1.2 GB."""

from __future__ import annotations

import json

import numpy as np
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray

from tests.protocol.serving import SIZES, Served

LIMIT_BYTES = 1_200_000_000


def test_memory_of_the_server(served: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    with grpcclient.InferenceServerClient(served.grpc) as client:
        for model in SIZES:
            largest = json.loads(served.get(f"/v2/models/{model}/config")[1])["max_batch_size"]
            photos = portraits[model][:largest]
            assert len(photos) == largest
            tensor = grpcclient.InferInput("image", photos.shape, "UINT8")
            tensor.set_data_from_numpy(photos)
            for _ in range(2):
                client.infer(model, [tensor], client_timeout=120)
    processes = served.processes()
    assert len(processes) == 1 + len(SIZES)
    # RSS, as `top` shows it: pages that the processes share count for each of them.
    used = {f"{each.name()} {each.pid}": each.memory_info().rss for each in processes}
    print({name: f"{size / 1e6:.0f} MB" for name, size in used.items()})
    assert sum(used.values()) < LIMIT_BYTES, used
