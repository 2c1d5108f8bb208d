"""Whatever process dies, the server comes back and no request of a patient client is lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from matting_client.engines import GrpcEngine, HttpEngine
from numpy.typing import NDArray

from tests.protocol.serving import Served

HEAL_SECONDS = 60.0  # generous: the machine may be busy; `python -m matting_bench.healing` measures it
WAIT_SECONDS = 30.0  # half of the time after which a client gives a request up
MODEL = "matting_512"
CLIENTS = 3


@dataclass
class Stream:
    """Clients that send one photo after the other until told to stop; counts what they get back."""

    served: Served
    photo: NDArray[np.uint8]
    stop: threading.Event = field(default_factory=threading.Event)
    answers: list[tuple[float, float, NDArray[np.uint8]]] = field(default_factory=list)  # sent, received, alpha
    failures: list[Exception] = field(default_factory=list)

    def run(self, make: Callable[[], GrpcEngine | HttpEngine]) -> None:
        with make() as engine:
            while not self.stop.is_set():
                sent = time.monotonic()
                try:
                    alpha = engine.infer(self.photo)
                except Exception as error:
                    self.failures.append(error)
                    return
                self.answers.append((sent, time.monotonic(), alpha))

    def answered_after(self, moment: float) -> bool:
        """Say whether a request sent after ``moment`` has been answered."""
        return any(sent > moment for sent, _, _ in list(self.answers))


# A death within a minute of another makes the supervisor pause longer: no more than are needed.
@pytest.mark.parametrize(("engine", "victim"), [(GrpcEngine, "stub"), (HttpEngine, "stub"), (GrpcEngine, "triton")])
def test_kill_9_loses_no_request(
    served: Served, portraits: dict[str, NDArray[np.uint8]], victim: str, engine: type[GrpcEngine | HttpEngine]
) -> None:
    url = served.grpc if engine is GrpcEngine else served.http
    shared = _client_regions()
    stream = Stream(served, portraits[MODEL][:1])
    with engine(url, MODEL) as one:
        expected = one.infer(stream.photo).astype(int)
    threads = [threading.Thread(target=stream.run, args=(lambda: engine(url, MODEL),)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        _until(lambda: len(stream.answers) >= 2 * CLIENTS, 60)
        process = served.stub(MODEL) if victim == "stub" else served.triton()
        killed = time.monotonic()
        process.kill()
        _until(lambda: stream.answered_after(killed) or stream.failures, 60)
        healed = time.monotonic() - killed
    finally:
        stream.stop.set()
        for thread in threads:
            thread.join(60)
        _until(served.is_ready, 60)
    assert stream.failures == []
    for sent, received, alpha in stream.answers:
        assert np.abs(alpha.astype(int) - expected).max() <= 1
        assert received - sent < WAIT_SECONDS
    assert _client_regions() == shared
    print(f"{victim} killed with -9: answers again after {healed:.1f} s")
    assert healed < HEAL_SECONDS


def test_an_idle_server_is_revived_too(served: Served) -> None:
    """Nobody sends anything: only the canary can notice."""
    old = served.stub("matting_1024")
    revived = served.log.count("matting_1024: its process had died; revived")
    killed = time.monotonic()
    old.kill()
    _until(lambda: served.log.count("matting_1024: its process had died; revived") > revived, 60)
    assert time.monotonic() - killed < HEAL_SECONDS
    assert served.stub("matting_1024").pid != old.pid


def _client_regions() -> set[str]:
    """Shared memory of the clients in this process."""
    return {path.name for path in Path("/dev/shm").glob(f"unet_matting_client_{os.getpid()}_*")}


def _until(true: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
