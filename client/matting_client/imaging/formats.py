"""Which format a file is in, by its first bytes: what is read, and how the rest is called."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

# Pillow's names of the formats that are read. No others: fewer decoders face strangers' bytes.
JPEG = "JPEG"
PNG = "PNG"
WEBP = "WEBP"
GIF = "GIF"
BMP = "BMP"
TIFF = "TIFF"
HEIF = "HEIF"
AVIF = "AVIF"
JPEG_2000 = "JPEG2000"
PPM = "PPM"
JPEG_XL = "JXL"
READABLE = (JPEG, PNG, WEBP, GIF, BMP, TIFF, HEIF, AVIF, JPEG_2000, PPM)
READABLE_NAMES = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP, JPEG 2000 or PPM"
# What photos are called. Folders are searched by content; suffixes only tell which files should have been pictures.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpx", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm"),
)
STILLS = tuple(each for each in SUFFIXES if each not in (".gif", ".apng"))  # those may as well be clips
HEAD = 1024  # bytes that tell the format: of a raw file all tags of its first page

_STARTS = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
    b"BM": BMP,
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": JPEG_2000,
    b"\xff\x4f\xff\x51": JPEG_2000,
    b"\xff\x0a": JPEG_XL,
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": JPEG_XL,
}
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
NEW_SUBFILE_TYPE, SUB_IFDS, DNG_VERSION = 254, 330, 50706  # tags of TIFF
_RAW = "a camera's raw file"
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"), HEIF),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    b"crx ": _RAW,
}
# What else comes, and how a message calls it.
_OTHERS = {
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"%!PS": "a PostScript file",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML or SVG file",
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"\x00\x00\x01\x00": "an icon",
    b"FUJIFILM": _RAW,
    b"IIRO": _RAW,
    b"IIRS": _RAW,
    b"IIU\0": _RAW,
    b"\x00\x05\x16\x07": "a macOS AppleDouble file, which holds no picture",
}


def sniff(head: bytes) -> str | None:
    """Pillow's name of the format that a file's first `HEAD` bytes tell; None for what is not read."""
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[:4] in _TIFF_STARTS:
        return None if _is_raw_tiff(head) else TIFF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        found = _BRANDS.get(head[8:12])
        brands = head[16 : int.from_bytes(head[:4], "big")]
        if found == HEIF and any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4)):
            return AVIF  # its main brand is the container's, a compatible one the coding's
        return None if found == _RAW else found
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in (b" ", b"\t", b"\r", b"\n", b"#"):
        return PPM
    return None


def _is_raw_tiff(head: bytes) -> bool:
    """Whether a TIFF is a camera's raw file, whose first page is no more than a thumbnail: CR2, NEF, ARW, DNG."""
    order = _BYTE_ORDERS.get(head[:4])
    if head[8:10] == b"CR" or order is None:
        return order is not None
    first = int.from_bytes(head[4:8], order) + 2
    end = min(first + 12 * int.from_bytes(head[first - 2 : first], order), len(head) - 11)
    tags = {int.from_bytes(head[at : at + 2], order): head[at + 8 : at + 12] for at in range(first, end, 12)}
    is_smaller_copy = bool(int.from_bytes(tags.get(NEW_SUBFILE_TYPE, b""), order) & 1)
    return DNG_VERSION in tags or (is_smaller_copy and SUB_IFDS in tags)


def is_readable(name: str | None) -> bool:
    """Whether a format can be read here."""
    return name in READABLE or (name == JPEG_XL and find_spec("pillow_jxl") is not None)


def describe_file(head: bytes) -> str:
    """How a message calls a file that is not read."""
    if sniff(head) == JPEG_XL:
        return "a JPEG XL picture, whose decoder is not installed (pip install pillow-jxl-plugin)"
    if head[:4] in _TIFF_STARTS or _BRANDS.get(head[8:12]) == _RAW:
        return _RAW
    if head[4:8] == b"ftyp":
        return "a video"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for each, name in _OTHERS.items():
        if head.startswith(each) or (each[:1] == b"<" and start[: len(each)].lower() == each.lower()):
            return name
    return "no known picture format"
