"""Every usual kind of file becomes upright 8-bit sRGB."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matting_client.imaging.decode import decode, read
from PIL import Image, ImageCms, PngImagePlugin

from tests.unit.client.pictures import U8, astronaut, chunk, file_of, png_of

ORIENTATION = 0x0112
# What a viewer does to the stored pixels, by EXIF orientation.
UPRIGHT: dict[int, Callable[[U8], U8]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.fixture
def photo() -> U8:
    return astronaut(60, 90)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_lossless_files_come_back_exactly(photo: U8, format: str) -> None:
    picture = Image.fromarray(photo)
    if format == "GIF":
        picture = picture.quantize(64)
    options = {"lossless": True} if format == "WEBP" else {}
    assert np.array_equal(decode(file_of(picture, format, **options)), np.array(picture.convert("RGB")))


def test_jpeg(photo: U8) -> None:
    assert np.abs(decode(file_of(photo, "JPEG", quality=95, subsampling=0)).astype(int) - photo).mean() < 3


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 95, "subsampling": 0},
        {"subsampling": 1},
        {"progressive": True},
        {"optimize": True},
        {"quality": 5},
    ],
    ids=str,
)
def test_jpeg_has_the_pixels_that_pillow_decodes(options: dict[str, int]) -> None:
    for size in ((61, 83), (64, 96), (1, 7)):
        data = file_of(astronaut(*size), "JPEG", **options)
        with Image.open(io.BytesIO(data)) as picture:
            assert np.array_equal(decode(data), np.array(picture))


def test_a_jpeg_that_is_damaged_a_little_is_still_read(photo: U8) -> None:
    data = file_of(photo, "JPEG")
    odd = data[:-2] + b"\0\0" + data[-2:]
    with Image.open(io.BytesIO(odd)) as picture:
        assert np.array_equal(decode(odd), np.array(picture))
    assert np.array_equal(decode(data + b"trailing bytes"), decode(data))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation(orientation: int, format: str) -> None:
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16], stored[16:, :16], stored[:16, 16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    upright = decode(file_of(stored, format, exif=exif, **options))
    expected = UPRIGHT[orientation](stored)
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() < 6  # JPEG; a wrong turn differs by 100


def test_a_strange_orientation_is_ignored(photo: U8) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 99
    assert np.array_equal(decode(file_of(photo, "PNG", exif=exif)), photo)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"x"]
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_is_no_reason_to_refuse(photo: U8, exif: bytes, format: str) -> None:
    assert decode(file_of(photo, format, exif=exif)).shape == photo.shape


def profile_with_other_primaries() -> bytes:
    """An sRGB profile whose red and blue columns are exchanged: conversion must exchange the channels."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12)}
    red, blue = entries[b"rXYZ"], entries[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = data[blue + 4 : blue + 12], data[red + 4 : red + 12]
    return bytes(data)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_a_colour_profile_is_converted_to_srgb(photo: U8, orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    converted = decode(file_of(photo, format, icc_profile=profile_with_other_primaries(), exif=exif))
    expected = UPRIGHT[orientation](photo)[..., ::-1]
    assert np.abs(converted.astype(int) - expected).max() <= 3


def test_an_srgb_profile_changes_nothing(photo: U8) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(decode(file_of(photo, "PNG", icc_profile=profile)).astype(int) - photo).max() <= 1


@pytest.mark.parametrize("profile", [b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_broken_or_unfitting_profile_is_ignored(photo: U8, mode: str, profile: bytes) -> None:
    picture = Image.fromarray(photo).convert(mode)
    with_profile = decode(file_of(picture, "TIFF", icc_profile=profile))
    assert np.array_equal(with_profile, decode(file_of(picture, "TIFF")))


def test_profiles_of_pictures_with_transparency(photo: U8) -> None:
    rgba = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    converted = decode(file_of(rgba, "PNG", icc_profile=profile_with_other_primaries()))
    assert np.abs(converted.astype(int) - photo[..., ::-1]).max() <= 3


def test_sixteen_bit_grey_is_scaled() -> None:
    ramp = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    for format in ("PNG", "TIFF"):
        rgb = decode(file_of(Image.fromarray(ramp), format))
        assert np.array_equal(rgb[..., 0], ramp // 257)
        assert np.array_equal(rgb[..., 0], rgb[..., 2])


def test_a_dark_sixteen_bit_picture_stays_dark() -> None:
    assert decode(file_of(Image.fromarray(np.full((4, 4), 200, np.uint16)), "PNG")).max() == 1


def test_sixteen_bit_rgb(photo: U8, tmp_path: Path) -> None:
    import cv2  # Pillow cannot write it

    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), photo[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(read(path), photo)


@pytest.mark.parametrize(("values", "expected"), [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 51.0, 255.0], [0, 51, 255])])
def test_floating_point_tiff(values: list[float], expected: list[int]) -> None:
    rgb = decode(file_of(Image.fromarray(np.array([values], np.float32)), "TIFF"))
    assert rgb[0, :, 1].tolist() == expected


def test_grey_with_and_without_alpha(photo: U8) -> None:
    grey = photo[..., 1]
    assert np.array_equal(decode(file_of(grey, "PNG")), np.repeat(grey[..., None], 3, 2))
    veiled = Image.merge("LA", (Image.fromarray(grey), Image.new("L", (90, 60), 0)))
    assert (decode(file_of(veiled, "PNG")) == 255).all()


def test_palette_with_and_without_transparency() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    assert decode(file_of(picture, "PNG")).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert decode(file_of(picture, "PNG", transparency=1)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    half = decode(file_of(picture, "PNG", transparency=bytes([255, 51])))  # alpha for each entry
    assert half.tolist() == [[[10, 20, 30], [212, 214, 216]]]


def test_a_transparent_colour() -> None:
    picture = Image.new("RGB", (2, 1), (1, 2, 3))
    picture.putpixel((1, 0), (9, 9, 9))
    assert decode(file_of(picture, "PNG", transparency=(9, 9, 9))).tolist() == [[[1, 2, 3], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("depth", "kind", "row", "clear"),
    [
        (2, 0, "10", "0001"),
        (4, 0, "12", "0002"),
        (16, 0, "01020304", "0304"),
        (16, 2, "01" * 6 + "2345" * 3, "2345" * 3),
    ],
)
def test_a_transparent_colour_of_any_depth(depth: int, kind: int, row: str, clear: str) -> None:
    pixels = zlib.compress(bytes.fromhex("00" + row))
    made = decode(png_of(2, 1, depth, kind, pixels, chunk(b"tRNS", bytes.fromhex(clear))))
    assert (made[0] == 255).all(1).tolist() == [False, True]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_rgba_stands_on_white(format: str) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4] = (100, 0, 200, 255)
    options = {"lossless": True} if format == "WEBP" else {}
    rgb = decode(file_of(rgba, format, **options))
    assert (rgb[:4] == (100, 0, 200)).all()
    assert (rgb[4:] == 255).all()


def test_cmyk_jpeg() -> None:
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
    red = decode(file_of(picture, "JPEG", quality=100))
    assert np.abs(red.astype(int) - (255, 0, 0)).max() <= 4


def test_one_bit_and_one_pixel() -> None:
    assert decode(file_of(Image.new("1", (3, 2), 1), "PNG")).tolist() == [[[255] * 3] * 3] * 2
    assert decode(file_of(np.full((1, 1, 3), 7, np.uint8), "PNG")).tolist() == [[[7, 7, 7]]]


def test_a_multi_picture_jpeg_is_its_first_picture(photo: U8) -> None:
    """Phones store a preview beside the photo."""
    preview = Image.new("RGB", (9, 6))
    data = file_of(Image.fromarray(photo), "MPO", save_all=True, append_images=[preview])
    assert decode(data).shape == photo.shape


def test_text_chunks_do_no_harm(photo: U8) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 100_000, zip=True)
    assert np.array_equal(decode(file_of(photo, "PNG", pnginfo=info)), photo)
