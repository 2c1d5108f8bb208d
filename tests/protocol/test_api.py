"""The REST API with the real Triton behind it: also before Triton is there, and after it was gone."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import uvicorn
from matting_client import connect
from PIL import Image
from skimage import data

from api.app import create_app
from api.settings import Settings
from tests.protocol.serving import Served


@contextmanager
def api_of(server: Served) -> Iterator[httpx.Client]:
    settings = Settings(url=server.grpc, retry_seconds=2.0)
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


def cut(api: httpx.Client) -> httpx.Response:
    return api.post("/v1.0/removebg", files={"image_file": ("astronaut.png", portrait())})


def test_same_result_as_the_client(served: Served) -> None:
    with api_of(served) as api, connect(url=served.grpc) as client:
        assert api.get("/readyz").json() == {"status": "ready", "model": "matting_512"}
        assert cut(api).content == client.cutout(portrait()).to_bytes()


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
            gone = cut(api)
            assert gone.status_code == 503 and int(gone.headers["retry-after"]) > 0
    finally:
        server.stop()
