"""Bytes of a picture -> sRGB pixels, upright, within limits, with errors that name the file.

A usual JPEG is decoded here. Everything else goes to a process of its own that can be ended (`imaging.pool`), except
where there is no Linux: there it is decoded here, too.
"""

from __future__ import annotations

import io
import re
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from matting_client.errors import InputError, TooLarge
from matting_client.imaging import formats, jpeg
from matting_client.imaging.limits import BeyondLimits, Limits, Unusable
from matting_client.imaging.orientation import stored_view, upright_size
from matting_client.imaging.pool import DECODERS, Decoded
from matting_client.imaging.tags import ORIENTATION, density, exif_block, orientation
from matting_client.notes import Note
from matting_client.processing.compose import compose_colour

__all__ = [
    "Limits",
    "Photo",
    "check_pixels",
    "decode",
    "decode_photo",
    "from_pillow",
    "measure",
    "read",
    "read_bytes",
    "read_photo",
    "warm_up",
]

WHITE = (255, 255, 255)
GREY = (127, 127, 127)  # neutral ground, the letterbox's own
# Modes that a TIFF does not hold, or not as Pillow writes it, and what becomes of them.
_NOT_OF_A_TIFF = {"HSV": "RGB", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}
_ADDRESS = re.compile(r"https?:/", re.IGNORECASE)  # of which a Path keeps one slash
_HAS_PROCESSES = sys.platform == "linux"
_in_process = threading.Lock()  # Pillow's switches are of the whole process


@dataclass(frozen=True, eq=False, repr=False)
class Photo:
    """A decoded picture.

    Attributes
    ----------
    rgb : (H, W, 3) upright sRGB; where alpha is not 255, the subject's own colours ("straight"), mixed with no ground.
    alpha : (H, W) transparency that the picture has already; None for an opaque one.
    notes : what was repaired or left out; each is a sentence as a text.
    dpi : pixels an inch across and down, when the file says so.
    exif : the file's EXIF block.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    notes: tuple[Note, ...] = ()
    dpi: tuple[float, float] | None = None
    exif: bytes = b""

    def __repr__(self) -> str:
        height, width = self.rgb.shape[:2]
        return f"<Photo {width}x{height}>"

    def on(self, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(H, W, 3) on a ground; the picture itself when it is opaque."""
        if self.alpha is None:
            return self.rgb
        return compose_colour(self.rgb, self.alpha, colour)


def check_pixels(pixels: object, name: str, limits: Limits | None = None) -> NDArray[np.uint8]:
    """The same pixels.

    Raises
    ------
    InputError
        Not (H, W, 3) uint8 with something in it, or beyond the limits, if there are any.
    """
    expected = "uint8 (H, W, 3) RGB"
    remedy = "convert it first"
    if not isinstance(pixels, np.ndarray):
        raise InputError(name, f"a {type(pixels).__name__}", expected, remedy)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InputError(name, f"{pixels.dtype} {pixels.shape}", expected, remedy)
    try:
        if limits is not None:
            limits.check_size(pixels.shape[1], pixels.shape[0])
    except Unusable as error:
        raise _named(error, name) from None
    return pixels


def decode_photo(data: bytes, name: str = "photo", limits: Limits | None = None) -> Photo:
    """Decode a picture.

    Orientation is applied, an embedded colour profile is converted to sRGB, and 16-bit, grey, palette and CMYK become
    8-bit RGB. Of an animation the first frame is used, of a damaged file what is there if little is missing; `notes`
    says so.

    Parameters
    ----------
    data : the file's bytes.
    name : what errors call it.
    limits : largest accepted file and picture; the size is checked before anything is decoded.

    Raises
    ------
    InputError
        Empty, not a picture, damaged, beyond the limits, or too costly for what it is.
    """
    limits = limits or Limits()
    try:
        limits.check_bytes(len(data))
        if formats.sniff(data[: formats.HEAD]) == formats.JPEG:
            usual = jpeg.decode_usual(data, limits)
            if usual is not None:
                return Photo(usual.rgb, dpi=usual.dpi, exif=usual.exif)
        decoded = DECODERS.decode(data, limits) if _HAS_PROCESSES else _decode_here(data, limits)
    except Unusable as error:
        raise _named(error, name) from None
    return _photo(decoded)


def decode(data: bytes, name: str = "photo", limits: Limits | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB of a picture, on white where it is transparent; otherwise as `decode_photo`."""
    return decode_photo(data, name, limits).on(WHITE)


def read_photo(path: Path, limits: Limits | None = None) -> Photo:
    """`decode_photo` of a file, whose length is checked before it is read.

    Raises
    ------
    InputError
        It cannot be opened, or as of `decode_photo`.
    """
    return decode_photo(read_bytes(path, limits), str(path), limits)


def read(path: Path, limits: Limits | None = None) -> NDArray[np.uint8]:
    """`decode` of a file; errors as of `read_photo`."""
    return read_photo(path, limits).on(WHITE)


def read_bytes(path: Path, limits: Limits | None = None, name: str = "") -> bytes:
    """A file's bytes, if they are not too many; errors call it `name` where one is given.

    Raises
    ------
    InputError
        It cannot be read, or is beyond the limits.
    """
    limits = limits or Limits()
    try:
        if path.is_file():
            limits.check_bytes(path.stat().st_size)
            return path.read_bytes()
        with path.open("rb") as file:  # a pipe tells its length at its end
            data = file.read(limits.max_bytes + 1)
        limits.check_bytes(len(data))
        return data
    except (OSError, ValueError) as error:  # the latter of a path with a null byte
        reason = error.strerror if isinstance(error, OSError) else error
        remedy = "download it first" if _ADDRESS.match(str(path)) else "check the path"
        raise InputError(name or path, problem=f"cannot be read ({reason})", remedy=remedy) from None
    except Unusable as error:
        raise _named(error, name or path) from None


def measure(data: bytes, name: str = "photo", limits: Limits | None = None) -> int:
    """Pixels of a picture by its header; errors as of `decode_photo`, as far as a header tells."""
    limits = limits or Limits()
    try:
        limits.check_bytes(len(data))
        if formats.sniff(data[: formats.HEAD]) == formats.JPEG:
            picture = jpeg.open_header(data, limits)
            if picture is not None:
                return picture.width * picture.height
        if not _HAS_PROCESSES:
            return _measure_here(data, limits)
        width, height = DECODERS.measure(data, limits)
    except Unusable as error:
        raise _named(error, name) from None
    return width * height


def from_pillow(picture: Image.Image, name: str = "photo", limits: Limits | None = None) -> Photo:
    """`decode_photo` of a picture that Pillow has opened, which stays as it is; errors as of `decode_photo`."""
    limits = limits or Limits()
    try:
        limits.check_size(*picture.size)
    except Unusable as error:
        raise _named(error, name) from None
    try:
        picture.load()  # which turns some pictures, and says so in their EXIF block
        lies = orientation(picture)
        dpi = density(picture)
        exif = exif_block(picture)
        if picture.mode == "RGB" and lies == 1 and not picture.info.keys() & {"icc_profile", "transparency"}:
            return Photo(np.array(picture), dpi=dpi, exif=exif)
        # What the file's own decoder would do with it is done to a copy in a format that holds nearly every mode.
        mode = "RGBA" if "transparency" in picture.info else _NOT_OF_A_TIFF.get(picture.mode, picture.mode)
        turned = Image.Exif()
        turned[ORIENTATION] = lies
        buffer = io.BytesIO()
        held = picture.convert(mode)
        held.save(buffer, "TIFF", exif=turned, icc_profile=picture.info.get("icc_profile"))
        # Of a TIFF an alpha of 0 everywhere means nothing; of other pictures it means that they are clear.
        unused = picture.format in (formats.BMP, formats.TIFF)
        clear = not unused and held.mode in ("LA", "RGBA") and held.getchannel("A").getextrema() == (0, 0)
    except (OSError, ValueError, KeyError, SyntaxError) as error:
        raise InputError(
            name, f"a picture that Pillow does not give ({error})", "a whole one", "copy it again"
        ) from None
    photo = decode_photo(buffer.getvalue(), name, replace(limits, max_bytes=sys.maxsize))
    alpha = np.zeros(photo.rgb.shape[:2], np.uint8) if clear else photo.alpha
    return replace(photo, alpha=alpha, dpi=dpi, exif=exif)


def _named(error: Unusable, name: object) -> InputError:
    kind = TooLarge if isinstance(error, BeyondLimits) else InputError
    return kind(name, error.got, error.expected, error.remedy)


def warm_up() -> None:
    """Start a decoder's process, so that the first odd picture does not wait for it."""
    if _HAS_PROCESSES:
        DECODERS.warm()


def _photo(decoded: Decoded) -> Photo:
    pixels = decoded.pixels
    if pixels.shape[2] == 3:
        return Photo(pixels, None, decoded.notes, decoded.dpi, decoded.exif)
    alpha = np.ascontiguousarray(pixels[..., 3])
    rgb = np.ascontiguousarray(pixels[..., :3])
    return Photo(rgb, None if alpha.min() == 255 else alpha, decoded.notes, decoded.dpi, decoded.exif)


def _decode_here(data: bytes, limits: Limits) -> Decoded:
    from matting_client.imaging import reading

    with _in_process:
        reading.prepare_pillow()
        opened = reading.load(data, limits)
        channels, strips = reading.strips(opened)
        width, height = opened.picture.size
        lies = orientation(opened.picture)
        pixels = np.empty((*upright_size(height, width, lies), channels), np.uint8)
        rows = stored_view(pixels, lies)
        top = 0
        for strip in strips:
            rows[top : top + len(strip)] = strip
            top += len(strip)
    return Decoded(pixels, tuple(opened.notes), density(opened.picture), exif_block(opened.picture))


def _measure_here(data: bytes, limits: Limits) -> int:
    from matting_client.imaging import reading

    with _in_process:
        reading.prepare_pillow()
        width, height = reading.measure(data, limits)
    return width * height
