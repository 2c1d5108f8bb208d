"""What small files may cost, and the processes that decode them."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from matting_client import InputError
from matting_client.imaging import jpeg, pool
from matting_client.imaging.decode import Limits, decode
from matting_client.imaging.limits import Unusable
from matting_client.imaging.pool import DecoderPool
from PIL import Image

from tests.unit.client.pictures import astronaut, file_of, png_of


def png(width: int, height: int, depth: int, colour_type: int, row_bytes: int) -> bytes:
    packer = zlib.compressobj(9)
    rows = [packer.compress((b"\0" + bytes(row_bytes)) * 100) for _ in range(-(-height // 100))]
    return png_of(width, height, depth, colour_type, b"".join(rows) + packer.flush())


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes many times."""
    data = file_of(astronaut(300, 400), "JPEG", progressive=True, quality=20)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + b"\xff\xd9"


def with_segments(what: bytes, before: bytes) -> bytes:
    """A JPEG that has 4 MB of something before one of its markers."""
    data = file_of(astronaut(30, 40), "JPEG")
    at = data.rindex(before)
    return data[:at] + what * (4 * 2**20 // len(what)) + data[at:]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: png(60_000_000, 1, 1, 0, 7_500_000), "no side above 32768"),
        (lambda: png(1, 60_000_000, 1, 0, 1)[:5000], "no side above 32768"),
        (lambda: with_scans(6000), "more than 100 scans"),
        (lambda: with_segments(b"\xff\xe1\0\2", b"\xff\xd9"), "more than 10000 segments"),
        (
            lambda: png(10_000, 6_000, 16, 6, 8),
            "of 16 bits with transparency, expected at most 45 million",
        ),
    ],
    ids=["one row", "one column", "scans", "segments", "deep"],
)
def test_what_costs_too_much_is_refused_before_it_is_decoded(make: Callable[[], bytes], message: str) -> None:
    data, start = make(), time.thread_time()
    with pytest.raises(InputError, match=message):
        decode(data)
    assert time.thread_time() - start < 0.3


@pytest.mark.parametrize("what", [b"\xff\xe1\0\2", b"\xff", b"\xff\0", b"\xff\xd0\xff\xe1"])
def test_no_header_takes_long_in_this_process(what: bytes) -> None:
    data, start = with_segments(what, b"\xff\xc0"), time.thread_time()
    with suppress(InputError):
        decode(data)
    assert time.thread_time() - start < 0.3


def test_sixteen_bits_with_transparency_count_for_a_third_more() -> None:
    limits = Limits(max_pixels=1_000)
    assert decode(png(30, 25, 16, 6, 240), limits=limits).shape == (25, 30, 3)
    assert decode(png(40, 25, 16, 2, 240), limits=limits).shape == (25, 40, 3)
    with pytest.raises(InputError, match="of 16 bits with transparency"):
        decode(png(31, 25, 16, 6, 248), limits=limits)


def test_scans_behind_the_end_and_in_thumbnails_do_not_count() -> None:
    data = file_of(astronaut(30, 40), "JPEG")
    assert jpeg.count_scans(data, 50) == 1
    assert jpeg.count_scans(data + b"\xff\xda" * 99, 50) == 1
    assert jpeg.count_scans(with_scans(20), 50) == jpeg.count_scans(with_scans(0), 50) + 20
    assert jpeg.count_scans(with_scans(20), 5) == 5


def test_many_scans_within_the_limit_have_the_same_pixels() -> None:
    data = with_scans(40)
    with Image.open(io.BytesIO(data)) as picture:
        assert np.array_equal(decode(data), np.asarray(picture))


@pytest.fixture
def decoders() -> Any:
    made = DecoderPool(1)
    yield made
    made.close()


def test_no_picture_shows_what_another_one_left_in_memory(decoders: DecoderPool) -> None:
    black, white = (file_of(np.full((480, 640), each), "TIFF", compression="group4") for each in (False, True))
    damaged = black[:8] + b"U" * 50 + black[58:]  # libtiff takes its rows for written
    found = set()
    for other in (black, white):
        decoders.decode(other, Limits())
        found.add(decoders.decode(damaged, Limits()).pixels.tobytes())
    assert len(found) == 1


def peak_of(process: psutil.Process, done: threading.Event) -> int:
    peak = 0
    while not done.wait(0.01):
        peak = max(peak, sum(child.memory_info().rss for child in process.children()))
    return peak


def test_large_sixteen_bit_pictures_take_turns_in_bounded_memory(
    decoders: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECONDS", "PATIENCE"):  # not what is asked here; the machine may be busy with something else
        monkeypatch.setattr(pool, name, 100.0)
    data, done, me = png(10_000, 6_000, 16, 2, 60_000), threading.Event(), psutil.Process()
    known = {child.pid for child in me.children()}
    with ThreadPoolExecutor(2) as threads:
        others = sum(child.memory_info().rss for child in me.children() if child.pid in known)
        peak = threads.submit(peak_of, me, done)
        try:
            shape = decoders.decode(data, Limits()).pixels.shape
        finally:
            done.set()
        assert shape == (6_000, 10_000, 3)
        assert peak.result() - others < 400e6


def test_cpu_time_is_bounded(decoders: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SECONDS", 0.05)
    data = png(8_000, 6_000, 8, 2, 24_000)
    with pytest.raises(Unusable, match="takes too long to decode"):
        decoders.decode(data, Limits())
    monkeypatch.setattr(pool, "SECONDS", 1.5)
    assert decoders.decode(file_of(astronaut(9, 8), "PNG"), Limits()).pixels.shape == (9, 8, 3)


def test_memory_is_bounded(decoders: DecoderPool) -> None:
    data = file_of(Image.new("RGB", (10_000, 5_900)), "AVIF", speed=10)
    with pytest.raises(Unusable, match=r"memory|damaged"):
        decoders.decode(data, Limits())


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_whoever_kills_idle_decoders_does_no_photo_harm(decoders: DecoderPool, number: signal.Signals) -> None:
    """The kernel ends processes when memory runs out."""
    data = file_of(astronaut(9, 8), "PNG")
    for _ in range(3):
        decoders.warm()
        for idle in decoders._idle:
            os.kill(idle._process.pid, number)
            idle._process.wait()
        assert decoders.decode(data, Limits()).pixels.shape == (9, 8, 3)


def test_a_decoder_that_only_waits_is_ended(decoders: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(astronaut(9, 8), "PNG")
    decoders.decode(data, Limits())
    (idle,) = decoders._idle
    os.kill(idle._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(pool, "PATIENCE", 0.2)
    assert decoders.decode(data, Limits()).pixels.shape == (9, 8, 3)  # by another one: the machine may be busy
    assert idle.has_ended()


def test_what_is_late_twice_is_refused(decoders: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 1e-6)
    monkeypatch.setattr(pool, "LAST_PATIENCE", 1e-6)
    with pytest.raises(Unusable, match="takes too long"):
        decoders.decode(png(4_000, 4_000, 8, 2, 12_000), Limits())


def test_the_start_of_a_decoder_counts_for_no_picture(
    decoders: DecoderPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "slow_worker.py").write_text(
        "import time\nfrom matting_client.imaging.worker import main\ntime.sleep(6)\nmain()\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(pool, "MODULE", "slow_worker")
    monkeypatch.setattr(pool, "PATIENCE", 3)
    monkeypatch.setattr(pool, "LAST_PATIENCE", 3)
    assert decoders.decode(file_of(astronaut(9, 8), "PNG"), Limits()).pixels.shape == (9, 8, 3)


def test_a_decoder_loads_little(decoders: DecoderPool) -> None:
    """It starts in a moment, and has nothing that a stranger's file could reach."""
    decoders.decode(file_of(astronaut(9, 8), "PNG"), Limits())
    (idle,) = decoders._idle
    maps = Path(f"/proc/{idle._process.pid}/maps").read_text()
    for name in ("torch", "triton", "cv2", "openvino", "onnxruntime", "grpc"):
        assert name not in maps
    assert psutil.Process(idle._process.pid).memory_info().rss < 100e6


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_decoders_of_its_own() -> None:
    """It gets no answer of the other's, and waits for no thread that it has not."""
    data = file_of(astronaut(60, 80), "TIFF")
    assert pool.DECODERS.decode(data, Limits()).pixels.shape == (60, 80, 3)
    before = list(pool.DECODERS._idle)  # two where tests before this one asked at once
    with pool.DECODERS._lock:
        child = os.fork()
        if not child:
            signal.alarm(60)
            try:
                pixels = pool.DECODERS.decode(data, Limits()).pixels
                os._exit(0 if pixels.shape == (60, 80, 3) and pool.DECODERS._idle[0] not in before else 1)
            finally:
                os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not any(decoder.has_ended() for decoder in before)
