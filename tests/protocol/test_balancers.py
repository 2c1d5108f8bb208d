"""Two servers behind the balancers that deploy/ has examples for; one is killed while it works."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import httpx
import matting_client
import numpy as np
import psutil
import pytest
from matting_server.orphans import sweep
from numpy.typing import NDArray
from skimage import data

from tests.protocol.serving import ROOT, Served, free_ports
from tests.support.programs import example, haproxy, nginx

MODEL = "matting_512"
CALLERS, PHOTOS = 3, 8  # callers of each protocol, and photos of each caller
Alpha = NDArray[np.uint8]


@dataclass(frozen=True)
class Replica:
    """A server with its page."""

    server: Served
    page: int

    def kill(self) -> None:
        """As when its machine is gone: all at once."""
        supervisor = psutil.Process(self.server.process.pid)
        for each in (supervisor, *supervisor.children(recursive=True)):
            each.kill()
        self.server.process.wait()

    def answers(self) -> float:
        """Photos that its API has answered."""
        lines = httpx.get(f"http://127.0.0.1:{self.page}/metrics", trust_env=False).text.splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith("matting_photos_total")), 0.0)


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replica]]:
    repository = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "model_repository" / MODEL, repository / MODEL)
    pages = free_ports(2)
    environment = {"MATTING_API_TRUSTED_PROXIES": "127.0.0.1"}
    options = ["--page", "--model-repository", str(repository), "--threads", "1"]
    servers = [Served([*options, "--page-port", str(port)], environment=environment) for port in pages]
    try:
        yield [Replica(server.wait_ready(), port) for server, port in zip(servers, pages, strict=True)]
    finally:
        for server in servers:
            server.stop()
        sweep()  # of the one that was killed


@pytest.fixture(scope="module")
def balancers(replicas: list[Replica], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of the API, and the one for gRPC."""
    http, grpc = free_ports(2)
    one, two = replicas
    site = {
        "listen 80;": f"listen 127.0.0.1:{http};",
        "10.0.0.11:7860": f"127.0.0.1:{one.page}",
        "10.0.0.12:7860": f"127.0.0.1:{two.page}",
    }
    triton = {
        "10.0.0.1:8001": f"127.0.0.1:{grpc}",
        "10.0.0.11:8001": one.server.grpc,
        "10.0.0.12:8001": two.server.grpc,
    }
    with (
        nginx(tmp_path_factory.mktemp("nginx"), example("nginx-replicas.conf", site), http),
        haproxy(tmp_path_factory.mktemp("haproxy"), example("haproxy.cfg", triton), grpc),
    ):
        yield f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}"


def over_http(url: str, photo: bytes, answered: Callable[[Alpha], None]) -> None:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for _ in range(PHOTOS):
            answer = client.post("/v1/alpha", content=photo)
            assert answer.status_code == 200, answer.text
            answered(np.asarray(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_GRAYSCALE)))


def over_grpc(url: str, photo: bytes, answered: Callable[[Alpha], None]) -> None:
    """With the client's own options."""
    with matting_client.connect(url=url) as client:
        for _ in range(PHOTOS):
            answered(client.cutout(photo).alpha)


def test_one_of_two_is_killed_and_no_photo_is_lost(replicas: list[Replica], balancers: tuple[str, str]) -> None:
    photo = cv2.imencode(".jpg", data.astronaut()[..., ::-1])[1].tobytes()
    answers: list[Alpha] = []
    api, triton = balancers
    lost, kept = replicas
    with ThreadPoolExecutor(2 * CALLERS) as pool:
        callers = [pool.submit(over_http, api, photo, answers.append) for _ in range(CALLERS)]
        callers += [pool.submit(over_grpc, triton, photo, answers.append) for _ in range(CALLERS)]
        while len(answers) < CALLERS * PHOTOS // 2:
            for caller in callers:
                assert not caller.done() or caller.result() is None
            time.sleep(0.01)
        assert lost.answers() > 0 and kept.answers() > 0  # both have worked
        assert lost.server.counts(MODEL)["nv_inference_count"] > 0
        lost.kill()
        before = len(answers)
        assert before < len(callers) * PHOTOS
        for caller in callers:
            caller.result(120)
    assert len(answers) == len(callers) * PHOTOS
    for alpha in answers:
        assert np.abs(alpha.astype(int) - answers[0]).max() <= 1
