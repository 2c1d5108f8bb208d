"""A stranger's clip is opened first where what it costs is bounded."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from matting_client import InputError
from matting_client.video import inspection
from matting_client.video.inspection import inspected, look_at
from matting_client.video.reader import VideoFile

from tests.unit.client.video_clips import FRAMES, write_clip

SAMPLES = 80_000_000


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path)
    return path


def test_a_look_tells_what_the_file_itself_would(clip: Path) -> None:
    known = VideoFile(clip, name="clip").clip
    assert inspected(clip, "clip") == known
    frames = list(VideoFile(clip).frames())
    first, last = look_at(clip, "clip", Fraction(0)), look_at(clip, "clip", Fraction(60))
    assert first.clip == known and (first.start, last.start) == (0, (FRAMES - 1) / known.fps)
    assert (first.rgb == frames[0].rgb).all() and (last.rgb == frames[-1].rgb).all()
    assert first.rgb.dtype == np.uint8


def test_errors_are_those_of_the_file_and_name_it(clip: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"no clip at all")
    for path in (junk, tmp_path / "gone"):
        for look in (
            lambda path=path: inspected(path, "my clip"),
            lambda path=path: look_at(path, "my clip", Fraction(0)),
        ):
            with pytest.raises(InputError, match=r"^my clip: got no readable video"):
                look()


def test_a_rare_codec_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        video = container.add_stream("cfhd", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv422p10le"
        container.mux([*video.encode(av.VideoFrame(64, 48, "yuv422p10le")), *video.encode(None)])
    with pytest.raises(InputError, match="got a clip in cfhd, expected a usual codec"):
        inspected(path, "clip")


def box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", flags), *parts)


def boasting(samples: int) -> bytes:
    """An MP4 of some hundred bytes that speaks of so many frames of one byte (ISO/IEC 14496-12)."""
    matrix = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    size = struct.pack(">HHII", 64, 64, 72 << 16, 72 << 16)
    entry = box(b"jpeg", bytes(6), b"\0\1", bytes(16), size, bytes(4), b"\0\1", bytes(32), struct.pack(">Hh", 24, -1))
    tables = box(
        b"stbl",
        full(b"stsd", 0, struct.pack(">I", 1), entry),
        full(b"stts", 0, struct.pack(">III", 1, 100, 1000)),
        full(b"stsc", 0, struct.pack(">IIII", 1, 1, samples, 1)),
        full(b"stsz", 0, struct.pack(">II", 1, samples)),
        full(b"stco", 0, struct.pack(">II", 1, 40)),
    )
    where = box(b"dinf", full(b"dref", 0, struct.pack(">I", 1), full(b"url ", 1)))
    media = box(
        b"mdia",
        full(b"mdhd", 0, struct.pack(">IIIIHH", 0, 0, 30_000, 100_000, 0, 0)),
        full(b"hdlr", 0, bytes(4), b"vide", bytes(14)),
        box(b"minf", full(b"vmhd", 1, bytes(8)), where, tables),
    )
    header = full(
        b"tkhd", 3, struct.pack(">IIIII", 0, 0, 1, 0, 100), bytes(16), matrix, struct.pack(">II", 64 << 16, 64 << 16)
    )
    movie = full(
        b"mvhd", 0, struct.pack(">IIIIIH", 0, 0, 1000, 3333, 1 << 16, 256), bytes(10), matrix, bytes(24), b"\0\0\0\2"
    )
    return (
        box(b"ftyp", b"isom\0\0\2\0isom")
        + box(b"mdat", b"\xff\xd8\xff\xd9" * 10)
        + box(b"moov", movie, box(b"trak", header, media))
    )


def test_a_header_that_speaks_of_millions_of_frames_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(boasting(100))
    assert inspected(path, "clip.mp4").count == 100
    monkeypatch.setattr(inspection, "SECONDS", 60.0)  # what ends it is its memory, on a slow machine, too
    path.write_bytes(boasting(SAMPLES))
    assert path.stat().st_size < 1000
    with pytest.raises(InputError, match=r"^clip\.mp4: got a clip that needs too much memory"):
        inspected(path, "clip.mp4")


def test_a_clip_that_takes_too_long_is_given_up(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "SECONDS", 1e-4)
    monkeypatch.setattr(inspection, "SECONDS_PER_MEGABYTE", 0.0)
    with pytest.raises(InputError, match=r"^clip: got a clip that takes too long to read"):
        inspected(clip, "clip")
