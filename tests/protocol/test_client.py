"""The client against the real server: shared memory over restarts, threads, and folders whose server dies."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from matting_client.engines import AsyncGrpcEngine, AsyncHttpEngine, GrpcEngine, HttpEngine
from matting_client.errors import EngineError, ModelError, OptionError, ServerUnavailable
from matting_client.triton import shm
from matting_client.triton.retry import Retry
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.protocol.serving import Served

Photos = dict[str, NDArray[np.uint8]]
SyncEngine = type[GrpcEngine | HttpEngine]
AsyncEngine = type[AsyncGrpcEngine | AsyncHttpEngine]
MODEL = "matting_512"
SYNC = [GrpcEngine, HttpEngine]
ASYNC = [AsyncGrpcEngine, AsyncHttpEngine]


def url_of(served: Served, engine: SyncEngine | AsyncEngine) -> str:
    return served.grpc if "Grpc" in engine.__name__ else served.http


@pytest.mark.parametrize("engine", SYNC)
def test_one_engine_serves_many_threads(served: Served, portraits: Photos, engine: SyncEngine) -> None:
    shares = engine is GrpcEngine
    photos = portraits[MODEL]
    sizes = [1, 3, 2, 8] * 4
    with engine(url_of(served, engine), MODEL) as one:
        assert one.transport == ("shared memory" if shares else "http")
        expected = one.infer(photos)
        with ThreadPoolExecutor(8) as pool:
            for size, alpha in zip(sizes, pool.map(lambda size: one.infer(photos[:size]), sizes), strict=True):
                assert np.abs(alpha.astype(int) - expected[:size]).max() <= 1
        assert shares <= len(served.regions()) <= 8 * shares  # no more than requests ever ran at once
    assert served.regions() == []


@pytest.mark.parametrize(
    ("engine", "shared_memory"), [(AsyncGrpcEngine, None), (AsyncGrpcEngine, False), (AsyncHttpEngine, None)]
)
def test_one_async_engine_serves_many_tasks(
    served: Served, portraits: Photos, engine: AsyncEngine, shared_memory: bool | None
) -> None:
    photos = portraits[MODEL]

    async def run() -> list[NDArray[np.uint8]]:
        async with engine(url_of(served, engine), MODEL, shared_memory=shared_memory) as one:
            assert (one.transport == "shared memory") is (shared_memory is None and engine is AsyncGrpcEngine)
            return await asyncio.gather(*(one.infer(photos[: 1 + size % 3]) for size in range(9)))

    alphas = asyncio.run(run())
    assert [len(alpha) for alpha in alphas] == [1, 2, 3] * 3
    for alpha in alphas:
        assert np.abs(alpha.astype(int) - alphas[2][: len(alpha)]).max() <= 1
    assert served.regions() == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("engine", SYNC)
def test_a_forked_process_makes_a_client_of_its_own(served: Served, portraits: Photos, engine: SyncEngine) -> None:
    def use() -> None:
        with engine(url_of(served, engine), MODEL) as one:
            one.infer(portraits[MODEL][:1])

    use()
    child = multiprocessing.get_context("fork").Process(target=use)
    child.start()
    child.join(30)
    child.kill()
    assert child.exitcode == 0


@pytest.mark.parametrize("engine", [GrpcEngine, AsyncGrpcEngine])
def test_without_common_memory_the_pixels_are_sent(
    served: Served,
    portraits: Photos,
    engine: SyncEngine | AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """As with a server in a container, whose address is local but whose memory is not."""
    photo = portraits[MODEL][:1]
    expected = infer(engine, url_of(served, engine), photo, shared_memory=False)[0]
    headers = shm.token_headers(served.grpc)
    monkeypatch.setattr(shm, "FOLDER", tmp_path)  # blocks are made, but where the server does not look
    monkeypatch.setattr("matting_client.triton.grpc.token_headers", lambda url: headers)
    alpha, transport = infer(engine, url_of(served, engine), photo, retry=Retry(budget=0))
    assert transport == "grpc"
    assert np.array_equal(alpha, expected)
    with pytest.raises(ModelError):
        infer(engine, url_of(served, engine), photo, shared_memory=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", [GrpcEngine, AsyncGrpcEngine])
def test_without_a_token_the_pixels_are_sent(
    served: Served, portraits: Photos, engine: SyncEngine | AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of another user, which does not show this one its token, and one that has a new token."""
    photo = portraits[MODEL][:1]
    for headers in ({}, {shm.TOKEN_HEADER: "old"}):
        monkeypatch.setattr("matting_client.triton.grpc.token_headers", lambda url, it=headers: it)
        assert infer(engine, served.grpc, photo, retry=Retry(budget=0))[1] == "grpc"
        with pytest.raises(ModelError, match="does not know our shared memory"):
            infer(engine, served.grpc, photo, shared_memory=True)
    assert served.regions() == []


@pytest.mark.parametrize("engine", [HttpEngine, AsyncHttpEngine])
def test_memory_is_shared_over_grpc_only(served: Served, engine: SyncEngine | AsyncEngine) -> None:
    with pytest.raises(OptionError, match=r"^shared_memory: got True, but pixels can be shared over gRPC only"):
        engine(served.http, MODEL, shared_memory=True)


def infer(
    engine: SyncEngine | AsyncEngine,
    url: str,
    photo: NDArray[np.uint8],
    shared_memory: bool | None = None,
    retry: Retry | None = None,
) -> tuple[NDArray[np.uint8], str]:
    """One answer, and how the pixels travelled in the end."""
    made = engine(url, MODEL, shared_memory=shared_memory, retry=retry)
    if isinstance(made, GrpcEngine | HttpEngine):
        with made:
            return made.infer(photo), made.transport

    async def run() -> tuple[NDArray[np.uint8], str]:
        async with made:
            return await made.infer(photo), made.transport

    return asyncio.run(run())


@pytest.mark.parametrize("engine", SYNC)
def test_a_restarted_server_has_forgotten_the_regions(served: Served, portraits: Photos, engine: SyncEngine) -> None:
    """The client sleeps through the restart and must not notice, even when it never retries."""
    photo = portraits[MODEL][:1]
    with engine(url_of(served, engine), MODEL, retry=Retry(budget=0)) as one:
        expected = one.infer(photo)
        triton = served.triton()
        triton.kill()
        _until_ready_again(served, triton.pid)
        alpha = _second_try_at_most(one, photo)
        assert one.transport == ("shared memory" if engine is GrpcEngine else "http")
    assert np.abs(alpha.astype(int) - expected).max() <= 1


def _second_try_at_most(engine: GrpcEngine | HttpEngine, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    try:
        return engine.infer(photo)
    except ServerUnavailable:  # the old connection is found broken only when it is used
        return engine.infer(photo)


@pytest.mark.parametrize("engine", [*SYNC, *ASYNC])
def test_errors_of_the_server(served: Served, portraits: Photos, engine: SyncEngine | AsyncEngine) -> None:
    url = url_of(served, engine)
    with pytest.raises(ModelError, match=r"^got uint8 \(1, 1024, 1024, 3\), expected uint8 \(N, 512, 512, 3\)"):
        infer(engine, url, portraits["matting_1024"][:1])
    with pytest.raises(EngineError, match=rf"^{url}: "):  # more than max_batch_size
        infer(engine, url, np.repeat(portraits[MODEL], 40, 0), shared_memory=False)
    with pytest.raises(ServerUnavailable, match=r"start the server with `matting serve`"):
        infer(engine, "127.0.0.1:9", portraits[MODEL][:1])


def test_a_server_that_dies_in_the_middle_of_a_folder_and_comes_back_late(tmp_path: Path) -> None:
    """What waits is done; where nobody waits, what was done stays, what was not is named, nothing is half-written."""
    photos, left, waited = tmp_path / "photos", tmp_path / "left", tmp_path / "waited"
    photos.mkdir()
    picture = Image.fromarray(data.astronaut()).resize((1200, 1200))
    for index in range(24):
        picture.save(photos / f"{index:02}.jpg")
    first = Served().wait_ready()
    leaving, waiting = _cutting(first, photos, left, "--wait", "0"), _cutting(first, photos, waited)
    try:
        deadline = time.monotonic() + 120
        while min(len(list(out.glob("*.png"))) for out in (left, waited)) < 3:
            assert leaving.poll() is None and waiting.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert first.stop(signal.SIGTERM) == 0
        _, errors = leaving.communicate(timeout=180)  # gives up by itself
        _check_what_was_left(left, leaving.returncode, errors.decode().splitlines())
        second = Served(ports=first.ports).wait_ready()
        try:
            _, errors = waiting.communicate(timeout=240)
        finally:
            assert second.stop() == 0
    finally:
        for process in (leaving, waiting):
            process.kill()
            process.wait()
        first.stop(signal.SIGTERM)
    assert errors == b"matting cutout: the server is gone, waiting\n"
    assert waiting.returncode == 0
    assert sorted(path.name for path in waited.iterdir()) == [f"{index:02}.png" for index in range(24)]


def _cutting(served: Served, photos: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = ["cutout", str(photos), "-o", str(out), "--url", served.grpc, "--jobs", "2", *options]
    return subprocess.Popen([sys.executable, "-m", "matting_client.cli.main", *command], stderr=subprocess.PIPE)


def _check_what_was_left(out: Path, exit_code: int, said: list[str]) -> None:
    *lines, last = said
    done = sorted(path.name for path in out.iterdir())
    assert exit_code == 1
    assert all(name.endswith(".png") for name in done), done
    assert 3 <= len(done) < 24
    assert len(done) + len(lines) == 24
    assert last == f"matting cutout: {len(done)} done, {len(lines)} failed"
    for index in range(24):
        assert (f"{index:02}.png" in done) != any(f"{index:02}.jpg" in line for line in lines)
    for name in done:
        with Image.open(out / name) as cutout:
            cutout.load()
            assert (cutout.mode, cutout.size) == ("RGBA", (1200, 1200))


def _until_ready_again(served: Served, old: int) -> None:
    deadline = time.monotonic() + 60
    while not (served.is_ready() and any(each.pid != old for each in served.processes())):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("engine", ASYNC)
def test_one_async_client_in_one_event_loop_after_another(
    served: Served, portraits: Photos, engine: AsyncEngine
) -> None:
    one = engine(url_of(served, engine), MODEL)

    async def run() -> NDArray[np.uint8]:
        return await one.infer(portraits[MODEL][:1])

    first, second = (asyncio.run(asyncio.wait_for(run(), 60)) for _ in range(2))
    assert np.array_equal(first, second)

    async def end() -> None:
        assert np.array_equal(await one.infer(portraits[MODEL][:1]), first)
        await one.close()
        await one.close()

    asyncio.run(end())
    assert served.regions() == []


@pytest.mark.parametrize("engine", ASYNC)
def test_one_async_client_in_two_event_loops_at_once(served: Served, portraits: Photos, engine: AsyncEngine) -> None:
    one = engine(url_of(served, engine), MODEL)

    async def run() -> list[NDArray[np.uint8]]:
        async with one:
            return [await one.infer(portraits[MODEL][:1]) for _ in range(3)]

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(asyncio.run, run()) for _ in range(2)]
        first, second = (each.result(60) for each in runs)
    for alpha in (*first, *second):
        assert np.abs(alpha.astype(int) - first[0]).max() <= 1
    assert served.regions() == []


@pytest.mark.parametrize("engine", SYNC)
def test_a_client_may_be_closed_twice_and_is_closed_then(served: Served, portraits: Photos, engine: SyncEngine) -> None:
    with engine(url_of(served, engine), MODEL) as one:
        one.infer(portraits[MODEL][:1])
        one.close()
        one.close()
        with pytest.raises(EngineError, match="got a client that was closed, expected an open one"):
            one.infer(portraits[MODEL][:1])
