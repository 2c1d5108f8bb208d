"""The parts of a multipart body (RFC 7578), each in a file that lies on disk when it grows."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import BinaryIO, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.datastructures import UploadFile

from matting_api.errors import ApiError, bad_request

MAX_PARTS = 42
SPOOL_BYTES = 2**20  # what is larger lies on disk
MAX_PREAMBLE = 64 * 1024  # text before the first part, which means nothing (RFC 2046, 5.1.1)


def new_file() -> UploadFile:
    """An empty file, on disk when it grows."""
    return UploadFile(cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)))


@dataclass
class Part:
    """One part, whose file is at its beginning.

    Attributes
    ----------
    filename : as given, of either form; None without one.
    media_type : in small letters; empty without one.
    """

    name: str
    filename: str | None
    media_type: str
    file: UploadFile
    size: int = 0


@asynccontextmanager
async def read_parts(stream: AsyncIterator[bytes], content_type: str) -> AsyncIterator[list[Part]]:
    """All parts of a body; their files are gone afterwards.

    Raises
    ------
    ApiError
        The body is no multipart form, or has too many parts.
    """
    boundary = _parameter(_header(content_type), "boundary")
    if not boundary:
        raise _malformed("got no boundary in the Content-Type")
    reader = _Reader(boundary.encode("latin-1", "replace"))
    try:
        async for chunk in stream:
            await reader.feed(chunk)
        reader.finish()
        for part in reader.parts:
            await part.file.seek(0)
        yield reader.parts
    finally:
        for part in reader.parts:
            await part.file.close()


class _Reader:
    """Feeds a body to the parser, and writes what it finds."""

    def __init__(self, boundary: bytes) -> None:
        self.parts: list[Part] = []
        self._boundary = b"--" + boundary
        self._preamble: bytes | None = b""  # what came so far; None once the first part has begun
        self._headers: list[tuple[str, bytes]] = []
        self._name, self._value = b"", b""
        self._writes: list[tuple[Part, bytes]] = []
        self._is_complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_to_name,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed(str(error)) from None

    async def feed(self, chunk: bytes) -> None:
        if self._is_complete:
            return  # an epilogue
        if self._preamble is not None:
            chunk = self._skip_preamble(self._preamble + chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from None
        for part, data in self._writes:
            part.size += len(data)
            await part.file.write(data)
        self._writes.clear()

    def finish(self) -> None:
        if not self._is_complete:
            raise _malformed("the body ends before its last boundary")

    def _skip_preamble(self, seen: bytes) -> bytes:
        start = 0 if seen.startswith(self._boundary) else seen.find(b"\r\n" + self._boundary) + 2
        if start >= 2 or seen.startswith(self._boundary):
            self._preamble = None
            return seen[start:]
        if len(seen) > MAX_PREAMBLE:
            raise _malformed("the boundary of the Content-Type does not occur")
        self._preamble = seen
        return b""

    def _begin(self) -> None:
        self._headers.clear()
        if len(self.parts) >= MAX_PARTS:
            raise bad_request(
                "invalid_form", "Too many parts", f"got more than {MAX_PARTS} parts; send each parameter once"
            )

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers.append((self._name.decode("latin-1").lower(), self._value))
        self._name, self._value = b"", b""

    def _open(self) -> None:
        given = {name: value.decode("utf-8", "replace") for name, value in self._headers}
        disposition = _header(given.get("content-disposition", ""))
        media_type = given.get("content-type", "").partition(";")[0].strip().lower()
        name = _parameter(disposition, "name")
        if name is None:
            raise _malformed("a part has no name in its Content-Disposition")
        self.parts.append(Part(name, _parameter(disposition, "filename"), media_type, new_file()))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._writes.append((self.parts[-1], data[start:end]))

    def _end(self) -> None:
        self._is_complete = True


def _header(text: str) -> Message:
    """A header with parameters, `filename*` and its kind (RFC 2231, RFC 5987) among them."""
    message = Message()
    message["parsed"] = text.replace("\r", " ").replace("\n", " ")
    return message


def _parameter(header: Message, name: str) -> str | None:
    found = header.get_param(name, header="parsed")
    return None if found is None else collapse_rfc2231_value(found)


def _malformed(detail: str) -> ApiError:
    return bad_request("invalid_form", "Invalid form", f"got a multipart body that cannot be read: {detail}")
