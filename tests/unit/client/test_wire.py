"""Addresses, tensors and connection settings of the Triton engines."""

from __future__ import annotations

import asyncio
import socket
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from matting_client import connect, connect_async
from matting_client.connection import split_url
from matting_client.errors import EngineError, ModelError, OptionError
from matting_client.triton.grpc import AsyncGrpcEngine
from matting_client.triton.http import AsyncHttpEngine
from matting_client.triton.protocol import alpha_shape, grpc_settings, input_side, is_local, request_tensors
from matting_client.triton.retry import translate
from matting_client.triton.shm import Region
from tritonclient.utils import InferenceServerException


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("127.0.0.1:8001", True),
        ("127.8.8.8:1", True),
        ("localhost:8001", True),
        ("[::1]:8001", True),
        ("10.0.0.1:8001", False),
        ("triton:8001", False),
        ("localhost.example:8001", False),
        ("[2001:db8::1]:8001", False),
    ],
)
def test_loopback(url: str, local: bool) -> None:
    assert is_local(url) is local
    assert (("grpc.enable_http_proxy", 0) in grpc_settings(url)) is local


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("grpc://a:1", ("grpc", "a:1")),
        ("http://127.0.0.1:8000/", ("http", "127.0.0.1:8000")),
        ("127.0.0.1:8001", ("grpc", "127.0.0.1:8001")),
        ("[::1]:8001", ("grpc", "[::1]:8001")),
        ("http://[::1]:8000", ("http", "[::1]:8000")),
    ],
)
def test_urls(url: str, expected: tuple[str, str]) -> None:
    assert split_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "a:",
        "a:b",
        "ftp://a:1",
        "https://a:1",
        "grpc://a",
        "http://a:1/v2",
        "a:0",
        "a:88537",
        "http://a:99999",
        "a:²",
    ],
)
def test_no_urls(url: str) -> None:
    for make in (lambda: connect(url=url), lambda: connect_async(url)):
        with pytest.raises(OptionError, match=r"^url: got '.*', expected "):
            make()


def metadata(*shape: int | str, name: str = "image") -> dict[str, Any]:
    return {"inputs": [{"name": name, "datatype": "UINT8", "shape": list(shape)}]}


def test_the_side_of_a_model() -> None:
    assert input_side("m", "u:1", metadata(-1, 512, 512, 3)) == 512
    assert input_side("m", "u:1", metadata("-1", "1024", "1024", "3")) == 1024  # as gRPC's JSON has it


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        metadata(-1, 512, 512, 3, name="picture"),
        metadata(-1, 3, 512, 512),
        metadata(-1, 512, 256, 3),
        metadata(-1, 512, 512, 1),
        metadata(),
        metadata(-1, -1, -1, 3),
        metadata(512, 512, 3),
    ],
)
def test_models_of_others(wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"^u:1: m has inputs .*, expected image \(batch, S, S, 3\).*choose a "):
        input_side("m", "u:1", wrong)


@pytest.mark.parametrize("module", [tritonclient.grpc, tritonclient.http])
def test_pixels_travel_in_the_request(module: ModuleType) -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    [given], [wanted] = request_tensors(module, image)
    assert (given.name(), given.datatype(), given.shape()) == ("image", "UINT8", [2, 2, 2, 3])
    assert wanted.name() == "alpha"
    body = given._get_content() if module is tritonclient.grpc else given._get_binary_data()
    assert bytes(body) == image.tobytes()


def test_a_region_carries_both_ways() -> None:
    """The answer lies behind the whole region's picture part, also for a smaller batch."""
    region = Region(48, 16)
    try:
        [given], [wanted] = request_tensors(tritonclient.http, np.zeros((2, 2, 2, 3), np.uint8), region)
        there = {"shared_memory_region": region.name, "shared_memory_byte_size": 24}
        assert given._get_tensor()["parameters"] == there
        back = {"shared_memory_region": region.name, "shared_memory_byte_size": 8, "shared_memory_offset": 48}
        assert back.items() <= wanted._get_tensor()["parameters"].items()
    finally:
        region.close()


def test_shape_of_the_answer() -> None:
    assert alpha_shape(np.zeros((3, 8, 8, 3), np.uint8)) == (3, 8, 8, 1)


def test_what_may_still_be_written_to() -> None:
    """Only a request that the server has ended surely leaves its memory alone."""
    for text, answered in (
        ("unexpected shape for input 'image'", True),
        ("Exceeds maximum queue size", True),
        ("Stub process 'a' is not healthy.", True),
        ("Deadline Exceeded", False),
        ("Socket closed", False),
    ):
        assert translate(InferenceServerException(text), "u:1", "m").answered is answered


@pytest.mark.parametrize("engine", [AsyncGrpcEngine, AsyncHttpEngine])
@pytest.mark.parametrize("size", [0, 8], ids=["connects", "infers"])
def test_closing_fails_the_calls_at_work_and_cancels_nobody(
    engine: type[AsyncGrpcEngine] | type[AsyncHttpEngine], size: int
) -> None:
    """The server listens and never answers; one of the two tasks is cancelled by its owner as well."""

    async def run(address: str) -> list[object]:
        one = engine(address, shared_memory=False)
        one.size = size
        batch = np.zeros((1, 8, 8, 3), np.uint8)
        left, cancelled = (asyncio.create_task(one.infer(batch)) for _ in range(2))
        await asyncio.sleep(0.1)
        cancelled.cancel()
        await one.close()
        return list(await asyncio.gather(left, cancelled, return_exceptions=True))

    with socket.create_server(("127.0.0.1", 0)) as server:
        left, cancelled = asyncio.run(asyncio.wait_for(run(f"127.0.0.1:{server.getsockname()[1]}"), 60))
    assert isinstance(left, EngineError) and "a client that was closed" in str(left)
    assert isinstance(cancelled, asyncio.CancelledError)
