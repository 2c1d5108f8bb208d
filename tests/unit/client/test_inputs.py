"""What people bring: phones' formats, and files that lack a little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matting_client import InputError
from matting_client.cli.folders import list_folder
from matting_client.imaging.decode import decode, decode_photo
from matting_client.notes import Note
from PIL import Image, TiffImagePlugin, TiffTags

from tests.unit.client.pictures import after_header, astronaut, chunk, difference, file_of

DATA = Path(__file__).resolve().parents[2] / "data"


def test_an_iphones_photo() -> None:
    photo = decode_photo((DATA / "iphone.heic").read_bytes())
    assert photo.rgb.shape == (320, 320, 3)
    assert difference(photo.rgb, astronaut(320, 320)) < 8
    assert photo.alpha is None and photo.notes == ()


@pytest.mark.parametrize(
    ("format", "options", "most"),
    [("AVIF", {"quality": 90}, 4), ("JPEG2000", {}, 0), ("PPM", {}, 0), ("JPEG2000", {"no_jp2": True}, 0)],
)
def test_formats_beyond_the_usual(format: str, options: dict[str, Any], most: float) -> None:
    photo = astronaut(96, 64)
    assert difference(decode(file_of(photo, format, **options)), photo) <= most


def test_a_dark_sixteen_bit_ppm_stays_dark() -> None:
    assert decode(b"P5 2 1 65535\n\x00\xc8\x80\x00").tolist() == [[[1] * 3, [128] * 3]]


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"%PDF-1.7\n" + bytes(60), "a PDF"),
        (b"\0\0\0\x18ftypmp42" + bytes(60), "a video"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(60), "a camera's raw file"),
        (b"\0\0\0\x18ftypcrx " + bytes(60), "a camera's raw file"),
        (b"<?xml version='1.0'?><svg/>", "an XML or SVG file"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ", "AppleDouble"),
        (b"8BPS" + bytes(60), "a Photoshop file"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(head: bytes, named: str) -> None:
    with pytest.raises(InputError, match=f"^scan: got .*{named}.*, expected JPEG, PNG, WebP, HEIC"):
        decode(head, "scan")


@pytest.mark.parametrize("tags", [{254: 1, 330: 4096}, {50706: b"\x01\x04\x00\x00"}], ids=["NEF", "DNG"])
def test_a_raw_files_thumbnail_is_no_photo(tags: dict[int, Any], tmp_path: Path) -> None:
    """Nikon's, Sony's and Adobe's raw files are TIFFs whose first page is a picture of 160 x 120."""
    said = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        said.tagtype[tag] = TiffTags.BYTE if isinstance(value, bytes) else TiffTags.LONG
        said[tag] = value
    data = file_of(astronaut(120, 160), "TIFF", tiffinfo=said)
    with pytest.raises(InputError, match="got a camera's raw file"):
        decode(data)
    (tmp_path / "DSC_0001.NEF").write_bytes(data)
    (tmp_path / "DSC_0001.JPG").write_bytes(file_of(astronaut(120, 160), "JPEG"))
    listing = list_folder(tmp_path)
    assert listing.photos == [tmp_path / "DSC_0001.JPG"]
    assert listing.no_pictures == [(tmp_path / "DSC_0001.NEF", "a camera's raw file")]
    assert decode(file_of(astronaut(120, 160), "TIFF", tiffinfo={254: 1})).shape == (120, 160, 3)


def test_jpeg_xl_is_read_where_its_decoder_is() -> None:
    pillow_jxl = pytest.importorskip("pillow_jxl")
    assert pillow_jxl
    photo = astronaut(64, 48)
    assert np.array_equal(decode(file_of(photo, "JXL", lossless=True)), photo)


def test_without_a_decoder_jpeg_xl_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from matting_client.imaging import formats

    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    assert not formats.is_readable(formats.sniff(b"\xff\x0a" + bytes(20)))
    assert "JPEG XL" in formats.describe_file(b"\xff\x0a" + bytes(20))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [2, 20])
def test_a_jpeg_without_its_end_is_read_and_told(progressive: bool, missing: int) -> None:
    whole = file_of(astronaut(320, 320), "JPEG", progressive=progressive, quality=90)
    photo = decode_photo(whole[:-missing])
    assert difference(photo.rgb, decode(whole)) < 1
    assert photo.notes == (Note("end"),)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP"])
def test_a_few_rows_may_be_missing_but_not_many(format: str) -> None:
    rows = np.random.default_rng(0).integers(
        1, 256, (400, 400, 3), np.uint8
    )  # each row takes the same part of the file
    whole = file_of(rows, format)
    photo = decode_photo(whole[: int(0.96 * len(whole))])
    (note,) = photo.notes
    assert str(note).startswith("the file is incomplete: ")
    side = slice(40, None) if format == "BMP" else slice(0, 360)  # a BMP begins with its lowest row
    assert np.array_equal(photo.rgb[side], decode(whole)[side])
    with pytest.raises(InputError, match="damaged"):
        decode(whole[: int(0.85 * len(whole))])


def test_a_wrong_checksum_of_a_text_does_no_harm() -> None:
    photo = astronaut(40, 60)
    data = after_header(file_of(photo, "PNG"), chunk(b"tEXt", b"Comment\0hello", check=1))
    read = decode_photo(data)
    assert np.array_equal(read.rgb, photo)
    assert read.notes == (Note("part"),)


def test_a_wrong_checksum_of_the_palette_is_damage() -> None:
    data = bytearray(file_of(Image.fromarray(astronaut(40, 60)).quantize(16), "PNG"))
    data[data.index(b"PLTE") + 6] ^= 1
    with pytest.raises(InputError, match="damaged PNG"):
        decode(bytes(data))
