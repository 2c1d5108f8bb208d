"""What a clip's frames take: no second form of the model, no decoder of photos, no tokens that are never written."""

from __future__ import annotations

import contextlib
import gc
import mmap
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matting_client.connection import open_engine
from matting_client.imaging.pool import DECODERS
from matting_client.runtime.cpu import CpuModel
from matting_client.video import tokens, writer
from numpy.typing import NDArray

from tests.unit.client.conftest import SIDE

WIDTH, HEIGHT = 1280, 720
linux = pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is Linux's to tell")


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * mmap.PAGESIZE


def encoded(path: Path) -> tuple[bytes, int]:
    """A short transparent clip of a square that moves, and the memory that its encoders took."""
    gc.collect()
    encoder = writer.Encoded(path, ".webm", Fraction(1, 25), Fraction(25))
    before = resident()
    for number in range(4):
        frame: NDArray[np.uint8] = np.full((HEIGHT, WIDTH, 4), 40, np.uint8)
        frame[100:600, 40 * number : 40 * number + 500] = 230, 120, 90, 255
        encoder.write(frame, number)
    taken = resident() - before
    encoder.close()
    return path.read_bytes(), taken


@linux
def test_cleared_tokens_take_no_memory_and_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded(tmp_path / "first.webm")  # what every encoder of the process shares is there
    handed_back, little = encoded(tmp_path / "handed_back.webm")
    monkeypatch.setattr(writer, "tokens_handed_back", lambda *_: contextlib.nullcontext())
    kept, much = encoded(tmp_path / "kept.webm")
    assert handed_back == kept
    two_encoders = 2 * tokens.block_size(WIDTH, HEIGHT)
    assert much - little > 0.5 * two_encoders  # a part is written to, and the heap is reused


@linux
def test_a_block_that_was_written_to_is_left_alone() -> None:
    size = tokens.block_size(WIDTH, HEIGHT)
    with tokens.tokens_handed_back(WIDTH, HEIGHT):
        block = np.ones(size - mmap.PAGESIZE + 64, np.uint8)  # in the C library a mapping of the very same size
    assert block.all()


def test_frames_of_a_clip_need_one_form_of_the_model(repository: Path) -> None:
    file = repository / "matting_512" / "1" / "model.onnx"
    photos = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3), np.uint8)
    both, one = CpuModel(file, precision="f32", threads=2), CpuModel(file, precision="f32", threads=2, together=True)
    assert np.array_equal(one.run(photos), both.run(photos))
    assert np.array_equal(one.run(photos[:1]), both.run(photos[:1]))
    assert one._company() is one._alone
    assert both._company() is not both._alone


def test_a_clip_starts_no_decoder_of_photos(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr(DECODERS, "warm_up", lambda: started.append(True), raising=False)
    monkeypatch.setattr("matting_client.imaging.decode.warm_up", lambda: started.append(True))
    open_engine("local", for_video=True).close()
    assert not started
    open_engine("local").close()
    assert started
