"""No request sleeps through an idle model: with a limited queue, Triton's own batcher would, for half a second."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from matting_client.engines import GrpcEngine
from numpy.typing import NDArray

from tests.protocol.serving import Served

PHOTOS = 100


def test_the_queue_is_never_left_waiting(served: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    """Two callers that send their next photo at once: before, every tenth request waited for half a second.

    The time in Triton's queue is compared with the time in the model: it does not depend on the machine's speed.
    """
    model = "matting_512"
    before = served.counts(model)
    with GrpcEngine(served.grpc, model) as engine, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda index: engine.infer(portraits[model][index % 8][None]), range(PHOTOS)))
    after = served.counts(model)
    queued, computed = (
        after[f"nv_inference_{name}_duration_us"] - before[f"nv_inference_{name}_duration_us"]
        for name in ("queue", "compute_infer")
    )
    # A caller waits at most for the photos in front of it.
    assert queued < 1.5 * computed, f"queued {queued / PHOTOS:.0f} us, computed {computed / PHOTOS:.0f} us a photo"


def test_answers_of_a_batch_do_not_wait_for_its_last(served: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    """Of eight photos sent at once the first is answered well before the last."""
    model, done = "matting_1024", []
    with GrpcEngine(served.grpc, model) as engine, ThreadPoolExecutor(8) as pool:
        engine.infer(portraits[model][:1])
        start = time.perf_counter()

        def send(index: int) -> None:
            engine.infer(portraits[model][index][None])
            done.append(time.perf_counter() - start)

        list(pool.map(send, range(8)))
    assert min(done) < 0.4 * max(done), done
