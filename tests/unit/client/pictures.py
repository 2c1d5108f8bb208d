"""Synthetic photos with a known alpha, and files made of them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

U8 = NDArray[np.uint8]


def astronaut(height: int = 512, width: int = 512) -> U8:
    photo: U8 = cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_AREA)
    return photo


def hair(side: int = 2048, strands: int = 250, seed: int = 0) -> U8:
    """Alpha of a disc with thin strands standing off it."""
    random = np.random.default_rng(seed)
    alpha = np.zeros((side, side), np.uint8)
    middle, radius = side / 2, side / 5
    cv2.circle(alpha, (side // 2, side // 2), round(radius), 255, -1, cv2.LINE_AA)
    for angle, length, bend in random.uniform((0, 0.2, -0.4), (2 * np.pi, 0.9, 0.4), (strands, 3)):
        steps = np.linspace(0, 1, 12)
        turn, reach = angle + bend * steps**2, radius * (0.98 + length * steps)
        points = np.stack([middle + reach * np.cos(turn), middle + reach * np.sin(turn)], 1)
        cv2.polylines(alpha, [np.round(points * 16).astype(np.int32)], False, 255, 2, cv2.LINE_AA, 4)
    return alpha


def blend(fgr: NDArray[Any], alpha: U8, bgr: NDArray[Any]) -> U8:
    """What a camera sees, in float64: an own formula, not the code under test."""
    a = alpha[..., None] / 255
    photo: U8 = np.round(a * fgr + (1 - a) * bgr).astype(np.uint8)
    return photo


def sad(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.abs(a.astype(float) - b).sum())


def grad(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Squared difference of the gradients' magnitudes."""

    def magnitude(x: NDArray[Any]) -> NDArray[np.float64]:
        smooth = cv2.GaussianBlur(x.astype(np.float64) / 255, (0, 0), 1.4)
        slope: NDArray[np.float64] = np.hypot(cv2.Sobel(smooth, cv2.CV_64F, 1, 0), cv2.Sobel(smooth, cv2.CV_64F, 0, 1))
        return slope

    return float(((magnitude(a) - magnitude(b)) ** 2).sum())


def file_of(picture: Image.Image | U8, format: str, **options: Any) -> bytes:
    """The picture as the bytes of a file."""
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, format, **options)
    return buffer.getvalue()


def difference(a: U8, b: U8) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def chunk(name: bytes, data: bytes, check: int | None = None) -> bytes:
    crc = zlib.crc32(name + data) if check is None else check
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def png_of(width: int, height: int, depth: int, colour_type: int, pixels: bytes, *chunks: bytes) -> bytes:
    """A PNG that says anything, with chunks before its pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def after_header(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its IHDR."""
    return png[:33] + b"".join(chunks) + png[33:]
