"""Whichever way a photo takes to the model, the alpha is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matting_client.engines import AsyncGrpcEngine, AsyncHttpEngine, GrpcEngine, HttpEngine, LocalEngine
from matting_client.errors import ServerBusy
from matting_client.triton.retry import Retry
from numpy.typing import NDArray

from tests.protocol.serving import ROOT, SIZES, Served

Photos = dict[str, NDArray[np.uint8]]
ROUTES: dict[str, Callable[[Served, str], Any]] = {
    "grpc": lambda served, model: GrpcEngine(served.grpc, model, shared_memory=False),
    "grpc-shm": lambda served, model: GrpcEngine(served.grpc, model, shared_memory=True),
    "http": lambda served, model: HttpEngine(served.http, model, shared_memory=False),
}


@pytest.fixture(scope="module")
def reference(_session_server: Served, portraits: Photos) -> Photos:
    """Alphas of all portraits, sent one at a time over plain gRPC."""
    alphas = {}
    for model, photos in portraits.items():
        with ROUTES["grpc"](_session_server, model) as engine:
            alphas[model] = np.concatenate([engine.infer(photos[index : index + 1]) for index in range(len(photos))])
    return alphas


@pytest.mark.parametrize("model", SIZES)
def test_alphas_are_alphas(reference: Photos, model: str) -> None:
    """Not one constant, or all comparisons below would hold whatever happens."""
    size = SIZES[model]
    assert reference[model].shape == (8, size, size, 1)
    assert reference[model].dtype == np.uint8
    assert reference[model][0].std() > 1
    assert np.abs(reference[model][0].astype(int) - reference[model][5]).max() > 10


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("model", SIZES)
def test_routes_agree_to_the_byte(served: Served, portraits: Photos, reference: Photos, model: str, route: str) -> None:
    with ROUTES[route](served, model) as engine:
        assert engine.size == SIZES[model]
        for index in range(3):
            alpha = engine.infer(portraits[model][index : index + 1])
            assert np.array_equal(alpha, reference[model][index : index + 1])


@pytest.mark.parametrize("route", ["grpc", "http"])
def test_async_routes_agree_to_the_byte(served: Served, portraits: Photos, reference: Photos, route: str) -> None:
    model = "matting_512"

    async def one() -> NDArray[np.uint8]:
        engine = AsyncGrpcEngine(served.grpc, model) if route == "grpc" else AsyncHttpEngine(served.http, model)
        async with engine:
            return await engine.infer(portraits[model][:1])

    assert np.array_equal(asyncio.run(one()), reference[model][:1])


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("route", ROUTES)
def test_batches_agree_within_a_step(
    served: Served, portraits: Photos, reference: Photos, route: str, batch: int
) -> None:
    model = "matting_512"
    with ROUTES[route](served, model) as engine:
        alphas = engine.infer(portraits[model][:batch])
    assert _largest_difference(alphas, reference[model][:batch]) <= 1


@pytest.mark.parametrize(("model", "batches"), [("matting_512", (1, 3, 8)), ("matting_1024", (1, 3))])
def test_local_engine_agrees_within_a_step(
    portraits: Photos, reference: Photos, model: str, batches: tuple[int, ...]
) -> None:
    with LocalEngine(model, ROOT / "model_repository") as engine:
        for batch in batches:
            alphas = engine.infer(portraits[model][:batch])
            assert _largest_difference(alphas, reference[model][:batch]) <= 1


def test_a_full_queue_is_a_busy_error(served: Served, portraits: Photos) -> None:
    model = "matting_1024"

    async def flood() -> list[NDArray[np.uint8] | BaseException]:
        async with AsyncGrpcEngine(served.grpc, model, retry=Retry(budget=0), timeout=60) as engine:
            photo = portraits[model][:1]
            return await asyncio.gather(*(engine.infer(photo) for _ in range(48)), return_exceptions=True)

    outcomes = asyncio.run(flood())
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert refused
    assert all(isinstance(each, ServerBusy) for each in refused), refused
    assert len(outcomes) - len(refused) >= 16
    assert served.regions() == []


def _largest_difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())
