"""Open and load a picture with Pillow, and hand it out in strips of straight 8-bit sRGB.

This is what runs in the decoder's own process (`worker`): nothing here is trusted to end, or to need little memory.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from matting_client.imaging import formats, tiff
from matting_client.imaging.colour import ToSrgb, code_points
from matting_client.imaging.depth import DEEP, DeepGrey, row_strips
from matting_client.imaging.limits import Limits, Unusable
from matting_client.imaging.repair import lost_rows, lost_rows_of_jpeg
from matting_client.notes import Note
from matting_client.types import U8

LOST_SHARE = 1 / 16  # of the rows: a picture that lacks more is refused
# What Pillow's decoders raise on damaged data.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
TOLD = (OSError, SyntaxError, EOFError)  # of those, what decoders raise with words of their own


@dataclass(eq=False, repr=False)
class Opened:
    """A loaded picture.

    Attributes
    ----------
    notes : what was repaired or left out.
    """

    picture: Image.Image
    data: bytes
    notes: list[Note] = field(default_factory=list)


def prepare_pillow() -> None:
    """Load the decoders once, and leave it to `Limits` to refuse what is too large."""
    Image.MAX_IMAGE_PIXELS = None
    Image.preinit()
    for plugin in ("AvifImagePlugin", "Jpeg2KImagePlugin", "TiffImagePlugin", "WebPImagePlugin"):
        import_module(f"PIL.{plugin}")
    with contextlib.suppress(ImportError):
        heif: Any = import_module("pi_heif")
        heif.options.DECODE_THREADS = 1
        heif.register_heif_opener()
    with contextlib.suppress(ImportError):
        import_module("pillow_jxl")


def measure(data: bytes, limits: Limits) -> tuple[int, int]:
    """Width and height by the header.

    Raises
    ------
    Unusable
        As of `load`, as far as the header tells.
    """
    return _header(data, limits, []).size


def load(data: bytes, limits: Limits) -> Opened:
    """Decode a file's first picture.

    Raises
    ------
    Unusable
        Not a picture, damaged, or beyond the limits.
    """
    notes: list[Note] = []
    picture = _header(data, limits, notes)
    try:
        picture.load()
        limits.check_size(*picture.size)  # some decoders find another one
        _scale_transparency(picture, data)
        return Opened(picture, data, notes)
    except MemoryError:
        raise Unusable(
            f"a {picture.format} of {picture.width}x{picture.height} pixels that needs too much memory",
            "a smaller one",
            "make it smaller or save it as JPEG",
        ) from None
    except DAMAGED as error:
        return _repaired(picture, data, limits, notes, error)


def _scale_transparency(picture: Image.Image, data: bytes) -> None:
    """Have the colour that is transparent in a PNG in the 8 bits in which its samples are compared with it."""
    clear = picture.info.get("transparency")
    depth = data[24] if picture.format == formats.PNG and picture.mode in ("L", "RGB", "I;16") else 8
    if isinstance(clear, int):
        picture.info["transparency"] = round(clear * 255 / (2**depth - 1))
    elif isinstance(clear, tuple):
        picture.info["transparency"] = tuple(value >> (depth - 8) for value in clear)


def _header(data: bytes, limits: Limits, notes: list[Note]) -> Image.Image:
    """The picture to use, not yet decoded, with its size checked."""
    limits.check_bytes(len(data))
    name = formats.sniff(data[: formats.HEAD])
    if name is None or not formats.is_readable(name):
        raise Unusable(formats.describe_file(data[: formats.HEAD]), formats.READABLE_NAMES, "convert it first")
    try:
        picture = _open(data, name, limits, notes)
        limits.check_size(*picture.size)
        _choose_page(picture, notes)
        tiff.leave_planes_to_libtiff(picture)
    except MemoryError:
        raise Unusable(f"a {name} that needs too much memory", "a smaller one", "make it smaller") from None
    except DAMAGED as error:
        # WebP's decoder makes its canvas before it tells a size, and does not say that memory was missing.
        raise _damaged(error, f"or too large {name}" if name == formats.WEBP else name) from None
    limits.check_size(*picture.size)
    if _is_deep_and_transparent(picture):
        limits.check_deep(*picture.size)
    return picture


def _is_deep_and_transparent(picture: Image.Image) -> bool:
    """Whether a picture's file holds four samples of 16 bits for each pixel."""
    if picture.mode != "RGBA" or not isinstance(picture, ImageFile.ImageFile):
        return False
    kinds = [given if isinstance(given, str) else str(given[0]) for *_, given in picture.tile if given]
    return any(";16" in kind for kind in kinds)


def _open(data: bytes, name: str, limits: Limits, notes: list[Note]) -> Image.Image:
    accepted = (name, "MPO") if name == formats.JPEG else (name,)
    try:
        return Image.open(io.BytesIO(data), formats=accepted)
    except (UnidentifiedImageError, SyntaxError, struct.error):
        if name == formats.TIFF:
            return tiff.open_rare(data, limits)
    with _lenient():  # wrong checksums of what holds no pixels
        picture = Image.open(io.BytesIO(data), formats=accepted)
    notes.append(Note("part"))
    return picture


def _choose_page(picture: Image.Image, notes: list[Note]) -> None:
    """Go to the first page that is no smaller copy or mask of another; of animations the first frame is used."""
    if picture.format in ("MPO", "HEIF") or not getattr(picture, "is_animated", False):
        return  # photos with previews beside them, whose first or main one is the photo
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        notes.append(Note("frames"))
        return
    if tiff.choose_page(picture) > 1:
        notes.append(Note("pages"))


@contextlib.contextmanager
def _lenient() -> Iterator[None]:
    """Let Pillow read what is incomplete. It is a switch of the whole process, whose only thread this is."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _repaired(broken: Image.Image, data: bytes, limits: Limits, notes: list[Note], error: Exception) -> Opened:
    """A picture that lacks no more than its end, as every viewer shows it; `broken` is as far as it was read.

    Raises
    ------
    Unusable
        More is missing.
    """
    try:
        with _lenient():
            picture = _header(data, limits, [])
            picture.load()
        is_jpeg = picture.format in (formats.JPEG, "MPO")
        lost = lost_rows_of_jpeg(broken, data) if is_jpeg else lost_rows(picture)
    except DAMAGED:
        raise _damaged(error, formats.sniff(data[: formats.HEAD])) from None
    if lost > LOST_SHARE * picture.height:
        raise _damaged(error, picture.format)
    incomplete = Note("rows", {"lost": lost, "rows": picture.height}) if lost else Note("end")
    return Opened(picture, data, [*notes, incomplete])


def _damaged(error: Exception, name: str | None) -> Unusable:
    """What to say of a damaged file: the decoder's own words, and nothing of what only Python says of its objects."""
    told = isinstance(error, TOLD) and not isinstance(error, UnidentifiedImageError)
    reason = f" ({str(error).splitlines()[0]})" if told and str(error) else ""
    return Unusable(f"a damaged {name or 'picture'}{reason}", "a whole one", "copy it again")


def strips(opened: Opened) -> tuple[int, Iterator[U8]]:
    """Number of channels, 3 or 4 with the picture's own alpha, and its rows as stored, (h, width, channels)."""
    picture = opened.picture
    has_alpha = picture.has_transparency_data and not _is_unused_alpha(picture)
    deep = DeepGrey.of(picture) if picture.mode in DEEP else None
    mode = _colour_mode(picture.mode)
    to_srgb = ToSrgb(picture, mode, code_points(picture, opened.data))

    def rows() -> Iterator[U8]:
        for strip in row_strips(picture):
            if deep:
                told, strip = strip.info, deep.to_grey(strip)
                strip.info = told
            if not has_alpha:
                yield to_srgb(strip if strip.mode == mode else strip.convert(mode))
                continue
            veiled = strip.convert("LA" if mode == "L" else "RGBA")
            yield np.dstack([to_srgb(veiled.convert(mode)), np.asarray(veiled.getchannel("A"))])

    return 4 if has_alpha else 3, rows()


def _colour_mode(mode: str) -> str:
    """The mode without alpha that a picture's colours are converted from."""
    if mode in ("L", "LA", "La", "1") or mode in DEEP:
        return "L"
    return mode if mode in ("CMYK", "LAB") else "RGB"


def _is_unused_alpha(picture: Image.Image) -> bool:
    """Whether alpha is 0 everywhere in a format whose programs leave it so for opaque pictures."""
    if picture.format not in (formats.BMP, formats.TIFF) or "A" not in picture.getbands():
        return False
    return picture.getchannel("A").getextrema() == (0, 0)
