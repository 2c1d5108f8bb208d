"""A photo in, a cutout out, through the real server: both protocols, sync and asyncio, and the command line."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from matting_client import AsyncMattingClient, Cutout, InputError, ModelError, Options, connect, connect_async
from matting_client.engines import AsyncGrpcEngine, AsyncHttpEngine, GrpcEngine, HttpEngine
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.protocol.serving import SIZES, Served

URLS = ("{grpc}", "grpc://{grpc}", "http://{http}", "http://{http}/")
# VmHWM and not getrusage, whose peak begins with the size of the process that started this one.
PEAK = """
import re, sys
from pathlib import Path
from matting_client.cli.main import main
code = main(sys.argv[1:])
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
sys.exit(code)
"""


def address(url: str, served: Served) -> str:
    return url.format(grpc=served.grpc, http=served.http)


def portrait(width: int = 700, height: int = 900) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(data.astronaut()).resize((width, height)))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "astronaut.jpg"
    Image.fromarray(portrait()).save(path, quality=92)
    return path


@pytest.fixture
def expected(served: Served, photo: Path) -> bytes:
    with connect(url=served.grpc) as client:
        return client.cutout(photo).to_bytes()


@pytest.mark.parametrize("url", URLS)
def test_every_url_gives_the_same_bytes(served: Served, photo: Path, expected: bytes, url: str) -> None:
    with connect(url=address(url, served)) as client:
        assert isinstance(client.engine, HttpEngine if url.startswith("http") else GrpcEngine)
        assert client.cutout(photo).to_bytes() == expected

    async def twin() -> bytes:
        async with connect_async(address(url, served)) as client:
            assert isinstance(client.engine, AsyncHttpEngine if url.startswith("http") else AsyncGrpcEngine)
            return (await client.cutout(photo)).to_bytes()

    assert asyncio.run(twin()) == expected


def test_the_cutout_is_a_transparent_picture_of_the_photos_size(expected: bytes) -> None:
    with Image.open(io.BytesIO(expected)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (700, 900))


@pytest.mark.parametrize("model", SIZES)
def test_models_by_name(served: Served, photo: Path, model: str) -> None:
    with connect(url=served.grpc, model=model) as client:
        assert client.engine.size == SIZES[model]
        assert client.alpha(photo).shape == (900, 700)
    with pytest.raises(ModelError, match=r"refused the request: .*no_such_model"):
        connect(url=served.grpc, model="no_such_model")


@pytest.mark.parametrize("url", ["{grpc}", "http://{http}"])
def test_many_threads_share_a_client(served: Served, photo: Path, url: str) -> None:
    with connect(url=address(url, served)) as client:
        alone = client.cutout(photo)
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda _: client.cutout(photo), range(12)))
    for cutout in together:
        assert np.abs(cutout.raw.astype(int) - alone.raw).max() <= 1


@pytest.mark.parametrize("url", ["{grpc}", "http://{http}"])
def test_many_tasks_share_an_async_client(served: Served, photo: Path, url: str) -> None:
    async def several() -> list[Cutout]:
        # The first tasks all find it unconnected.
        async with connect_async(address(url, served)) as client:
            assert isinstance(client, AsyncMattingClient)
            return await asyncio.gather(*(client.cutout(photo, Options(format="jpeg")) for _ in range(6)))

    cutouts = asyncio.run(several())
    for cutout in cutouts:
        assert np.abs(cutout.raw.astype(int) - cutouts[0].raw).max() <= 1
        assert {"decode", "infer", "refine"} <= set(cutout.seconds)


def test_async_errors_name_the_photo(served: Served) -> None:
    async def one() -> None:
        async with connect_async(served.grpc) as client:
            await client.cutout(b"no picture", name="upload 7")

    with pytest.raises(InputError, match=r"^upload 7: "):
        asyncio.run(one())


def matting(*arguments: str | Path, photo: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-W", "error", "-m", "matting_client.cli.main", *map(str, arguments)]
    return subprocess.run(command, input=photo, capture_output=True, timeout=300)


@pytest.mark.parametrize("url", ["{grpc}", "http://{http}"])
def test_the_command_line_gives_the_same_bytes(
    served: Served, photo: Path, expected: bytes, tmp_path: Path, url: str
) -> None:
    done = matting("cutout", photo, "-o", tmp_path / "out.png", "--url", address(url, served))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "out.png").read_bytes() == expected
    piped = matting("cutout", "-", "--url", address(url, served), photo=photo.read_bytes())
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, expected, b"")


def test_an_unknown_model_is_wrong_usage(served: Served, photo: Path) -> None:
    done = matting("cutout", photo, "--url", served.grpc, "--model", "no_such_model")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"no_such_model" in done.stderr


def test_a_folder_with_good_and_bad_files(served: Served, photo: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for index in range(12):
        (folder / f"{index:02}.jpg").write_bytes(photo.read_bytes() if index % 4 else b"garbage")
    done = matting("cutout", folder, "-o", out, "--url", served.grpc)
    assert done.returncode == 1
    assert sorted(path.stem for path in out.iterdir()) == [f"{index:02}" for index in range(12) if index % 4]
    *lines, last = done.stderr.splitlines()
    assert sorted(line.split(b": ")[1] for line in lines) == [
        str(folder / f"{index:02}.jpg").encode() for index in (0, 4, 8)
    ]
    assert last == b"matting cutout: 9 done, 3 failed"


def test_24_megapixels_need_less_than_one_and_a_half_gigabytes(served: Served, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-8, 9, (4000, 6000, 1))
    Image.fromarray(np.clip(portrait(6000, 4000) + noise, 0, 255).astype(np.uint8)).save(tmp_path / "large.jpg")
    command = ["cutout", str(tmp_path / "large.jpg"), "-o", str(tmp_path / "out.png"), "--url", served.grpc]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (6000, 4000)
    assert 100e6 < int(done.stdout) < 1.5e9


def test_an_interruption_does_not_wait_for_a_server_that_hangs(served: Served, photo: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for index in range(200):
        (folder / f"{index:03}.jpg").write_bytes(photo.read_bytes())
    command = [
        sys.executable,
        "-m",
        "matting_client.cli.main",
        "cutout",
        str(folder),
        "-o",
        str(out),
        "--url",
        served.grpc,
    ]
    triton = served.triton()
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (out.exists() and any(out.glob("*.png"))):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        triton.suspend()
        try:
            time.sleep(1)  # what was in work is done, what comes next waits for the server
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=25)  # an attempt alone would take 30 s
        finally:
            process.kill()
            with contextlib.suppress(psutil.NoSuchProcess):  # the supervisor has replaced it
                triton.resume()
            served.wait_healed()
    assert process.returncode == 130
    assert errors == b"matting cutout: interrupted\n"
    assert {path.suffix for path in out.iterdir()} == {".png"}
    assert not list(Path("/dev/shm").glob(f"unet_matting_client_{process.pid}_*")), "shared memory is left behind"
