"""What the image starts, under a container's rules: read-only, no capabilities, little shared memory, another user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import psutil
import pytest
from matting_bench.server_process import free_ports
from skimage import data

from tests.protocol.serving import READY_SECONDS, ROOT, STOP_SECONDS
from tests.support import image
from tests.support.image import Container

pytestmark = pytest.mark.skipif(not image.is_possible(), reason="needs a user who may make mounts")
USER = 10001


@dataclass
class Running:
    """The image's own command, on a free port."""

    port: int
    process: subprocess.Popen[str]
    log: Path
    outputs: Path

    def ask(self, path: str, photo: bytes | None = None, host: str = "localhost") -> httpx.Response:
        method = "GET" if photo is None else "POST"
        url = f"http://127.0.0.1:{self.port}{path}"
        with httpx.Client(timeout=30, trust_env=False, headers={"Host": f"{host}:{self.port}"}) as client:
            return client.request(method, url, content=photo)

    def is_ready(self) -> bool:
        try:
            return self.ask("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("container")
    root, outputs = folder / "root", folder / "outputs"  # which Docker would make as root
    root.mkdir()
    outputs.mkdir(mode=0o755)
    page, grpc = free_ports(2)
    words = [*image.command(ROOT / "Dockerfile", "CMD"), "--page-port", str(page), "--grpc-port", str(grpc)]
    with (folder / "log").open("w") as log, Container(root, outputs).start(words, log) as process:
        started = Running(page, process, folder / "log", outputs)
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not started.is_ready():
                assert process.poll() is None, started.log.read_text()
                assert time.monotonic() < deadline, started.log.read_text()
                time.sleep(0.2)
            yield started
        finally:
            for first in psutil.Process(process.pid).children() if process.poll() is None else []:
                first.kill()  # and with it everything else in there


def test_it_answers_under_the_name_of_a_published_port(running: Running) -> None:
    photo = cv2.imencode(".jpg", data.astronaut()[..., ::-1])[1].tobytes()
    assert "<html" in running.ask("/").text.lower()
    assert running.ask("/livez", host="192.168.1.20").status_code == 200
    assert running.ask("/livez", host="photos.example.com").status_code == 421  # until it is in --allowed-hosts
    answer = running.ask("/v1/cutout", photo)
    assert answer.status_code == 200
    (kept,) = running.outputs.iterdir()
    assert kept.name.endswith("-image_file-cutout.png") and kept.read_bytes() == answer.content
    status = kept.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (USER, 0o644)


def test_nothing_in_it_is_root(running: Running) -> None:
    first = psutil.Process(running.process.pid).children()[0]
    family = [first, *first.children(recursive=True)]
    names = {each.name() for each in family}
    assert {"dumb-init", "tritonserver"} <= names and len(family) >= 6  # the supervisor, the page and two models beside
    for each in family:
        told = dict(line.split(":\t", 1) for line in Path(f"/proc/{each.pid}/status").read_text().splitlines())
        assert told["Uid"].split() == told["Gid"].split() == [str(USER)] * 4, told
        assert told["CapEff"] == told["CapPrm"] == told["CapBnd"] == "0" * 16, told
        assert told["NoNewPrivs"] == "1", told


def test_the_health_check_of_the_image(running: Running) -> None:
    (check,) = [text for name, text in image.instructions(ROOT / "Dockerfile") if name == "HEALTHCHECK"]
    words = image.words_of(check.partition(" CMD ")[2].replace("7860", str(running.port)))
    assert words[0] == "python"
    subprocess.run([sys.executable, *words[1:]], check=True, timeout=30)


def test_it_ends_when_it_is_asked_to(running: Running) -> None:
    first = psutil.Process(running.process.pid).children()[0]
    first.send_signal(signal.SIGTERM)  # as `docker stop`
    assert running.process.wait(STOP_SECONDS) == 0, running.log.read_text()


SHOW = ["sh", "-c", 'echo "$(id -u):$(id -g) ${MATTING_OUTPUTS:-none}"; touch /app/outputs/x 2>/dev/null && echo kept']


@pytest.mark.parametrize(
    ("owner", "user", "said"),
    [
        (None, None, "10001:10001 none"),
        (0, None, "10001:10001 /app/outputs\nkept"),
        (1234, None, "1234:1234 /app/outputs\nkept"),
        (5000, 5000, "5000:5000 /app/outputs\nkept"),
        (0, 5000, "5000:5000 /app/outputs"),
    ],
)
def test_whose_the_results_are(tmp_path: Path, owner: int | None, user: int | None, said: str) -> None:
    (tmp_path / "root").mkdir()
    outputs = None
    if owner is not None:
        outputs = tmp_path / "outputs"
        outputs.mkdir(mode=0o755)
        os.chown(outputs, owner, owner)
    with (tmp_path / "log").open("w") as log:
        done = Container(tmp_path / "root", outputs, user).start(SHOW, log).wait(30)
    assert (tmp_path / "log").read_text().strip() == said
    assert done == (0 if said.endswith("kept") else 1)
