"""What files say beside their pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matting_client import Cutout, Options
from matting_client.files import Origin
from matting_client.imaging.decode import decode, decode_photo, from_pillow
from matting_client.imaging.encode import encode
from matting_client.imaging.tags import Tags, kept_exif, srgb_profile
from PIL import Image, ImageCms

from tests.unit.client.pictures import astronaut, file_of

MAKE, DATE, ORIENTATION, TAKEN, MAKER_NOTE, SERIAL, DETAILS, GPS = (
    *(0x010F, 0x0132, 0x0112, 0x9003, 0x927C, 0xA431),
    *(0x8769, 0x8825),
)
WHEN = "2026:11:28 10:00:00"


def exif() -> bytes:
    block = Image.Exif()
    block[MAKE], block[DATE], block[ORIENTATION] = "Camera", WHEN, 6
    block[DETAILS] = {TAKEN: WHEN, MAKER_NOTE: b"home", SERIAL: "12345"}
    block[GPS] = {1: "N", 2: (52.0, 31.0, 12.0)}
    return block.tobytes()


def read(data: bytes) -> Image.Exif:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.getexif()


def test_where_and_whose_is_never_kept() -> None:
    block = Image.Exif()
    block.load(kept_exif(exif()))
    assert dict(block) | {DETAILS: 0} == {MAKE: "Camera", DATE: WHEN, DETAILS: 0}
    assert dict(block.get_ifd(DETAILS)) == {TAKEN: WHEN} and not block.get_ifd(GPS)
    assert b"home" not in kept_exif(exif()) and b"12345" not in kept_exif(exif())


@pytest.mark.parametrize("junk", [b"", b"Exif\0\0", b"II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*" + b"\xff" * 50])
def test_what_cannot_be_read_is_not_kept(junk: bytes) -> None:
    assert kept_exif(junk) == b""


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_every_format_says_it(format: str) -> None:
    picture = np.zeros((8, 9, 3), np.uint8)
    data = encode(picture, format, tags=Tags((300, 300), kept_exif(exif())))
    assert read(data)[MAKE] == "Camera" and read(data).get_ifd(DETAILS)[TAKEN] == WHEN
    with Image.open(io.BytesIO(data)) as opened:
        if format == "png":
            assert opened.info["srgb"] == 0
        else:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"]))
            assert "sRGB" in ImageCms.getProfileDescription(profile)
        if format == "webp":
            density = [opened.getexif()[tag] for tag in (0x011A, 0x011B, 0x0128)]
            assert density == [300, 300, 2]  # an inch
        else:
            assert opened.info["dpi"] == pytest.approx((300, 300), abs=0.02)
    assert (decode(data) == picture).all()
    assert data == encode(picture, format, tags=Tags((300, 300), kept_exif(exif())))


def test_an_alpha_has_no_colours() -> None:
    with Image.open(io.BytesIO(encode(np.zeros((4, 4), np.uint8), "png"))) as opened:
        assert "srgb" not in opened.info
    assert len(srgb_profile()) < 1000


def test_the_photo_s_own_is_kept_when_wanted() -> None:
    origin = Origin((), (240.0, 240.0), exif())
    for options, dpi, kept in (
        (Options(format="jpeg"), None, False),
        (Options(format="jpeg", keep_exif=True), (240, 240), True),
        (Options(format="jpeg", keep_exif=True, dpi=96), (96, 96), True),
    ):
        cutout = Cutout(np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 255, np.uint8), options, origin=origin)
        with Image.open(io.BytesIO(cutout.to_bytes())) as opened:
            assert opened.info.get("dpi") == dpi
            assert (opened.getexif().get(MAKE) == "Camera") is kept
            assert ORIENTATION not in opened.getexif()


def with_density(unit: int, density: float = 300.0) -> Image.Exif:
    block = Image.Exif()
    block[0x011A], block[0x011B], block[0x0128] = density, density, unit
    return block


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "PNG", "JPEG"])
def test_the_density_of_the_exif_block_counts_where_the_file_has_no_other(format: str) -> None:
    for unit, density, dpi in ((2, 300, 300), (3, 100, 254), (1, 300, None)):
        if format == "JPEG" and unit == 1:
            continue  # Pillow says 72
        read = decode_photo(file_of(astronaut(16, 24), format, exif=with_density(unit, density)))
        assert read.dpi == (dpi and pytest.approx((dpi, dpi)))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_what_is_written_is_read_again(format: str) -> None:
    data = encode(np.zeros((8, 9, 3), np.uint8), format, tags=Tags((300, 200)))
    assert decode_photo(data).dpi == pytest.approx((300, 200), abs=0.02)
    assert decode_photo(encode(np.zeros((8, 9, 3), np.uint8), "png", tags=Tags((70_000, 70_000)))).dpi is None


def test_what_no_camera_says_keeps_no_jpeg_from_being_written() -> None:
    told = Image.Exif()
    told[0x010E], told[0x0110] = 70_000 * "{", "a camera"
    kept = kept_exif(told.tobytes())
    read = decode_photo(encode(np.zeros((8, 9, 3), np.uint8), "jpeg", tags=Tags(exif=kept)))
    assert kept_exif(read.exif) == kept and b"a camera" in kept


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_density_turns_with_its_photo(format: str) -> None:
    lies = Image.Exif()
    lies[ORIENTATION] = 6
    data = file_of(astronaut(16, 24), format, exif=lies, dpi=(300, 200))
    for read in (decode_photo(data), from_pillow(Image.open(io.BytesIO(data)))):
        assert read.rgb.shape == (24, 16, 3) and read.dpi == pytest.approx((200, 300), abs=0.02)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_pillow_picture_tells_what_its_file_would(mode: str) -> None:
    picture = Image.fromarray(astronaut(16, 24)).convert(mode)
    assert from_pillow(picture).dpi is None and decode_photo(file_of(picture, "TIFF")).dpi is None
    told = picture.copy()
    told.info |= {"dpi": (300, 300), "exif": exif()}
    read = from_pillow(told)
    assert read.dpi == (300, 300) and kept_exif(read.exif) == kept_exif(exif())
    assert read.rgb.shape == (24, 16, 3)  # turned as the EXIF block says


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBa", "La", "PA", "RGBX", "CMYK", "I;16B"])
def test_every_mode_of_pillow_is_taken(mode: str) -> None:
    colours = Image.new("RGBA", (24, 16), (200, 100, 50, 51))
    source = colours.convert({"La": "LA", "I;16B": "I"}.get(mode, "RGBA" if mode in ("RGBa", "PA") else "RGB"))
    read = from_pillow(source.convert(mode))
    assert read.rgb.shape == (16, 24, 3)
    if mode in ("RGBa", "La", "PA"):
        assert read.alpha is not None and (read.alpha == 51).all()
    if mode not in ("La", "I;16B", "PA"):
        assert np.abs(read.rgb.astype(int) - (200, 100, 50)).max() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa"])
def test_a_clear_pillow_picture_is_not_taken_for_an_opaque_one(mode: str) -> None:
    read = from_pillow(Image.new("LA" if mode == "LA" else "RGBA", (24, 16)).convert(mode))
    assert read.alpha is not None and read.alpha.shape == (16, 24) and not read.alpha.any()


def test_a_picture_that_pillow_turns_when_it_is_loaded_is_turned_once(tmp_path: Path) -> None:
    Image.fromarray(astronaut(16, 24)).save(tmp_path / "a.tif", tiffinfo={ORIENTATION: 6})
    with Image.open(tmp_path / "a.tif") as picture:
        assert (from_pillow(picture).rgb == np.rot90(astronaut(16, 24), -1)).all()
