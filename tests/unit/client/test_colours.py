"""Odd colours: previews, deep and floating samples, profiles, code points."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from matting_client import InputError
from matting_client.imaging.colour import CodePoints
from matting_client.imaging.decode import decode, decode_photo
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tests.unit.client.pictures import after_header, astronaut, chunk, difference, file_of

DATA = Path(__file__).resolve().parents[2] / "data"


def test_a_preview_page_is_no_photo() -> None:
    """Photo programs store a small copy before or after the picture."""
    photo, preview = Image.fromarray(astronaut(80, 60)), Image.fromarray(astronaut(20, 15))
    for first, second, reduced in ((photo, preview, 1), (preview, photo, 0)):
        file = io.BytesIO()
        first.save(file, "TIFF", save_all=True, append_images=[second])
        data = mark_pages(file.getvalue(), reduced)
        read = decode_photo(data)
        assert read.notes == ()
        assert np.array_equal(read.rgb, astronaut(80, 60))


def mark_pages(data: bytes, reduced: int) -> bytes:
    """Make one of a TIFF's pages call itself a smaller copy (tag 254); Pillow writes a width (256) first, that goes."""
    import PIL.TiffImagePlugin as tiff

    file = io.BytesIO(data)
    picture = Image.open(file)
    assert isinstance(picture, tiff.TiffImageFile)
    pages = []
    for index in range(picture.n_frames):
        picture.seek(index)
        pages.append(picture.copy())
    out = io.BytesIO()
    with tiff.AppendingTiffWriter(out, new=True) as writer:
        for index, page in enumerate(pages):
            page.save(writer, "TIFF", tiffinfo={254: int(index == reduced)})
            writer.newFrame()
    return out.getvalue()


def test_sixteen_bit_white_is_zero() -> None:
    ramp = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    file = io.BytesIO()
    Image.fromarray(65535 - ramp).save(file, "TIFF", tiffinfo={262: 0})
    with Image.open(io.BytesIO(file.getvalue())) as picture:
        if picture.tag_v2[262] != 0:  # type: ignore[attr-defined]
            data = bytearray(file.getvalue())
            at = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
            data[at : at + 2] = b"\0\0"
            file = io.BytesIO(bytes(data))
    assert np.array_equal(decode(file.getvalue())[..., 0], ramp // 257)


def test_floating_point_rgb(tmp_path: Path) -> None:
    photo, path = astronaut(32, 48), tmp_path / "float.tif"
    values = photo[..., ::-1].astype(np.float32) / 255
    cv2.imwrite(str(path), values, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    assert np.abs(decode(path.read_bytes()).astype(int) - photo).max() <= 1


def planes_tiff(channels: NDArray[Any], **options: Any) -> bytes:
    """A TIFF of (H, W, n) whose channels lie apart from each other."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.moveaxis(channels, 2, 0), planarconfig="separate", **options)
    return file.getvalue()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 7}, {"tile": (32, 32)}], ids=str)
@pytest.mark.parametrize("deep", [False, True])
def test_channels_apart_from_each_other(byteorder: str, compression: str | None, layout: Any, deep: bool) -> None:
    photo = astronaut(40, 56)
    options = {"byteorder": byteorder, "compression": compression, **layout}
    samples = photo * np.uint16(257) if deep else photo
    most = np.full_like(samples[..., :1], np.iinfo(samples.dtype).max)
    assert difference(decode(planes_tiff(samples, photometric="rgb", **options)), photo) < 0.1
    ink = np.dstack([most - samples, 0 * most])
    assert difference(decode(planes_tiff(ink, photometric="separated", **options)), photo) < 0.1
    veil = np.dstack([samples, most // 3])
    veiled = decode_photo(planes_tiff(veil, photometric="rgb", extrasamples=["unassalpha"], **options))
    assert difference(veiled.rgb, photo) < 0.1
    assert veiled.alpha is not None and (veiled.alpha == 85).all()


@pytest.mark.parametrize("kind", ["rgb of floats", "lab", "grey with alpha"])
def test_rare_channels_apart_from_each_other_are_refused(kind: str) -> None:
    photo = astronaut(40, 56)
    data = {
        "rgb of floats": lambda: planes_tiff(photo.astype(np.float32) / 255, photometric="rgb"),
        "lab": lambda: planes_tiff(photo, photometric="cielab"),
        "grey with alpha": lambda: planes_tiff(photo[..., :2], photometric="minisblack", extrasamples=["unassalpha"]),
    }[kind]()
    with pytest.raises(InputError, match=r"channels apart .* expected one with interleaved channels; save it so"):
        decode(data)


def test_an_unused_alpha_of_a_bmp_is_opaque() -> None:
    photo = astronaut(40, 30)
    data = bytearray(file_of(np.dstack([photo, np.full((40, 30), 255, np.uint8)]), "BMP"))
    data[int.from_bytes(data[10:14], "little") + 3 :: 4] = bytes(40 * 30)
    with Image.open(io.BytesIO(bytes(data))) as picture:
        assert picture.mode in ("RGBA", "RGB")
    read = decode_photo(bytes(data))
    assert read.alpha is None and np.array_equal(read.rgb, photo)


def test_grey_with_alpha_honours_its_profile_as_grey_does() -> None:
    case = Path(DATA / "grey-gamma1.icc").read_bytes()
    grey = Image.new("L", (8, 8), 64)
    veiled = Image.merge("LA", (grey, Image.new("L", (8, 8), 200)))
    plain = decode(file_of(grey, "PNG", icc_profile=case))
    photo = decode_photo(file_of(veiled, "PNG", icc_profile=case))
    assert plain[0, 0, 0] == 137  # 255 * encoded(64 / 255)
    assert np.array_equal(photo.rgb, plain)
    assert photo.alpha is not None and (photo.alpha == 200).all()


def test_lab_becomes_srgb() -> None:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    photo = Image.fromarray(astronaut(40, 30))
    lab = ImageCms.applyTransform(photo, to_lab)
    assert lab is not None
    assert difference(decode(file_of(lab, "TIFF")), np.asarray(photo)) < 3


@pytest.mark.parametrize("format", ["PNG", "AVIF"])
def test_code_points_of_display_p3(format: str) -> None:
    """P3's full red lies outside of sRGB; a colour inside is what the matrices of the standards say."""
    photo = np.full((16, 16, 3), (180, 90, 60), np.uint8)
    data = file_of(photo, format, **({"quality": 100, "subsampling": "4:4:4"} if format == "AVIF" else {}))
    if format == "PNG":
        data = after_header(data, chunk(b"cICP", bytes([12, 13, 0, 1])))
    else:
        at = data.index(b"colrnclx") + 8
        data = data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :]
    assert np.abs(decode(data)[8, 8].astype(int) - (196, 86, 51)).max() <= 3
    assert np.abs(CodePoints(1, 13).to_srgb(photo).astype(int) - photo).max() <= 1
    assert CodePoints(2, 2).is_srgb and CodePoints(99, 1).is_srgb
