"""Dynamic batching forms batches, and a full queue refuses instead of growing."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tests.protocol.serving import Served

CONCURRENCY = 8


def test_batches_form_under_concurrency(served: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    model, photos = "matting_512", portraits["matting_512"]
    before = served.counts(model)
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(lambda worker: _send(served, model, photos[worker : worker + 1], 6), range(CONCURRENCY)))
    after = served.counts(model)
    inferences = after["nv_inference_count"] - before["nv_inference_count"]
    executions = after["nv_inference_exec_count"] - before["nv_inference_exec_count"]
    assert inferences >= CONCURRENCY * 6  # the supervisor's canary may have added a few
    assert inferences / executions > 1.5, f"{inferences} requests in {executions} executions"


def test_each_request_of_a_batch_gets_its_own_alpha(served: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    model, photos = "matting_512", portraits["matting_512"]
    alone = [_send(served, model, photos[index : index + 1], 1) for index in range(CONCURRENCY)]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        # Requests of one, two and three photos, so that the parts of a batch have different lengths.
        slices = [slice(index, min(index + 1 + index % 3, CONCURRENCY)) for index in range(CONCURRENCY)]
        together = list(pool.map(lambda part: _send(served, model, photos[part], 1), slices))
    for part, alphas in zip(slices, together, strict=True):
        expected = np.concatenate(alone[part])
        assert np.abs(alphas.astype(int) - expected).max() <= 1


def test_a_full_queue_is_refused(served: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    model, photo = "matting_1024", portraits["matting_1024"][:1]
    waiting = 16 + 4 + 4  # max_queue_size, the batch that runs, the batch that is handed over next
    requests = 2 * waiting
    with ThreadPoolExecutor(requests) as pool:
        outcomes = Counter(pool.map(lambda _: _outcome(served, model, photo), range(requests)))
    assert set(outcomes) == {"answered", "StatusCode.UNAVAILABLE"}
    assert outcomes["StatusCode.UNAVAILABLE"] > 0
    # Refusing is only right beyond the limit of the queue.
    assert outcomes["answered"] >= 16


def _outcome(served: Served, model: str, photo: NDArray[np.uint8]) -> str:
    try:
        _send(served, model, photo, 1)
    except InferenceServerException as error:
        assert "maximum queue size" in error.message()
        return str(error.status())
    return "answered"


def _send(served: Served, model: str, photos: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    with grpcclient.InferenceServerClient(served.grpc) as client:
        tensor = grpcclient.InferInput("image", photos.shape, "UINT8")
        tensor.set_data_from_numpy(photos)
        for _ in range(times):
            result = client.infer(model, [tensor], client_timeout=60)
    alpha: NDArray[np.uint8] = result.as_numpy("alpha")
    return alpha
