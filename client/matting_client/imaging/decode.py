"""Bytes of a picture -> sRGB pixels, upright, within limits, with errors that name the file."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import threading
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from matting_client.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")  # no others: fewer decoders face strangers' bytes
WHITE = (255, 255, 255)
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {1: None, 3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}  # without mirrors
SRGB = re.compile(r"sRGB( IEC61966-2[.-]1| built-in)?")  # names of profiles that are plain sRGB
FULL = {"I;16": 65535.0, "I;16L": 65535.0, "I;16B": 65535.0, "I;16N": 65535.0, "I": None, "F": None}  # value of white
# What Pillow's decoders raise on damaged data.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    MemoryError,
    ArithmeticError,
    AttributeError,
    struct.error,
    zlib.error,
)
_warnings = threading.Lock()  # the filters are of the whole process


@dataclass(frozen=True)
class Limits:
    """Largest photo that is accepted."""

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 60_000_000

    @property
    def millions(self) -> str:
        """`max_pixels` for messages."""
        return f"{self.max_pixels / 1e6:.3g}"

    def check_bytes(self, count: int, name: str) -> None:
        """Refuse a file by its length.

        Raises
        ------
        InputError
            Too long, or empty.
        """
        if count == 0:
            raise InputError(f"{name}: got an empty file, expected a picture; choose another file")
        if count > self.max_bytes:
            raise InputError(
                f"{name}: got {count / 2**20:.0f} MB, expected at most {self.max_bytes / 2**20:.0f} MB; make it smaller"
            )


def decode(data: bytes, name: str = "photo", limits: Limits | None = None) -> NDArray[np.uint8]:
    """Decode a still picture.

    Orientation from EXIF is applied, an embedded colour profile is converted to sRGB, 16-bit, grey, palette and CMYK
    become 8-bit RGB, and a picture that has transparency already is put on white.

    Parameters
    ----------
    data : the file's bytes.
    name : what errors call it.
    limits : largest accepted file and picture; the pixels are checked before they are decoded.

    Returns
    -------
    (H, W, 3) uint8 sRGB.

    Raises
    ------
    InputError
        Empty, not a picture, truncated, animated, or beyond the limits.
    """
    limits = limits or Limits()
    limits.check_bytes(len(data), name)
    try:
        with _open(data) as picture:
            _check(picture, name, limits)
            rgb = _quickly(picture, data)
            if rgb is not None:
                return rgb
            picture.load()
            return _to_rgb(picture)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"{name}: got no known picture format, expected JPEG, PNG, WebP, TIFF or BMP; convert it first"
        ) from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{name}: got too many pixels, expected at most {limits.millions} million; make it smaller"
        ) from None
    except DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: got a damaged picture ({reason}), expected a whole one; copy it again") from None


def read(path: Path, limits: Limits | None = None) -> NDArray[np.uint8]:
    """`decode` a file, whose length is checked before it is read.

    Raises
    ------
    InputError
        It cannot be opened, or as of `decode`.
    """
    limits = limits or Limits()
    try:
        limits.check_bytes(path.stat().st_size, str(path))
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return decode(data, str(path), limits)


def count_pixels(path: Path) -> int:
    """Pixels of a picture by its header; 0 for what is no picture, of which `read` says why."""
    try:
        with _warnings, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as picture:
                return picture.width * picture.height
    except (*DAMAGED, Image.DecompressionBombError):
        return 0


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header. Pillow warns of damaged metadata and of large pictures, neither of which matters here."""
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        with contextlib.suppress(*DAMAGED):
            picture.getexif()  # Pillow keeps it: later uses warn no more
    return picture


def _check(picture: ImageFile.ImageFile, name: str, limits: Limits) -> None:
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise InputError(
            f"{name}: got {width}x{height} pixels, expected at most {limits.millions} million; make it smaller"
        )
    # A multi-picture JPEG (MPO) is one photo with previews; only real animations are refused.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise InputError(
            f"{name}: got a {picture.format} with several frames, expected a still picture; save one frame"
        )


def _quickly(picture: ImageFile.ImageFile, data: bytes) -> NDArray[np.uint8] | None:
    """Pixels of a usual JPEG in half of Pillow's time, the same ones; None leaves anything unusual to Pillow."""
    turn = picture.getexif().get(ORIENTATION, 1)
    if picture.format != "JPEG" or picture.mode != "RGB" or turn not in TURNS or not _has_plain_colours(picture):
        return None
    try:
        rgb: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError:  # damaged, perhaps too little to refuse it
        return None
    code = TURNS[turn]
    return rgb if code is None else cv2.rotate(rgb, code)


def _has_plain_colours(picture: Image.Image) -> bool:
    profile = picture.info.get("icc_profile")
    if not profile:
        return True
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError):
        return True
    return _is_srgb(source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")))


def _to_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    profile = picture.info.get("icc_profile")
    with contextlib.suppress(*DAMAGED):  # a photo whose EXIF is damaged stays as it lies
        ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode in FULL:
        picture = _eight_bit(picture)
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", rgba.size, (*WHITE, 255)), rgba).convert("RGB")
    elif picture.mode not in ("RGB", "CMYK", "L"):
        picture = picture.convert("RGB")
    picture = _to_srgb(picture, profile)
    # Both `convert` and `array` would copy what needs no change.
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Grey of more than 8 bits -> 8 bits; Pillow's own conversion would clip instead of scale."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float32))
    # 32-bit modes do not say what white is: the smallest usual scale that holds all values.
    full = FULL[picture.mode] or next((f for f in (1.0, 255.0) if values.max() <= f), 65535.0)
    return Image.fromarray(np.round(np.clip(values / full, 0, 1) * 255).astype(np.uint8))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        if picture.mode == "RGB" and _is_srgb(source, target):
            return picture  # what most cameras embed; converting it would take half a second for 24 megapixels
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture  # a broken or unfitting profile: the colours as they are
    return converted if converted is not None else picture


def _is_srgb(source: ImageCms.ImageCmsProfile, srgb: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile calls itself sRGB, which stands for its tone curve, and has the primaries of sRGB."""
    if not SRGB.fullmatch(ImageCms.getProfileDescription(source).strip()):
        return False
    names = ("red_primary", "green_primary", "blue_primary")
    pairs = [(getattr(source.profile, name), getattr(srgb.profile, name)) for name in names]
    return all(given and np.allclose(given, wanted, atol=2e-3) for given, wanted in pairs)
