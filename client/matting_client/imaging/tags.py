"""What a file says beside its pixels: their colour space, their density, and when and with what the photo was taken."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageCms

from matting_client.imaging.orientation import TRANSPOSED

ORIENTATION = 0x0112  # how the stored pixels lie

# "Exif Version 2.32", CIPA DC-008-2019: what is told of the taking of a photo. What may tell of places, people or
# devices' numbers (GPS, maker notes, owners, serial numbers) and the small picture of the whole photo stay out.
_KEPT = (0x010E, 0x010F, 0x0110, 0x0132, 0x013B, 0x8298)
_KEPT_EXIF = (
    *(0x829A, 0x829D, 0x8822, 0x8827, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012),
    *(0x9201, 0x9202, 0x9204, 0x9207, 0x9209, 0x920A, 0xA402, 0xA403, 0xA405, 0xA433, 0xA434),
)
_EXIF_FOLDER = 0x8769
_ACROSS, _DOWN, _UNIT = 0x011A, 0x011B, 0x0128  # density, and of which length
_INCH = 2
LONGEST = 1000  # characters of a value that is kept: a JPEG has room for 64 kB in all
MOST_DPI = 65_535  # that a JPEG can say
_AN_INCH = {_INCH: 1.0, 3: 2.54}  # of the units of density: inch and cm
_DATE = slice(24, 36)  # of a profile's header: when it was made, which would make every file another one


@dataclass(frozen=True)
class Tags:
    """What a written file says beside its pixels.

    Attributes
    ----------
    dpi : pixels an inch across and down; None says nothing.
    exif : an EXIF block, from `kept_exif`; empty for none.
    """

    dpi: tuple[float, float] | None = None
    exif: bytes = b""


NO_TAGS = Tags()


@lru_cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB, the same bytes every time."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_DATE] = bytes.fromhex("07d000010001000000000000")  # 1 January 2000
    return bytes(profile)


def density(picture: Image.Image) -> tuple[float, float] | None:
    """Pixels an inch across and down, by a picture's own header or else its EXIF block; None where neither says so."""
    with contextlib.suppress(Exception):  # of a stranger's file: whatever is wrong with it, it says nothing
        return _plausible(picture, picture.info["dpi"])
    with contextlib.suppress(Exception):
        told = picture.getexif()
        units = _AN_INCH[told.get(_UNIT, _INCH)]
        return _plausible(picture, (float(told[tag]) * units for tag in (_ACROSS, _DOWN)))
    return None


def _plausible(picture: Image.Image, dpi: Iterable[float]) -> tuple[float, float]:
    across, down = (float(each) for each in dpi)
    if not (1 < across <= MOST_DPI and 1 < down <= MOST_DPI):  # Pillow says 1 of a TIFF that says nothing
        raise ValueError
    return (down, across) if orientation(picture) in TRANSPOSED else (across, down)  # once it is upright


def exif_block(picture: Image.Image) -> bytes:
    """A picture's EXIF block, empty where there is none or it is damaged."""
    with contextlib.suppress(Exception):  # as above
        exif = picture.getexif()
        return exif.tobytes() if exif else b""
    return b""


def orientation(picture: Image.Image) -> int:
    """How the stored pixels lie, as EXIF tells it: 1..8."""
    found: object = 1
    with contextlib.suppress(Exception):  # a photo whose EXIF is damaged stays as it lies
        found = picture.getexif().get(ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def kept_exif(block: bytes) -> bytes:
    """An EXIF block that says when and with what a photo was taken, and nothing of where or whose; upright.

    Returns
    -------
    Empty where there is nothing to keep, and for a block that cannot be read.
    """
    try:
        given = Image.Exif()
        given.load(block)
        details = given.get_ifd(_EXIF_FOLDER)
    except Exception:  # of a stranger's file: whatever is wrong with it, there is nothing to keep
        return b""
    kept = Image.Exif()
    for tag in _KEPT:
        if _is_short(given.get(tag)):
            kept[tag] = given[tag]
    inner = {tag: details[tag] for tag in _KEPT_EXIF if _is_short(details.get(tag))}
    if inner:
        kept[_EXIF_FOLDER] = inner
    return kept.tobytes() if len(kept) else b""


def _is_short(value: object) -> bool:
    """Whether there is a value, and none that other programs have put in the place of a camera's few words."""
    return value is not None and not (isinstance(value, str | bytes | tuple) and len(value) > LONGEST)


def exif_with_dpi(block: bytes, dpi: tuple[float, float]) -> bytes:
    """An EXIF block from `kept_exif`, which may be empty, that says pixels an inch across and down, too."""
    said = Image.Exif()
    if block:
        said.load(block)
    said[_ACROSS], said[_DOWN], said[_UNIT] = *dpi, _INCH
    return said.tobytes()
