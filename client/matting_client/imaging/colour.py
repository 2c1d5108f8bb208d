"""Any picture's colours -> 8-bit sRGB, by its embedded profile or its code points for a colour space."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from matting_client.types import F32, U8

Curve = Callable[[F32], F32]
_SRGB_NAME = re.compile(r"sRGB( IEC61966-2[.-]1| built-in)?")  # of profiles that are plain sRGB
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

# ITU-T H.273 (07/2024), tables 2 and 3: code points of primaries (x, y of red, green, blue, white) and of curves.
_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),  # BT.709, sRGB
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),  # BT.601, 625 lines
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),  # BT.601, 525 lines
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # DCI-P3
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),  # Display P3
}
_REFERENCE_WHITE = 203.0  # cd/m2 of a sheet of paper in HDR video (ITU-R BT.2408)


def _srgb_to_linear(v: F32) -> F32:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _bt709_to_linear(v: F32) -> F32:
    return np.where(v < 0.081, v / 4.5, ((v + 0.099) / 1.099) ** (1 / 0.45)).astype(np.float32)


def _pq_to_linear(v: F32) -> F32:
    """SMPTE ST 2084, as a share of paper white."""
    root = v ** (1 / 78.84375)
    light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    out: F32 = (light * (10_000 / _REFERENCE_WHITE)).astype(np.float32)
    return out


def _hlg_to_linear(v: F32) -> F32:
    """ITU-R BT.2100 hybrid log-gamma, whose paper white is a signal of 0.75."""
    light = np.where(v <= 0.5, v**2 / 3, (np.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return (light / 0.26496256).astype(np.float32)


_TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 14, 15), _bt709_to_linear),
    4: lambda v: v**2.2,
    5: lambda v: v**2.8,
    8: lambda v: v,
    13: _srgb_to_linear,
    16: _pq_to_linear,
    18: _hlg_to_linear,
}


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """(3, 3) linear RGB -> XYZ (SMPTE RP 177)."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries], np.float64).T
    strength: NDArray[np.float64] = np.linalg.solve(columns[:, :3], columns[:, 3])
    return np.multiply(columns[:, :3], strength)


@dataclass(frozen=True)
class CodePoints:
    """A colour space by the code points of ITU-T H.273."""

    primaries: int
    transfer: int

    @property
    def is_srgb(self) -> bool:
        """Whether there is nothing to convert; the curve of video is shown as if it were sRGB's by everyone."""
        known = self.primaries in _PRIMARIES and self.transfer in _TRANSFERS
        return not known or (self.primaries == 1 and self.transfer in (1, 6, 13, 14, 15))

    @cached_property
    def _linear(self) -> F32:
        return _TRANSFERS[self.transfer](np.linspace(0, 1, 256, dtype=np.float32))

    @cached_property
    def _matrix(self) -> F32:
        here = _to_xyz(_PRIMARIES[self.primaries])
        there = _to_xyz(_PRIMARIES[1])
        return np.linalg.solve(there, here).astype(np.float32)

    def to_srgb(self, rgb: U8) -> U8:
        """(..., 3) in this space -> sRGB; what lies outside of sRGB is cut off."""
        linear = self._linear[rgb] @ self._matrix.T
        steps = np.clip(linear * (len(_ENCODED) - 1) + 0.5, 0, len(_ENCODED) - 1).astype(np.uint16)
        out: U8 = _ENCODED[steps]
        return out


def _encoded(steps: int = 16384) -> U8:
    light = np.linspace(0, 1, steps)
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    out: U8 = np.round(value * 255).astype(np.uint8)
    return out


_ENCODED = _encoded()


def code_points(picture: Image.Image, data: bytes) -> CodePoints | None:
    """Code points of a PNG's cICP chunk, or of the nclx box of AVIF and HEIF."""
    if picture.format == "PNG":
        at = data.find(b"\0\0\0\x04cICP", 0, 4096)
        return CodePoints(data[at + 8], data[at + 9]) if at >= 0 and len(data) > at + 9 else None
    if picture.format in ("AVIF", "HEIF"):
        at = data.find(b"colrnclx", 0, 65536)
        if at >= 0 and len(data) >= at + 12:
            return CodePoints(*struct.unpack_from(">HH", data, at + 8))
    return None


def has_srgb_profile(picture: Image.Image) -> bool:
    """Whether a picture's colours are sRGB as they are: no profile, a broken one, or one of plain sRGB."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return True
    try:
        return _is_srgb(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError):
        return True


def _is_srgb(source: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile calls itself sRGB, which stands for its tone curve, and has the primaries of sRGB."""
    if not _SRGB_NAME.fullmatch(ImageCms.getProfileDescription(source).strip()):
        return False
    names = ("red_primary", "green_primary", "blue_primary")
    pairs = [(getattr(source.profile, name), getattr(_SRGB.profile, name)) for name in names]
    return all(given and np.allclose(given, wanted, atol=2e-3) for given, wanted in pairs)


class ToSrgb:
    """Converts strips of a picture, in mode L, RGB, CMYK or LAB, to (h, w, 3) sRGB."""

    def __init__(self, picture: Image.Image, mode: str, points: CodePoints | None) -> None:
        profile = picture.info.get("icc_profile")
        self._transform: ImageCms.ImageCmsTransform | None = None
        self._points: CodePoints | None = None
        if profile:
            self._transform = _transform_of(profile, mode)
        elif mode == "LAB":
            lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
            self._transform = ImageCms.buildTransform(lab, _SRGB, "LAB", "RGB")
        if points is not None and not points.is_srgb and (not profile or picture.format == "PNG"):
            self._points, self._transform = points, None  # in a PNG a cICP chunk outweighs a profile

    def __call__(self, strip: Image.Image) -> U8:
        """(h, w, 3) sRGB of a strip."""
        if self._transform is not None:
            converted = ImageCms.applyTransform(strip, self._transform)
            strip = converted if converted is not None else strip
        rgb = np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
        return self._points.to_srgb(rgb) if self._points else rgb


def _transform_of(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where there is nothing to convert, or a broken or unfitting profile: the colours stay as they are."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and _is_srgb(source):
            return None  # what most cameras embed; converting it would take half a second for 24 megapixels
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
