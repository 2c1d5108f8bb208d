"""Pixels -> bytes of a picture, and bytes -> a file that is whole or absent."""

from __future__ import annotations

import contextlib
import io
import secrets
import struct
from pathlib import Path

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

from matting_client.errors import OutputError

FORMAT_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
SUFFIX_OF_FORMAT = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
# "Portable Network Graphics (PNG) Specification", third edition, W3C 2025: sections 5.2, 11.2 and 9.2.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_COLOUR_TYPE = {1: 0, 3: 2, 4: 6}  # by channels: grey, RGB, RGBA
PNG_UP = 2  # filter type
PNG_SIDE = 1_000_000  # what libpng, and so nearly every program, reads
DEFLATE_LEVEL = 1  # of ISA-L: as fast as 0 and 15 % smaller; 2 is no smaller, 3 slower


def encode(picture: NDArray[np.uint8], format: str, quality: int = 92) -> bytes:
    """Encode (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA.

    Parameters
    ----------
    picture : uint8 pixels; RGBA only for PNG and WebP.
    format : "png", "jpeg" or "webp".
    quality : 1..100 of JPEG and WebP; WebP at 100 is lossless.

    Raises
    ------
    OutputError
        The picture cannot be stored in that format.
    """
    if format == "png":
        return _png(picture)
    buffer = io.BytesIO()
    try:
        if format == "jpeg":
            Image.fromarray(picture).save(
                buffer, "JPEG", quality=quality, subsampling="4:4:4" if quality >= 90 else "4:2:0"
            )
        else:
            Image.fromarray(picture).save(buffer, "WEBP", quality=quality, lossless=quality == 100, method=3)
    except (OSError, ValueError) as error:
        raise OutputError(
            "", f"a {picture.shape} picture that cannot be stored as {format} ({error})", remedy="use png"
        ) from None
    return buffer.getvalue()


def _png(picture: NDArray[np.uint8]) -> bytes:
    """PNG whose rows all have one filter, each byte less the one above it, deflated by ISA-L.

    Choosing a filter for each row, as libpng does, costs more time than it saves bytes (docs/decisions/client-work.md).
    """
    height, width = picture.shape[:2]
    channels = picture.size // (height * width)
    if max(height, width) > PNG_SIDE:
        raise OutputError("", f"a {picture.shape} picture that cannot be stored as PNG", remedy="make it smaller")
    rows = picture.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = PNG_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, PNG_COLOUR_TYPE[channels], 0, 0, 0)
    pixels = isal_zlib.compress(filtered, DEFLATE_LEVEL)
    return b"".join((PNG_SIGNATURE, *_chunk(b"IHDR", header), *_chunk(b"IDAT", pixels), *_chunk(b"IEND", b"")))


def _chunk(name: bytes, data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    check = isal_zlib.crc32(data, isal_zlib.crc32(name))
    return struct.pack(">I", len(data)), name, data, struct.pack(">I", check)


def write(path: Path, data: bytes) -> None:
    """Write a file so that it appears under its name only when it is complete.

    Raises
    ------
    OutputError
        The folder cannot be written or the disk is full; nothing is left behind.
    """
    part = path.with_name(f".matting-{secrets.token_hex(8)}.part")  # short, so that any allowed name can be written
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        raise OutputError(
            path, problem=f"cannot be written ({error.strerror})", remedy="free space or choose another folder with -o"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
