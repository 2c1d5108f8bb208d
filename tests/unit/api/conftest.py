"""The real API on a real socket, with a tiny real model in this process."""

from __future__ import annotations

import io
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
import uvicorn
from matting_api.app import create_app
from matting_api.main import listen
from matting_api.middleware import rate_limit
from matting_api.middleware.connections import Server, server_config
from matting_api.middleware.proxies import Proxies
from matting_api.request.fetch import Fetcher
from matting_api.settings import Settings
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from skimage import data, draw

SIDE = 64
END_SECONDS = 60  # generous: the machine may be busy
Serve = Callable[..., httpx.Client]


def write_model(repository: Path, version: int = 1, *, inverted: bool = False) -> None:
    """A model of the served contract whose alpha is the brightness, or the darkness."""
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], axes=[3], keepdims=1),
        helper.make_node("Constant", [], ["white"], value_float=255.0),
        helper.make_node("Sub", ["white", "mean"], ["darkness"]),
        helper.make_node("Round", ["darkness" if inverted else "mean"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["alpha"], to=TensorProto.UINT8),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])]
    outputs = [helper.make_tensor_value_info("alpha", TensorProto.UINT8, ["N", SIDE, SIDE, 1])]
    graph = helper.make_graph(nodes, "brightness", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = repository / "matting_512" / str(version) / "model.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(model, path)


@contextmanager
def running(settings: Settings, fetcher: Fetcher | None = None) -> Iterator[httpx.Client]:
    """The API of these settings, served by the real server on a free port."""
    with (
        serving_at(server_config(create_app(settings, fetcher), Proxies(settings.trusted_proxies))) as (host, port),
        httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as client,
    ):
        yield client


@contextmanager
def serving_at(config: uvicorn.Config) -> Iterator[tuple[str, int]]:
    """The real server on a free port; yields its address."""
    server = Server(config)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(END_SECONDS)
            assert not thread.is_alive(), "\n".join(_stacks())


def _stacks() -> Iterator[str]:
    """Where every thread of this process is, for an end that does not come."""
    for frame in sys._current_frames().values():
        yield "".join(traceback.format_stack(frame))


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write_model(folder)
    return folder


@pytest.fixture
def serve(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts an API with the settings given; it ends with the test, and no minute of its rates ends before."""
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    monkeypatch.setattr(rate_limit, "steady_clock", lambda: lambda: 30.0)
    with ExitStack() as running_ones:

        def start(fetcher: Fetcher | None = None, **settings: Any) -> httpx.Client:
            return running_ones.enter_context(running(Settings(**{"engine": "local", **settings}), fetcher))

        yield start


@pytest.fixture(scope="session")
def api(repository: Path) -> Iterator[httpx.Client]:
    """One API that tests share when they leave it as it was."""
    settings = Settings(engine="local", max_upload_mb=4, max_pixels=2_000_000)
    with ExitStack() as open_ones:
        with pytest.MonkeyPatch.context() as patch:  # only until the model is there: other tests want the real one
            patch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
            client = open_ones.enter_context(running(settings))
            assert client.get("/readyz").status_code == 200
        yield client


@pytest.fixture(scope="session")
def disc() -> bytes:
    """A bright disc of 80 px in a black photo of 200 x 100, with its middle at (60, 50), as a PNG."""
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[draw.disk((50, 60), 40)] = 255
    return encode(photo)


@pytest.fixture(scope="session")
def portrait() -> bytes:
    """The astronaut, not square, as a PNG."""
    return encode(data.astronaut()[:400])


def encode(picture: NDArray[np.uint8], format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format)
    return buffer.getvalue()


def pixels(body: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(body)))


def error(response: httpx.Response) -> dict[str, str]:
    """The one error of an answer, whose form is checked."""
    assert response.headers["content-type"] == "application/json"
    (found,) = response.json()["errors"]
    assert found.keys() == {"title", "code", "detail"} and all(found.values())
    return dict(found)


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
