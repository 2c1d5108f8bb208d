"""Several servers behind one address: what one of them knows, the next one does not; and one of them dies."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from matting_client.engines import AsyncGrpcEngine, GrpcEngine, Retry
from matting_client.errors import ModelError
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tests.protocol.serving import ROOT, Served

MODEL = "matting_512"
Photos = dict[str, NDArray[np.uint8]]
SECONDS = 60.0  # for what once took for ever


@pytest.fixture(autouse=True)
def _clean(served: Served) -> Iterator[None]:
    """Nobody can be asked to forget what a balancer has brought to one of its servers: it stays until that one ends."""
    yield
    with GrpcEngine(served.grpc, MODEL) as engine:
        for name in served.regions():
            with contextlib.suppress(InferenceServerException):  # which tells that it is gone
                engine._unregistering(name)
    assert served.regions() == []


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A second server, with one model."""
    repository = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "model_repository" / MODEL, repository / MODEL)
    server = Served(["--model-repository", str(repository)])
    try:
        yield server.wait_ready()
    finally:
        server.stop()


def engine_of(*servers: Served, shared_memory: bool | None = None) -> GrpcEngine:
    """A client whose requests go to the servers in turn."""
    url = "ipv4:" + ",".join(server.grpc for server in servers)
    engine = GrpcEngine(url, MODEL, lb_policy="round_robin", shared_memory=shared_memory, retry=Retry(budget=SECONDS))
    engine._share = True  # as where the address of a balancer is on loopback
    return engine


def test_regions_that_the_next_server_does_not_know(served: Served, replica: Served, portraits: Photos) -> None:
    photo = portraits[MODEL][:1]
    with GrpcEngine(served.grpc, MODEL, shared_memory=False) as alone:
        expected = alone.infer(photo).astype(int)
    with engine_of(served, replica) as engine, ThreadPoolExecutor(1) as pool:  # one at a time: each hits the next
        for _ in range(4):
            answer = pool.submit(engine.infer, photo).result(SECONDS)
            assert np.abs(answer - expected).max() <= 1
        assert engine.transport == "grpc"
    with (
        engine_of(served, replica, shared_memory=True) as insists,
        ThreadPoolExecutor(1) as pool,
        pytest.raises(ModelError, match="does not know our shared memory"),
    ):
        for _ in range(20):  # until it is connected to both
            pool.submit(insists.infer, photo).result(SECONDS)


def test_the_asynchronous_client_does_the_same(served: Served, replica: Served, portraits: Photos) -> None:
    async def run() -> str:
        url = f"ipv4:{served.grpc},{replica.grpc}"
        async with AsyncGrpcEngine(url, MODEL, lb_policy="round_robin") as engine:
            engine._share = True
            for _ in range(4):
                await asyncio.wait_for(engine.infer(portraits[MODEL][:1]), SECONDS)
            return engine.transport

    assert asyncio.run(run()) == "grpc"


def test_one_of_two_dies(served: Served, replica: Served, portraits: Photos) -> None:
    """Requests in turn reach both, and all are answered when one is gone."""
    photo = portraits[MODEL][:1]
    before = replica.counts(MODEL)["nv_inference_count"]
    with engine_of(served, replica) as engine:
        for _ in range(6):
            engine.infer(photo)
        assert replica.counts(MODEL)["nv_inference_count"] - before >= 2
        replica.stop()
        for _ in range(6):
            engine.infer(photo)
