"""ZIPs of strangers: opened so that their list of contents costs little, whatever it holds."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matting_api.errors import ApiError, bad_request, too_large

MOST_ENTRIES = 30_000  # thrice as many as photos: folders, and the doubles that a Mac adds
MOST_LIST_BYTES = 8 * 2**20
MOST_NAME_BYTES = 1024
_IS_UTF8 = 0x800  # of an entry's flags: its name is
_IS_ENCRYPTED = 0x1
_FROM_WINDOWS = (0, 10, 11)  # MS-DOS, NTFS, VFAT: where no name holds a backslash, and some packers part folders by it
_UNICODE_PATH = 0x7075  # beside a name of another encoding (APPNOTE, 4.6.9)
_ENTRY = b"PK\x01\x02"  # begins each entry of the list
_ENDING_BYTES = 2**16 + 22 + 20 + 56  # what is searched for the end of the list, and the two records of zip64
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, ValueError, IndexError, OverflowError, EOFError, OSError),
)


class _TooMuch(Exception):
    """The list is longer than allowed."""


class _Guarded(io.BufferedReader):
    """A file that refuses to hand out a long list.

    `zipfile` reads the whole list at once and makes an object of each entry, as many as there are. What the records at
    the file's end say of it need not be what `zipfile` makes of them, so that what it reads is counted.
    """

    left: int | None = 2 * _ENDING_BYTES + MOST_LIST_BYTES  # bytes; None once the list is known
    entries = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if self.left is None:
            return super().read(size)
        if size is not None and size > self.left:
            raise _TooMuch
        data = super().read(self.left + 1 if size is None or size < 0 else size)
        self.left -= len(data)
        self.entries += data.count(_ENTRY)
        if self.left < 0 or self.entries > MOST_ENTRIES:
            raise _TooMuch
        return data


@contextmanager
def open_archive(path: Path, name: str = "archive") -> Iterator[zipfile.ZipFile]:
    """Open a ZIP, which errors call `name`; entries of it may be read from several threads at once.

    Raises
    ------
    ApiError
        It is none, lists too much, or has names that cannot be used.
    """
    with _Guarded(io.FileIO(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _TooMuch:
            detail = f"{name}: got more than {MOST_ENTRIES} entries or {MOST_LIST_BYTES // 2**20} MB of names"
            raise _invalid(f"{detail}, expected fewer; send it in parts") from None
        except _BROKEN:
            raise _invalid(f"{name}: got no readable ZIP; pack it again") from None
        file.left = None
        with archive:
            _read_names(archive)
            _check_names(archive, name)
            yield archive


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most_bytes: int) -> bytes:
    """The bytes of an entry.

    Raises
    ------
    ApiError
        It cannot be unpacked, or is larger than allowed, whatever the list says.
    """
    if entry.flag_bits & _IS_ENCRYPTED:
        raise _invalid(f"{entry.filename[:100]}: got an encrypted file; pack it again without a password")
    if entry.file_size > most_bytes:  # before any of it is unpacked
        raise too_large(entry.filename, most_bytes)
    try:
        with archive.open(entry) as file:
            data = file.read(most_bytes + 1)
    except _BROKEN:
        raise _invalid(f"{entry.filename[:100]}: cannot be unpacked; pack it again") from None
    if len(data) > most_bytes:
        raise too_large(entry.filename, most_bytes)
    return data


def _read_names(archive: zipfile.ZipFile) -> None:
    """Undo that `zipfile` takes for cp437 each name that does not say to be UTF-8: macOS and Info-ZIP do not say it."""
    for entry in archive.infolist():
        if not entry.flag_bits & _IS_UTF8:
            try:
                name = _unicode_path(entry) or entry.filename.encode("cp437").decode("utf-8")
            except UnicodeError:
                continue  # it is in a code page that nobody tells
            entry.filename = name.partition("\0")[0]
    for entry in archive.infolist():
        if entry.create_system in _FROM_WINDOWS:
            entry.filename = entry.filename.replace("\\", "/")


def _unicode_path(entry: zipfile.ZipInfo) -> str:
    """The name that an entry brings in UTF-8 beside its own; "" for none. Raises UnicodeError."""
    extra = entry.extra
    known = struct.pack("<BL", 1, zlib.crc32(entry.orig_filename.encode("cp437")))
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field = extra[4 : 4 + size]
        extra = extra[4 + size :]
        if kind == _UNICODE_PATH and field.startswith(known):  # made for this name
            return field[len(known) :].decode("utf-8")
    return ""


def _check_names(archive: zipfile.ZipFile, name: str) -> None:
    for entry in archive.infolist():
        size = len(entry.filename.encode(errors="replace"))
        if not 1 <= size <= MOST_NAME_BYTES:
            detail = f"{name}: got a name of {size} bytes, expected 1 to {MOST_NAME_BYTES}; pack it again"
            raise _invalid(detail)


def _invalid(detail: str) -> ApiError:
    return bad_request("invalid_archive", "Invalid archive", detail)
