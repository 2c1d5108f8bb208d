"""What people bring: phones' formats, cutouts, files that lack a little, odd colours, and what small files may cost."""

from __future__ import annotations

import io
import os
import signal
import struct
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from matting_client import InputError, Options
from matting_client.client import MattingClient
from matting_client.imaging import jpeg, pool
from matting_client.imaging.colour import CodePoints
from matting_client.imaging.decode import Limits, decode, decode_photo
from matting_client.imaging.limits import Unusable
from matting_client.imaging.pool import DecoderPool
from matting_client.processing import within_cover
from matting_client.runtime.local import LocalEngine
from PIL import Image, ImageCms

from tests.unit.client.pictures import U8, astronaut, file_of

DATA = Path(__file__).resolve().parents[2] / "data"


def difference(a: U8, b: U8) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def chunk(name: bytes, data: bytes, check: int | None = None) -> bytes:
    crc = zlib.crc32(name + data) if check is None else check
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def after_header(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its IHDR."""
    return png[:33] + b"".join(chunks) + png[33:]


# Formats


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


def test_jpeg_xl_is_read_where_its_decoder_is() -> None:
    pillow_jxl = pytest.importorskip("pillow_jxl")
    assert pillow_jxl
    photo = astronaut(64, 48)
    assert np.array_equal(decode(file_of(photo, "JXL", lossless=True)), photo)


def test_without_a_decoder_jpeg_xl_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from matting_client.imaging import formats

    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    assert not formats.is_readable(formats.sniff(b"\xff\x0a" + bytes(20)))
    assert "JPEG XL" in formats.describe(b"\xff\x0a" + bytes(20))


# Own transparency


def cutout_file(alpha: U8, colour: tuple[int, int, int] = (250, 240, 230)) -> bytes:
    rgba = np.dstack([np.full((*alpha.shape, 3), colour, np.uint8), alpha])
    return file_of(rgba, "PNG")


def soft_disc(side: int, radius: float, width: float = 20) -> U8:
    ys, xs = np.mgrid[:side, :side]
    distance = np.hypot(ys - side / 2, xs - side / 2)
    alpha: U8 = np.round(np.clip((radius - distance) / width + 0.5, 0, 1) * 255).astype(np.uint8)
    return alpha


def test_transparency_and_straight_colours_are_kept() -> None:
    alpha = soft_disc(64, 20)
    photo = decode_photo(cutout_file(alpha))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha)
    assert (photo.rgb == (250, 240, 230)).all()


def test_an_opaque_alpha_is_none() -> None:
    assert decode_photo(cutout_file(np.full((8, 8), 255, np.uint8))).alpha is None


@pytest.fixture
def client(local: Path) -> MattingClient:
    """Through the tiny model: what is bright is the subject."""
    return MattingClient(LocalEngine())


def test_a_cutout_put_in_again_comes_out_the_same(client: MattingClient) -> None:
    first = client.cutout(cutout_file(soft_disc(400, 120)))
    again = client.cutout(first.to_bytes())
    assert np.abs(again.render().astype(int) - first.render()).max() <= 1
    assert np.array_equal(first.render()[..., 3], soft_disc(400, 120))


def test_of_a_picture_with_transparency_the_model_still_tells_the_subject(client: MattingClient) -> None:
    """A photo with round corners: dark ground, a bright disc, and a transparent rim."""
    photo = np.full((300, 300, 3), 20, np.uint8)
    cv2.circle(photo, (150, 150), 70, (250, 240, 230), -1)
    cover = soft_disc(300, 140)
    alpha = client.cutout(file_of(np.dstack([photo, cover]), "PNG")).alpha
    assert alpha[150, 150] == 255
    assert alpha[150, 40] == 0  # visible, but not the subject
    assert (alpha <= cover).all()


@pytest.mark.parametrize("options", [Options(erode=-5), Options(feather=True), Options(alpha_threshold=40)], ids=str)
def test_no_knob_brings_alpha_above_the_sources(client: MattingClient, options: Options) -> None:
    cover = soft_disc(400, 120)
    cutout = client.cutout(cutout_file(cover), options)
    assert (cutout.alpha <= cover).all()
    assert (cutout.render()[cutout.alpha > 0][:, :3] == (250, 240, 230)).all()  # no rim of any ground


def test_soft_pixels_of_a_mixed_picture_follow_their_neighbours() -> None:
    cover = np.full((200, 200), 255, np.uint8)
    cover[:, 190:] = np.linspace(254, 0, 10).astype(np.uint8)
    model = np.zeros((200, 200), np.uint8)
    model[:, 100:190] = 255
    alpha = within_cover(model, cover)
    assert np.array_equal(alpha[:, 190:191], cover[:, 190:191])
    assert (alpha[:, :99] == 0).all()


# Files that lack a little


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [2, 20])
def test_a_jpeg_without_its_end_is_read_and_told(progressive: bool, missing: int) -> None:
    whole = file_of(astronaut(320, 320), "JPEG", progressive=progressive, quality=90)
    photo = decode_photo(whole[:-missing])
    assert difference(photo.rgb, decode(whole)) < 1
    assert photo.notes == ("the file is incomplete: the end missing",)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP"])
def test_a_few_rows_may_be_missing_but_not_many(format: str) -> None:
    rows = np.random.default_rng(0).integers(
        1, 256, (400, 400, 3), np.uint8
    )  # each row takes the same part of the file
    whole = file_of(rows, format)
    photo = decode_photo(whole[: int(0.96 * len(whole))])
    (note,) = photo.notes
    assert note.startswith("the file is incomplete: ")
    side = slice(40, None) if format == "BMP" else slice(0, 360)  # a BMP begins with its lowest row
    assert np.array_equal(photo.rgb[side], decode(whole)[side])
    with pytest.raises(InputError, match="damaged"):
        decode(whole[: int(0.85 * len(whole))])


def test_a_wrong_checksum_of_a_text_does_no_harm() -> None:
    photo = astronaut(40, 60)
    data = after_header(file_of(photo, "PNG"), chunk(b"tEXt", b"Comment\0hello", check=1))
    read = decode_photo(data)
    assert np.array_equal(read.rgb, photo)
    assert read.notes == ("a damaged part that holds no pixels was left out",)


def test_a_wrong_checksum_of_the_palette_is_damage() -> None:
    data = bytearray(file_of(Image.fromarray(astronaut(40, 60)).quantize(16), "PNG"))
    data[data.index(b"PLTE") + 6] ^= 1
    with pytest.raises(InputError, match="damaged PNG"):
        decode(bytes(data))


# Odd colours


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


# What small files may cost


def png(width: int, height: int, depth: int, colour_type: int, row_bytes: int) -> bytes:
    packer = zlib.compressobj(9)
    rows = [packer.compress((b"\0" + bytes(row_bytes)) * 100) for _ in range(-(-height // 100))]
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    pixels = b"".join(rows) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes many times."""
    data = file_of(astronaut(300, 400), "JPEG", progressive=True, quality=20)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + b"\xff\xd9"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: png(60_000_000, 1, 1, 0, 7_500_000), "no side above 32768"),
        (lambda: png(1, 60_000_000, 1, 0, 1)[:5000], "no side above 32768"),
        (lambda: with_scans(6000), "more than 100 scans"),
    ],
    ids=["one row", "one column", "scans"],
)
def test_what_costs_too_much_is_refused_before_it_is_decoded(make: Callable[[], bytes], message: str) -> None:
    data, start = make(), time.thread_time()
    with pytest.raises(InputError, match=message):
        decode(data)
    assert time.thread_time() - start < 0.3


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


def peak_of(process: psutil.Process, done: threading.Event) -> int:
    peak = 0
    while not done.wait(0.01):
        peak = max(peak, sum(child.memory_info().rss for child in process.children()))
    return peak


def test_large_sixteen_bit_pictures_take_turns_in_bounded_memory(decoders: DecoderPool) -> None:
    data, done, me = png(10_000, 6_000, 16, 2, 60_000), threading.Event(), psutil.Process()
    known = {child.pid for child in me.children()}
    with ThreadPoolExecutor(2) as threads:
        others = sum(child.memory_info().rss for child in me.children() if child.pid in known)
        peak = threads.submit(peak_of, me, done)
        shape = decoders.decode(data, Limits()).pixels.shape
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


def test_a_decoder_that_dies_is_replaced(decoders: DecoderPool) -> None:
    data = file_of(astronaut(9, 8), "PNG")
    decoders.warm()
    decoders.decode(data, Limits())
    (idle,) = decoders._idle
    os.kill(idle._process.pid, signal.SIGSEGV)
    idle._process.wait()
    assert decoders.decode(data, Limits()).pixels.shape == (9, 8, 3)


def test_a_decoder_that_only_waits_is_ended(decoders: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(astronaut(9, 8), "PNG")
    decoders.decode(data, Limits())
    (idle,) = decoders._idle
    os.kill(idle._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(pool, "PATIENCE", 0.2)
    with pytest.raises(Unusable, match="takes too long"):
        decoders.decode(data, Limits())


def test_a_decoder_loads_little(decoders: DecoderPool) -> None:
    """It starts in a moment, and has nothing that a stranger's file could reach."""
    decoders.decode(file_of(astronaut(9, 8), "PNG"), Limits())
    (idle,) = decoders._idle
    maps = Path(f"/proc/{idle._process.pid}/maps").read_text()
    for name in ("torch", "triton", "cv2", "openvino", "onnxruntime", "grpc"):
        assert name not in maps
    assert psutil.Process(idle._process.pid).memory_info().rss < 100e6
