"""Files that are damaged, dangerous or too large are refused in one line that names them."""

from __future__ import annotations

import io
import os
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from matting_client.errors import InputError
from matting_client.imaging.decode import Limits, decode, decode_photo, read
from matting_client.notes import Note
from PIL import Image

from tests.unit.client.pictures import astronaut, file_of, png_of


def refused(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        decode(data, "holiday.jpg", limits)
    message = str(caught.value)
    assert message.startswith("holiday.jpg: ")
    assert "\n" not in message
    return message


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A one-bit PNG of any claimed size."""
    return png_of(width, height, 1, 0, pixels)


@pytest.mark.parametrize("data", [b"hello", b"\0" * 1000, b"\xff\xd8\xff", b"%PDF-1.7\n", b"PK\x03\x04" + b"\0" * 50])
def test_no_picture(data: bytes) -> None:
    assert "expected JPEG, PNG, WebP, HEIC, AVIF" in refused(data) or "damaged JPEG" in refused(data)


@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        file_of(astronaut(8, 8), "TGA"),
        file_of(astronaut(8, 8), "PCX"),
        file_of(astronaut(8, 8), "ICO"),
        file_of(astronaut(8, 8), "PDF"),
    ],
    ids=["svg", "eps", "tga", "pcx", "ico", "pdf"],
)
def test_formats_nobody_photographs_in_never_reach_a_decoder(data: bytes) -> None:
    assert "expected JPEG, PNG, WebP, HEIC, AVIF" in refused(data)


def test_zero_bytes() -> None:
    assert "empty file" in refused(b"")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.8])
def test_truncated(format: str, share: float) -> None:
    data = file_of(astronaut(200, 300), format)
    refused(data[: int(len(data) * share)])


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_any_damage_is_an_input_error_or_a_picture(format: str) -> None:
    """Random bytes overwritten, many times: nothing but InputError ever comes out."""
    random = np.random.default_rng(0)
    whole = file_of(astronaut(40, 60), format)
    outcomes = set()
    for _ in range(150):
        data = bytearray(whole)
        for place in random.integers(0, len(data), random.integers(1, 12)):
            data[place] = random.integers(256)
        try:
            decode(bytes(data), limits=Limits(max_pixels=10_000_000))
            outcomes.add("picture")
        except InputError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert "refused" in outcomes


@pytest.mark.parametrize("format", ["JPEG", "MPO", "PPM", "TIFF"])
def test_what_python_says_of_its_objects_is_not_shown(format: str) -> None:
    """ "'MPO'" was a KeyError's text, and an address in memory says nothing either."""
    random = np.random.default_rng(0)
    whole = file_of(astronaut(40, 60), format)
    messages = []
    for _ in range(100):
        data = bytearray(whole)
        for place in random.integers(0, min(len(data), 300), random.integers(1, 6)):
            data[place] = random.integers(256)
        try:
            decode(bytes(data), limits=Limits(max_pixels=10_000_000))
        except InputError as error:
            messages.append(str(error))
    assert messages
    for message in messages:
        assert not any(sign in message for sign in ("('", "object at", "invalid literal", "b'")), message


def test_a_genuine_bomb_is_refused_before_it_is_decoded() -> None:
    """30000x30000 in 110 kB: as RGB it would take 2.7 GB."""
    side = 30_000
    data = png(side, side, zlib.compress(bytes(side * (side // 8 + 1)), 9))
    assert len(data) < 200_000
    process = psutil.Process(os.getpid())
    before = process.memory_info().rss
    peak = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(refused, data)
        while not future.done():
            peak.append(process.memory_info().rss)
            time.sleep(0.001)
    assert "million" in future.result()
    assert max(peak, default=before) - before < 50e6


@pytest.mark.parametrize("size", [(20_000, 20_000), (7746, 7746), (1, 60_000_001), (60_000_001, 1)])
def test_too_many_pixels(size: tuple[int, int]) -> None:
    message = refused(png(*size))
    assert "expected at most 60 million" in message


def test_the_limits_are_exact() -> None:
    data = file_of(np.zeros((30, 40, 3), np.uint8), "PNG")
    assert decode(data, limits=Limits(max_bytes=len(data), max_pixels=1200)).shape == (30, 40, 3)
    refused(data, Limits(max_pixels=1199))
    refused(data, Limits(max_bytes=len(data) - 1))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_several_frames_the_first_is_used_and_told(format: str) -> None:
    frames = [Image.new("RGB", (32, 20), colour) for colour in ("blue", "red", "red")]
    data = file_of(frames[0], format, save_all=True, append_images=frames[1:])
    photo = decode_photo(data)
    assert np.abs(photo.rgb.astype(int) - (0, 0, 255)).max() < 10
    assert photo.notes == (Note("pages" if format == "TIFF" else "frames"),)


def test_paths(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.jpg", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=reason) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(65 * 2**20)  # sparse: only its length is large
    with pytest.raises(InputError, match="65 MB"):
        read(large)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(file_of(astronaut(8, 8), "JPEG"))
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read(path)


def test_warnings_of_the_process_survive_many_threads() -> None:
    """The filters are global: threads that decode at once must leave them as they were."""
    import warnings

    before = list(warnings.filters)
    data = file_of(astronaut(50, 50), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, [data] * 200))
    assert list(warnings.filters) == before


def test_a_file_object_is_not_a_photo() -> None:
    with pytest.raises(TypeError):
        decode(io.BytesIO(b"x"))  # type: ignore[arg-type]


def test_a_pipe_is_read_to_its_end_and_no_further_than_the_limits() -> None:
    """As of a shell's <(...): it has no length of its own."""
    end, start = os.pipe()
    os.write(start, file_of(astronaut(30, 40), "PNG"))
    os.close(start)
    assert read(Path(f"/dev/fd/{end}")).shape == (30, 40, 3)
    os.close(end)
    with pytest.raises(InputError, match="expected at most 64 MB"):
        read(Path("/dev/zero"))
