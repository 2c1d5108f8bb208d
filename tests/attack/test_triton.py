"""The embedded Triton against other websites, other users and those who know the flaws of its release."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from matting_client.engines import GrpcEngine, HttpEngine
from matting_client.triton import shm
from playwright.sync_api import Browser
from tritonclient.utils import InferenceServerException

from tests.attack import http2
from tests.attack.conftest import EVIL
from tests.protocol.serving import SIZES, Served

MODEL = "matting_512"
INFER = f"/v2/models/{MODEL}/infer"
PIXELS = bytes(SIZES[MODEL] ** 2 * 3)
TENSOR = {"name": "image", "datatype": "UINT8", "shape": [1, SIZES[MODEL], SIZES[MODEL], 3]}
SHM = Path("/dev/shm")


@pytest.fixture(scope="module")
def triton() -> Iterator[Served]:
    """Everything that can be switched on is on."""
    server = Served()
    try:
        yield server.wait_ready()
    finally:
        assert server.stop() == 0, server.log


@pytest.fixture(autouse=True)
def _unharmed(triton: Served) -> Iterator[None]:
    """Every attack leaves the same processes, which answer."""
    before = {each.pid for each in triton.processes()}
    yield
    assert {each.pid for each in triton.processes()} == before
    with HttpEngine(triton.http, MODEL) as engine:
        assert engine.infer(np.zeros((1, 512, 512, 3), np.uint8)).shape == (1, 512, 512, 1)


def send(
    served: Served, method: str, path: str, body: Any = None, port: int | None = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port or served.ports[0], timeout=60)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def binary_request(**more: Any) -> tuple[bytes, dict[str, str]]:
    """A good inference, and the headers it needs."""
    tensor = {**TENSOR, "parameters": {"binary_data_size": len(PIXELS)}}
    text = json.dumps({"inputs": [tensor], **more}).encode()
    return text + PIXELS, {"Inference_Header_Content_Length": str(len(text))}


def images_in_company(served: Served) -> int:
    """Images that went through the model beside others of their batch; the supervisor's probes go alone."""
    counts = served.counts(MODEL)
    return counts["nv_inference_count"] - counts["nv_inference_exec_count"]


FOREIGN = {
    "rebound": {"Host": "evil.test:8000"},
    "origin": {"Origin": "http://evil.test"},
    "sandboxed": {"Origin": "null"},
    "cross-site": {"Sec_Fetch_Site": "cross-site"},
    "other-port": {"Sec_Fetch_Site": "same-site"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_page_is_refused(triton: Served, headers: dict[str, str]) -> None:
    body, length = binary_request()
    assert send(triton, "POST", INFER, body, **length)[0] == 200
    for method, path in (
        ("POST", INFER),
        ("GET", "/v2"),
        ("GET", "/v2/health/ready"),
        ("POST", "/v2/repository/index"),
    ):
        status, answer = send(triton, method, path, body if method == "POST" else None, **length, **headers)
        assert status in (403, 421), answer
        assert json.loads(answer)["error"]
    assert send(triton, "GET", "/metrics", port=triton.ports[2], **headers)[0] in (403, 421)


SEND = """async ([ports, paths, body]) => {
    for (const port of ports)
        for (const path of paths)
            for (const type of ["text/plain", "application/x-www-form-urlencoded"])
                await fetch(`http://127.0.0.1:${port}${path}`,
                    {method: "POST", mode: "no-cors", headers: {"Content-Type": type}, body}).catch(() => 0);
}"""


def test_what_a_page_may_send_unasked_changes_nothing(
    triton: Served, browser: Browser, website: int, engine: GrpcEngine
) -> None:
    """No request without a preflight does, from a real browser, on any port."""
    paths = [INFER, "/v2/systemsharedmemory/unregister", f"/v2/repository/models/{MODEL}/unload", "/v2/logging"]
    two = {**TENSOR, "shape": [2, *TENSOR["shape"][1:]], "data": [0] * 2 * len(PIXELS)}
    text = json.dumps({"inputs": [two]})
    before = images_in_company(triton)
    assert send(triton, "POST", INFER, text)[0] == 200
    assert images_in_company(triton) == before + 1, "the attack below could not be seen"
    engine.infer(np.zeros((1, 512, 512, 3), np.uint8))
    regions = triton.regions()
    assert regions
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{EVIL}:{website}/")
    page.evaluate(SEND, [triton.ports, paths, text])
    context.close()
    assert images_in_company(triton) == before + 1
    assert triton.regions() == regions


@pytest.fixture
def engine(triton: Served) -> Iterator[GrpcEngine]:
    with GrpcEngine(triton.grpc, MODEL) as engine:
        yield engine


@pytest.mark.parametrize(
    "path",
    [
        "/v2/systemsharedmemory/status",
        "/v2/systemsharedmemory/unregister",
        "/v2/systemsharedmemory/region/x/register",
        "/v2/cudasharedmemory/region/x/register",
        "/v2/repository/index",
        f"/v2/repository/models/{MODEL}/load",
        f"/v2/repository/models/{MODEL}/unload",
        "/v2/trace/setting",
        f"/v2/models/{MODEL}/trace/setting",
        "/v2/logging",
        f"/v2/models/{MODEL}/generate",
        "//v2/logging",
        "/V2/logging",
        "/v2/models/../logging",
        "/v2/models/%2e%2e/logging",
        f"/v2/models/{MODEL}%2f..%2f..%2flogging",
    ],
)
def test_nobody_reaches_memory_models_and_logs_over_http(triton: Served, path: str) -> None:
    for method in ("GET", "POST"):
        assert send(triton, method, path, b"{}" if method == "POST" else None)[0] in (404, 405)


@pytest.mark.parametrize("name", ['"shared_memory_region"', '"shared\\u005fmemory_region"'])
@pytest.mark.parametrize("twice", [False, True])
def test_no_region_is_used_over_http(triton: Served, name: str, twice: bool) -> None:
    """Neither written in another way, nor hidden behind a second value that a parser may prefer."""
    memory = f'{{{name}: "theirs", "shared_memory_byte_size": {len(PIXELS)}}}'
    other = ', "parameters": {}' if twice else ""
    tensor = f'{json.dumps(TENSOR)[:-1]}, "parameters": {memory}{other}}}'
    status, answer = send(triton, "POST", INFER, f'{{"inputs": [{tensor}]}}')
    assert status in (400, 403), answer
    assert b"region" not in answer


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"[" * 60_000, 400, id="nested"),
        pytest.param(b'{"a":' * 60_000, 400, id="nested-objects"),
        pytest.param(b"[" * 20_000_000, 413, id="nested-20-MB"),
        pytest.param(bytes(33 * 2**20), 413, id="large"),
        pytest.param('{"inputs": []}'.encode("utf-16"), 400, id="utf-16"),
    ],
)
def test_json_is_bounded(triton: Served, body: bytes, status: int) -> None:
    assert send(triton, "POST", INFER, body)[0] == status


def test_chunks_are_bounded(triton: Served) -> None:
    """A million of them kill this Triton."""
    before = triton.triton().memory_info().rss
    with socket.create_connection(("127.0.0.1", triton.ports[0]), timeout=60) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(100):
            connection.sendall(b"1\r\n[\r\n" * 10_000)
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert triton.triton().memory_info().rss - before < 50e6


def test_nobody_loads_models_over_grpc(triton: Served) -> None:
    """Nor with the header that Triton's command line asks for, which anyone can read there."""
    command = " ".join(triton.triton().cmdline())
    (name,) = re.findall(r"model-repository[\w,-]*:([\w-]+)=", command)
    with grpcclient.InferenceServerClient(triton.grpc) as client:
        for headers in ({}, {f"triton-grpc-protocol-{name.lower()}": "x"}):
            with pytest.raises(InferenceServerException, match="protocol is restricted"):
                client.unload_model(MODEL, headers=headers)
    answer = http2.call(triton.ports[1], "RepositoryIndex", {f"triton-grpc-protocol-{name}": "x"})
    assert b"grpc-status" in answer
    assert b"matting" not in answer
    # The call is well made: where nothing is restricted it is answered.
    assert b"triton" in http2.call(triton.ports[1], "ServerMetadata", {})


def test_memory_needs_the_token_of_this_user(triton: Served) -> None:
    (file,) = SHM.glob(f"unet_matting_*.grpc_{triton.ports[1]}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text()
    assert len(token) >= 32
    assert not any(token in part for part in triton.triton().cmdline()), "`ps` shows it to everybody"
    with grpcclient.InferenceServerClient(triton.grpc) as client:
        for headers in ({}, {shm.TOKEN_HEADER: token[:-1]}, {shm.TOKEN_HEADER: "*" * len(token)}):
            with pytest.raises(InferenceServerException, match="protocol is restricted"):
                client.unregister_system_shared_memory(headers=headers)
        client.unregister_system_shared_memory(headers={shm.TOKEN_HEADER: token})


def test_files_of_others_are_no_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody may write to /dev/shm: a link, a file that others read, and a pipe that blocks are passed over."""
    monkeypatch.setattr(shm, "FOLDER", tmp_path)
    good = tmp_path / "good"
    good.write_text("token")
    good.chmod(0o600)
    (tmp_path / "unet_matting_1.grpc_1").symlink_to(good)
    open_to_all = tmp_path / "unet_matting_2.grpc_1"
    open_to_all.write_text("token")
    open_to_all.chmod(0o644)
    os.mkfifo(tmp_path / "unet_matting_3.grpc_1", 0o600)
    assert shm.token_headers("127.0.0.1:1") == {}
    good.rename(tmp_path / "unet_matting_4.grpc_1")
    assert shm.token_headers("127.0.0.1:1") == {shm.TOKEN_HEADER: "token"}


def test_internal_memory_has_no_name(triton: Served, engine: GrpcEngine) -> None:
    """Nobody can register it, and no error tells what it was called."""
    engine.infer(np.zeros((8, 512, 512, 3), np.uint8))  # it grows
    maps = Path(f"/proc/{triton.triton().pid}/maps").read_text()
    names = set(re.findall(r"/dev/shm/(unet_matting_[0-9a-f]{8}_\S+)", maps))
    assert len(names) == len(SIZES), maps
    answers = []
    with grpcclient.InferenceServerClient(triton.grpc) as client:
        for name in names:
            with pytest.raises(InferenceServerException, match="Unable to open shared memory region"):
                client.register_system_shared_memory("x", f"/{name}", 64, headers=shm.token_headers(triton.grpc))
        too_many = grpcclient.InferInput("image", [9, 512, 512, 3], "UINT8")
        too_many.set_data_from_numpy(np.zeros((9, 512, 512, 3), np.uint8))
        unknown = grpcclient.InferInput("image", [1, 512, 512, 3], "UINT8")
        unknown.set_shared_memory("unknown", len(PIXELS))
        for tensor in (too_many, unknown):
            with pytest.raises(InferenceServerException) as refused:
                client.infer(MODEL, [tensor])
            answers.append(str(refused.value))
    prefix = next(iter(names)).rsplit("_", 1)[0]
    assert not any(prefix in answer for answer in [*answers, triton.log])


def test_nothing_in_shared_memory_is_for_others(triton: Served, engine: GrpcEngine) -> None:
    engine.infer(np.zeros((1, 512, 512, 3), np.uint8))
    ours = [path for path in SHM.glob("unet_matting_*") if path.stat().st_uid == os.getuid()]
    assert ours
    assert [path for path in ours if path.stat().st_mode & 0o077] == []
