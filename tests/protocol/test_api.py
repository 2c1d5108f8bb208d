"""The REST API with the real Triton behind it: also before Triton is there, and after it was gone."""

from __future__ import annotations

import io
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx
import numpy as np
import pytest
import uvicorn
from matting_api.app import create_app
from matting_api.settings import Settings
from matting_api.triton_probe import Silence, TritonProbe
from matting_bench.server_process import free_ports
from matting_client import Options, connect
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.protocol.serving import Served


@contextmanager
def api_of(server: Served, url: str | None = None, retry_seconds: float = 2.0) -> Iterator[httpx.Client]:
    settings = Settings(url=url or server.grpc, retry_seconds=retry_seconds)
    http = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None, ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=http.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=90) as client:
                yield client
        finally:
            http.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def portrait() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")
    return buffer.getvalue()


def opened(picture: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(picture)))


def cut(api: httpx.Client) -> httpx.Response:
    return api.post("/v1.0/removebg", files={"image_file": ("astronaut.png", portrait())})


def test_same_result_as_the_client(served: Served) -> None:
    with api_of(served) as api, connect(url=served.grpc) as client:
        assert api.get("/readyz").json() == {"status": "ready", "model": "matting_512"}
        assert cut(api).content == client.cutout(portrait()).to_bytes()


def test_plain_endpoints_and_zip_give_the_same_alpha(served: Served) -> None:
    with api_of(served) as api, connect(url=served.grpc) as client:
        expected = client.alpha(portrait())
        assert np.array_equal(opened(api.post("/v1/alpha", content=portrait()).content), expected)
        assert np.array_equal(opened(api.post("/v1/cutout", content=portrait()).content)[..., 3], expected)
        zipped = api.post("/v1.0/removebg", files={"image_file": portrait()}, data={"format": "zip"}).content
        with zipfile.ZipFile(io.BytesIO(zipped)) as file:
            assert np.array_equal(opened(file.read("alpha.png")), expected)
        cropped = api.post("/v1/cutout?crop=true&crop_margin=5%25&scale=90%25&size=300px", content=portrait())
        options = Options(crop=True, crop_margin="5%", scale="90%", size="300px")
        assert cropped.content == client.cutout(portrait(), options).to_bytes()


def test_health_tells_of_triton(served: Served) -> None:
    before = served.counts("matting_512")["nv_inference_request_success"]
    for url in (served.grpc, f"http://{served.http}"):
        with api_of(served, url) as api:
            cut(api)
            found = api.get("/v2/health").json()
            assert (found["status"], found["engine"], found["server"]["name"]) == ("ready", "triton", "triton")
            assert found["server"]["version"].count(".") == 2
            batches = found["batches"]
            assert batches["images"] >= batches["batches"] >= 1 <= batches["mean_batch"]
            assert batches["images"] > before and batches["infer_ms"] > 0 <= batches["queue_ms"]


def test_requests_at_once_are_batched(served: Served) -> None:
    with api_of(served) as api:
        expected = np.asarray(Image.open(io.BytesIO(cut(api).content)), np.int16)
        answers: list[httpx.Response] = []
        threads = [threading.Thread(target=lambda: answers.append(cut(api))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [each.status_code for each in answers] == [200] * 8
    for each in answers:
        # Another batch size may round one step of 255 apart.
        assert np.abs(np.asarray(Image.open(io.BytesIO(each.content)), np.int16) - expected)[..., 3].max() <= 1


def test_it_waits_for_triton_and_survives_its_end() -> None:
    server = Served()
    try:
        with api_of(server) as api:
            assert api.get("/readyz").status_code == 503
            first = cut(api)
            assert (first.status_code, first.json()["errors"][0]["code"]) == (503, "server_unavailable")
            server.wait_ready()
            assert api.get("/readyz").status_code == 200
            assert cut(api).status_code == 200
            server.triton().kill()
            again = time.monotonic() + 60
            while cut(api).status_code != 200:  # the supervisor starts it again
                assert api.get("/livez").status_code == 200
                assert time.monotonic() < again
            assert server.stop() == 0
            assert api.get("/readyz").status_code == 503
            assert api.get("/v2/health").json()["status"] == "not ready"
            gone = cut(api)
            assert gone.status_code == 503 and int(gone.headers["retry-after"]) > 0
    finally:
        server.stop()


class Way:
    """A port that leads to a server while it is open, and to nobody while it is shut."""

    def __init__(self, target: str) -> None:
        self._target = target.rpartition(":")[::2]
        (self._port,) = free_ports(1)
        self.address = f"127.0.0.1:{self._port}"
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        while self._sockets:
            with suppress(OSError):
                self._sockets.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # shut
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((self._target[0], int(self._target[1])))
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while some := source.recv(65536):
                sink.sendall(some)
        for each in (source, sink):  # the other direction ends with it
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()


@pytest.mark.parametrize("is_connected", [False, True], ids=["a new connection", "a known one"])
def test_each_request_waits_by_itself(served: Served, is_connected: bool) -> None:
    """One whose time is up does not take along another, which came later."""
    way = Way(served.grpc)
    with api_of(served, way.address, retry_seconds=5.0) as api, ThreadPoolExecutor(2) as pool:
        if is_connected:
            way.open()
            assert cut(api).status_code == 200
            way.shut()
        early = pool.submit(cut, api)
        time.sleep(4.0)
        late = pool.submit(cut, api)
        assert early.result().json()["errors"][0]["code"] == "server_unavailable"
        assert not late.done()
        way.open()
        try:
            assert late.result().status_code == 200
        finally:
            way.shut()


def test_a_proxy_that_is_set_for_other_machines_is_not_asked(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with TritonProbe(served.grpc, "matting_512") as probe:
        probe.check_ready(Silence())
