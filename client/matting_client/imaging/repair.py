"""How much of a picture is missing whose file ends too early."""

from __future__ import annotations

from PIL import Image

from matting_client.imaging import formats

JPEG_BLOCK = 18  # rows that a decoder holds back until it has seen what follows: a block, and two to smooth its colours


def lost_rows(picture: Image.Image) -> int:
    """Rows at the upper or lower end that hold nothing; all of them where a format does not leave what is missing 0."""
    if picture.format not in (formats.PNG, formats.BMP, formats.TIFF, formats.PPM):
        return picture.height
    filled = picture.getbbox(alpha_only=False)
    if filled is None:
        return picture.height
    return max(filled[1], picture.height - filled[3])


def lost_rows_of_jpeg(broken: Image.Image, data: bytes) -> int:
    """Rows that the decoder has not reached when the data ends; let go on, it would make them up.

    A progressive JPEG comes out at its end, and is whole once its last scan of luma has begun.
    """
    if not broken.info.get("progressive"):
        filled = broken.im.getbbox(False)
        return max(0, broken.height - (filled[3] if filled else 0) - JPEG_BLOCK)
    at = data.rfind(b"\xff\xda")
    count = data[at + 4] if at >= 0 and len(data) > at + 5 else 0
    header = data[at + 5 : at + 8 + 2 * count]
    is_last = count > 0 and len(header) == 2 * count + 3 and header[-2] == 63 and header[-1] & 15 == 0
    return 0 if is_last else broken.height
