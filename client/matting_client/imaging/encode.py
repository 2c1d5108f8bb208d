"""Pixels -> bytes of a picture, and bytes -> a file that is whole or absent."""

from __future__ import annotations

import contextlib
import io
import math
import secrets
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

from matting_client.errors import OutputError, Unstorable
from matting_client.imaging.tags import NO_TAGS, Tags, exif_with_dpi, srgb_profile

FORMAT_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
SUFFIX_OF_FORMAT = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
# "Portable Network Graphics (PNG) Specification", third edition, W3C 2025: sections 5.2, 11.2 and 9.2.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_COLOUR_TYPE = {1: 0, 3: 2, 4: 6}  # by channels: grey, RGB, RGBA
PNG_UP = 2  # filter type
PNG_SIDE = 1_000_000  # what libpng, and so nearly every program, reads
PNG_PERCEPTUAL, PNG_METRE = 0, 1  # rendering intent, unit
METRE = 0.0254  # an inch of it
# WebP's effort, 0..6. At 12 megapixels: 3 takes 1.7 s for RGB and 2.9 s for RGBA, 2 takes .75 and 2.1 s for 0 to 7 %
# more bytes; 0 takes .5 and 1.0 s, and a third more bytes for RGBA.
WEBP_USUAL = 2
WEBP_QUICK = 0
WEBP_LARGE = 4 * 6_000_000  # bytes of pixels
LEAST_QUALITY = 30  # below it faces fall into squares
DEFLATE_LEVEL = 1  # of ISA-L: as fast as 0 and 15 % smaller; 2 is no smaller, 3 slower
DEVICES = {Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd")}  # names of devices, and of files that are open
_unfinished: set[Path] = set()  # files that are being written


def encode(picture: NDArray[np.uint8], format: str, quality: int = 92, tags: Tags = NO_TAGS) -> bytes:
    """Encode (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA.

    Parameters
    ----------
    picture : uint8 pixels; RGBA only for PNG and WebP.
    format : "png", "jpeg" or "webp".
    quality : 1..100 of JPEG and WebP; WebP at 100 is lossless.
    tags : what the file says beside its pixels; that its colours are sRGB is always said.

    Raises
    ------
    Unstorable
        The picture cannot be stored in that format.
    """
    if format == "png":
        return _png(picture, tags)
    said: dict[str, Any] = {"icc_profile": srgb_profile(), **({"exif": tags.exif} if tags.exif else {})}
    buffer = io.BytesIO()
    try:
        if format == "jpeg":
            if tags.dpi:
                said["dpi"] = tags.dpi
            subsampling = "4:4:4" if quality >= 90 else "4:2:0"
            Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=subsampling, **said)
        else:
            effort = WEBP_QUICK if picture.ndim == 3 and picture.size > WEBP_LARGE else WEBP_USUAL
            lossless = quality == 100
            if tags.dpi:  # WebP has no other place for it
                said["exif"] = exif_with_dpi(tags.exif, tags.dpi)
            Image.fromarray(picture).save(buffer, "WEBP", quality=quality, lossless=lossless, method=effort, **said)
    except (OSError, ValueError) as error:
        raise Unstorable(
            "", f"a {picture.shape} picture that cannot be stored as {format} ({error})", remedy="use png"
        ) from None
    return buffer.getvalue()


def encode_within(picture: NDArray[np.uint8], format: str, quality: int, most: int, tags: Tags = NO_TAGS) -> bytes:
    """`encode` with the highest quality up to `quality` that needs at most `most` bytes.

    Raises
    ------
    Unstorable
        Even the lowest quality, 30 or the given one, needs more; other errors as of `encode`.
    """
    data = encode(picture, format, quality, tags)
    if len(data) <= most:
        return data
    low = LEAST_QUALITY
    high = quality - 1
    best = None
    while low <= high:
        middle = (low + high) // 2
        tried = encode(picture, format, middle, tags)
        if len(tried) <= most:
            low = middle + 1
            best = tried
        else:
            high = middle - 1
            data = tried
    if best is None:
        size = f"{math.ceil(len(data) / 1000)} kB at quality {min(quality, LEAST_QUALITY)}"
        raise Unstorable("", size, f"at most {most / 1000:.0f} kB", "make it smaller, as with size or canvas")
    return best


def _png(picture: NDArray[np.uint8], tags: Tags) -> bytes:
    """PNG whose rows all have one filter, each byte less the one above it, deflated by ISA-L.

    Choosing a filter for each row, as libpng does, costs more time than it saves bytes (docs/decisions/client-work.md).
    """
    height, width = picture.shape[:2]
    channels = picture.size // (height * width)
    if max(height, width) > PNG_SIDE:
        raise Unstorable("", f"a {picture.shape} picture that cannot be stored as PNG", remedy="make it smaller")
    rows = picture.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = PNG_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, PNG_COLOUR_TYPE[channels], 0, 0, 0)
    pixels = isal_zlib.compress(filtered, DEFLATE_LEVEL)
    chunks = [(b"IHDR", header)]
    if channels > 1:  # of colours; an alpha has none
        chunks.append((b"sRGB", bytes([PNG_PERCEPTUAL])))
    if tags.dpi:
        across, down = (round(value / METRE) for value in tags.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, PNG_METRE)))
    if tags.exif:
        chunks.append((b"eXIf", tags.exif.removeprefix(b"Exif\0\0")))
    chunks += [(b"IDAT", pixels), (b"IEND", b"")]
    return PNG_SIGNATURE + b"".join(part for chunk in chunks for part in _chunk(*chunk))


def _chunk(name: bytes, data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    check = isal_zlib.crc32(data, isal_zlib.crc32(name))
    return struct.pack(">I", len(data)), name, data, struct.pack(">I", check)


def _takes_bytes(path: Path) -> bool:
    """Whether it is a pipe or a device, in whose place no file may be put, as root could."""
    return path.exists() and not path.is_dir() and (path.parent in DEVICES or not path.is_file())


def put_in_place(part: Path, path: Path) -> None:
    """Give a complete file its name, or a pipe or device of that name its bytes. Raises OSError."""
    if _takes_bytes(path):
        with part.open("rb") as whole, path.open("wb") as taker:
            shutil.copyfileobj(whole, taker)
        part.unlink()
    else:
        part.replace(path)


def write(path: Path, data: bytes) -> None:
    """Write a file so that it appears under its name only when it is complete; into a pipe or a device as it comes.

    Raises
    ------
    OutputError
        The path names no file, its folder cannot be written or the disk is full; nothing is left behind.
    """
    if not path.name or "\0" in str(path):
        raise OutputError(path, f"{str(path)!r}", "the name of a file", "choose another name")
    part = path.with_name(f".matting-{secrets.token_hex(8)}.part")  # short, so that any allowed name can be written
    _unfinished.add(part)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _takes_bytes(path):
            path.write_bytes(data)
            return
        with part.open("xb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        raise OutputError(
            path, problem=f"cannot be written ({error.strerror})", remedy="free space or choose another folder"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        _unfinished.discard(part)


def remove_unfinished() -> None:
    """Remove the beginnings of files that `write` has in work, for an end that runs no clean-up (`os._exit`)."""
    for part in list(_unfinished):
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
