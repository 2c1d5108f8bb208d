"""A process of each model for each GPU: on this machine the CPU stands for two of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from matting_api.triton_probe import TritonProbe
from matting_client.engines import GrpcEngine
from numpy.typing import NDArray

from tests.protocol.serving import READY_SECONDS, ROOT, Served
from tests.unit.api.conftest import SIDE, write_model

MODEL = "matting_512"
DEVICES = ("5", "7")  # as they may be named where others use the rest
CALLERS, PHOTOS = 8, 400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    repository = tmp_path_factory.mktemp("repository")
    write_model(repository)
    config = (ROOT / "model_repository" / MODEL / "config.pbtxt").read_text()
    (repository / MODEL / "config.pbtxt").write_text(config.replace("dims: [ 512, 512,", f"dims: [ {SIDE}, {SIDE},"))
    options = ["--instances", str(len(DEVICES)), "--model-repository", str(repository)]
    started = Served(options, environment={"CUDA_VISIBLE_DEVICES": ",".join(DEVICES)})
    try:
        yield started.wait_ready()
    finally:
        assert started.stop() == 0, started.log


def stubs(server: Served) -> list[psutil.Process]:
    return [each for each in server.processes() if each.name() != "tritonserver"]


def cut_out_many(server: Served) -> list[NDArray[np.uint8]]:
    """Photos of one brightness each, whose alpha is that."""

    def one(number: int) -> NDArray[np.uint8]:
        return engine.infer(np.full((1, SIDE, SIDE, 3), number % 256, np.uint8))

    with GrpcEngine(server.grpc, MODEL) as engine, ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(one, range(PHOTOS)))


def wait_until_back(server: Served, told: str = "") -> None:
    """Until the log says it, and each device has its one process again.

    The model is taken up again; now and then Triton aborts at such a death, and the supervisor starts it again.
    """
    ways = (f"{MODEL}: its process had died; revived", "Triton was killed by signal 6; starting it again")
    deadline = time.monotonic() + READY_SECONDS
    while not (told in server.log and any(way in server.log for way in ways)) or len(stubs(server)) != len(DEVICES):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)


def test_each_device_has_a_process_and_all_of_them_work(server: Served) -> None:
    for device in DEVICES:
        assert f"engine of {MODEL} on GPU {device}: " in server.log
    before = {each: each.num_ctx_switches().voluntary for each in stubs(server)}
    assert len(before) == len(DEVICES)
    alphas = cut_out_many(server)
    assert all((alpha == number % 256).all() for number, alpha in enumerate(alphas))
    woken = [each.num_ctx_switches().voluntary - count for each, count in before.items()]
    assert min(woken) > PHOTOS / 20, woken  # each batch wakes the process that gets it
    with TritonProbe(server.grpc, MODEL) as probe:
        told = probe.model()
    assert (told["instances"], told["device"]) == (len(DEVICES), "CPU")
    assert told["engine"].startswith("OpenVINO")


def test_a_device_whose_process_dies_comes_back_and_no_photo_is_lost(server: Served) -> None:
    with ThreadPoolExecutor(1) as thread:
        many = thread.submit(cut_out_many, server)
        stubs(server)[1].kill()
        alphas = many.result()
    assert all((alpha == number % 256).all() for number, alpha in enumerate(alphas))
    wait_until_back(server)
    assert len(cut_out_many(server)) == PHOTOS


def test_a_device_that_hangs_is_found_out_while_the_others_work(server: Served) -> None:
    stubs(server)[0].send_signal(signal.SIGSTOP)
    alphas = cut_out_many(server)
    assert all((alpha == number % 256).all() for number, alpha in enumerate(alphas))
    wait_until_back(server, f"{MODEL}: its process has not answered for")
    assert len(cut_out_many(server)) == PHOTOS
