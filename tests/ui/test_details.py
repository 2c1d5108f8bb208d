"""What errors tell beyond their sentence, on the Chinese page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from matting_client import InputError, Limits, MattingError
from matting_client.imaging import formats
from matting_client.imaging.decode import decode_photo
from matting_client.video.reader import VideoFile
from matting_ui.details import chinese_line
from matting_ui.i18n import ZH, failure
from PIL import Image
from skimage import data

from tests.unit.client.video_clips import write_without_length

FORMATS = {"JPEG", "PNG", "WebP", "WEBP", "HEIC", "AVIF", "TIFF", "GIF", "BMP", "PPM", "SVG", "XML", "PDF", "RAW"}
NAMES = {*FORMATS, "Photoshop", "PostScript", "macOS", "photo", "MB"}


def encoded(format: str, size: tuple[int, int] = (640, 480)) -> bytes:
    out = io.BytesIO()
    Image.fromarray(data.astronaut()).resize(size).save(out, format)
    return out.getvalue()


def check_is_chinese(text: str) -> None:
    assert set(re.findall("[A-Za-z]{2,}", text)) <= NAMES and re.search("[\u4e00-\u9fff]", text), text


@pytest.mark.parametrize(
    ("content", "limits"),
    [
        (b"", Limits()),
        (b"hello", Limits()),
        (encoded("JPEG")[:9000], Limits()),
        (encoded("PNG")[:9000], Limits()),
        (encoded("WEBP")[:900], Limits()),
        (encoded("TIFF")[:60], Limits()),
        (encoded("JPEG"), Limits(max_bytes=1000)),
        (encoded("JPEG"), Limits(max_pixels=1000)),
        (encoded("JPEG", (640, 20)), Limits(max_side=500)),
        (b"\0\0\0\x20ftypisom", Limits()),
        *((start + bytes(99), Limits()) for start in formats._OTHERS),
    ],
)
def test_what_a_file_lacks_is_said_in_chinese(content: bytes, limits: Limits) -> None:
    """Of files that are empty, damaged, too large, or no picture."""
    with pytest.raises(InputError) as caught:
        decode_photo(content, "photo", limits)
    sentence, detail = failure(caught.value, "zh").split("\n")
    assert sentence == ZH[f"error_{caught.value.code}"]
    check_is_chinese(detail)
    for number, is_million in re.findall(r"at most ([\d.]+)( million)?", str(caught.value)):
        assert (f"{100 * float(number):g} 万像素" if is_million else number) in detail


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_what_a_clip_lacks_is_said_in_chinese(tmp_path: Path, share: float) -> None:
    """Of what is no clip, and of one that ends before its first frame."""
    (tmp_path / "photo").write_bytes(b"hello")
    if share:
        write_without_length(tmp_path / "clip.webm")
        whole = (tmp_path / "clip.webm").read_bytes()
        (tmp_path / "photo").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError) as caught:
        list(VideoFile(tmp_path / "photo").frames())
    check_is_chinese(chinese_line(caught.value.replace(subject="photo")))


def test_what_is_known_in_english_alone_stays() -> None:
    error = MattingError("photo", "what nobody foresaw", "less", "wait")
    assert chinese_line(error) == str(error)
    assert failure(error, "en").endswith(str(error))
