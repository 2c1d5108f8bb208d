"""What a server's answers mean, and when it is asked again."""

from __future__ import annotations

import asyncio
import os
import socket
import time

import numpy as np
import pytest
from matting_client import connect, connect_async
from matting_client.engines import GrpcEngine, HttpEngine
from matting_client.errors import EngineError, ModelError, OptionError, ServerBusy, ServerUnavailable
from matting_client.triton.retry import Retry, has_forgotten, is_in_use, translate
from tritonclient.utils import InferenceServerException


def answer(text: str, status: str | None) -> InferenceServerException:
    return InferenceServerException(text, status)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("Exceeds maximum queue size", "StatusCode.UNAVAILABLE"), ServerBusy),
        (answer("Request timeout expired", "503"), ServerBusy),
        (answer("failed to connect to all addresses", "StatusCode.UNAVAILABLE"), ServerUnavailable),
        (answer("Deadline Exceeded", "StatusCode.DEADLINE_EXCEEDED"), ServerUnavailable),
        (
            answer(
                "Failed to process the request(s) for model 'matting_512_0', message: Stub process "
                "'matting_512_0' is not healthy.",
                "StatusCode.INTERNAL",
            ),
            ServerUnavailable,
        ),
        (answer("Request for unknown model: 'matting_512' has no available versions", "400"), ServerUnavailable),
        (ConnectionRefusedError(111, "Connection refused"), ServerUnavailable),
        (TimeoutError("timed out"), ServerUnavailable),
        (ConnectionResetError(), ServerUnavailable),
        (answer("Request for unknown model: 'x' is not found", "StatusCode.NOT_FOUND"), ModelError),
        (answer("unexpected shape for input 'image'", "StatusCode.INVALID_ARGUMENT"), ModelError),
        (answer("unexpected shape for input 'image'", "400"), ModelError),
        (answer("", None), ModelError),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, Exception) else value.__name__,
)
def test_answers(error: Exception, kind: type[EngineError]) -> None:
    translated = translate(error, "10.0.0.1:8001", "matting_512")
    assert type(translated) is kind
    assert str(translated).startswith("10.0.0.1:8001: ")
    assert "\n" not in str(translated)
    assert "matting_512" in str(translated)


def test_long_answers_become_one_line() -> None:
    assert "refused the request: [400] first second" in str(translate(answer("first\n\n  second\n", "400"), "u:1", "m"))


def test_our_own_errors_pass() -> None:
    error = ModelError("x", "y")
    assert translate(error, "u:1", "m") is error


def test_forgotten_regions() -> None:
    assert has_forgotten(answer("Unable to find shared memory region: 'unet_matting_client_1'", "400"))
    assert not has_forgotten(answer("Unable to find model", "400"))
    assert not has_forgotten(OSError("Unable to find shared memory region"))


def test_waits_double_and_stay_in_their_bounds() -> None:
    waits = Retry(budget=1000, first=0.1, longest=1.0).waits()
    for expected in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0):
        assert expected / 2 <= next(waits) <= expected


def test_the_budget_counts_time_that_passes() -> None:
    waits = Retry(budget=0.2, first=0.01, longest=0.01).waits()
    assert next(waits) <= 0.01
    time.sleep(0.25)  # an attempt that took long
    assert next(waits, None) is None
    assert list(Retry(budget=0).waits()) == []


def test_waits_do_not_all_agree() -> None:
    assert len({next(Retry().waits()) for _ in range(20)}) > 10


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("scheme", ["", "grpc://", "http://"])
def test_no_server(closed_port: int, scheme: str) -> None:
    with pytest.raises(
        ServerUnavailable, match=f"^127.0.0.1:{closed_port}: no answer from matting_512 .*matting serve"
    ):
        connect(url=f"{scheme}127.0.0.1:{closed_port}")


@pytest.mark.parametrize("engine", [GrpcEngine, HttpEngine])
def test_a_host_that_cannot_be_resolved(engine: type[GrpcEngine | HttpEngine]) -> None:
    with pytest.raises(ServerUnavailable):
        engine("no-such-host.invalid:8001", timeout=5)


@pytest.mark.parametrize("engine", [GrpcEngine, HttpEngine])
def test_something_else_listens(engine: type[GrpcEngine | HttpEngine]) -> None:
    """It accepts and says nothing: the timeout ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(EngineError):
        engine(f"127.0.0.1:{listener.getsockname()[1]}", timeout=1)


def test_engines_that_are_none() -> None:
    with pytest.raises(OptionError, match="engine: got 'gpu', expected triton or local; give an address as url"):
        connect("gpu")


def test_a_region_in_use_is_told_from_one_that_is_gone() -> None:
    held = "Cannot unregister shared memory region 'r', it is currently in use."
    assert is_in_use(answer(held, "StatusCode.INTERNAL")) and is_in_use(answer(held, "400"))
    assert not is_in_use(answer("Unable to find system shared memory region: 'r'", "StatusCode.NOT_FOUND"))
    assert not is_in_use(ConnectionRefusedError(111, "Connection refused"))


def test_a_client_closed_in_the_middle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = {"inputs": [{"name": "image", "shape": [-1, 8, 8, 3]}]}
    monkeypatch.setattr(GrpcEngine, "_metadata", lambda engine: metadata)
    engine = GrpcEngine("127.0.0.1:1", shared_memory=False)

    def closed_by_another(*_: object) -> None:
        engine.close()
        raise ValueError("Cannot invoke RPC on closed channel!")

    monkeypatch.setattr(engine, "_infer", closed_by_another)
    for _ in range(2):
        with pytest.raises(EngineError, match="a client that was closed"):
            engine.infer(np.zeros((1, 8, 8, 3), np.uint8))


def test_an_asynchronous_client_is_closed_in_its_event_loop() -> None:
    async def run() -> None:
        client = connect_async("127.0.0.1:1")
        await client.close()
        with pytest.raises(EngineError, match="a client that was closed"):
            await client.engine.connect()
        client.engine.size = 8
        with pytest.raises(EngineError, match="a client that was closed"):
            await client.engine.infer(np.zeros((1, 8, 8, 3), np.uint8))

    asyncio.run(run())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_client_is_of_the_process_that_made_it(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """After a fork two processes would write their photos into one memory, and read each other's answers."""
    for kind in (GrpcEngine, HttpEngine):
        monkeypatch.setattr(kind, "_metadata", lambda _: {"inputs": [{"name": "image", "shape": [-1, 8, 8, 3]}]})
    batch = np.zeros((1, 8, 8, 3), np.uint8)
    engine = connect(url=f"{scheme}://127.0.0.1:1").engine
    awaited = connect_async(f"{scheme}://127.0.0.1:1").engine
    awaited.size = 8
    child = os.fork()
    if child == 0:
        refused = 0
        for work in (lambda: engine.infer(batch), lambda: asyncio.run(awaited.infer(batch))):
            try:
                work()
            except EngineError as error:
                refused += "made before a fork" in str(error)
        engine.close()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
