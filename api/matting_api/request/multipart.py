"""The parts of a multipart body (RFC 7578), each in a file; what is more than a little memory holds is on disk."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import BinaryIO, cast

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.datastructures import UploadFile

from matting_api.errors import ApiError, bad_request

MAX_PARTS = 42
MEMORY_BYTES = 2**19  # of one request's files together; what is more lies on disk
MOST_ON_DISK = 8  # of one request's files, each of which holds a descriptor
MOST_PARAMETERS = 50  # of a header, and semicolons within their texts: the library goes through all of it for each
MAX_FIELD_BYTES = 64 * 1024  # of a text that is no picture
MAX_PREAMBLE = 64 * 1024  # text before the first part, which means nothing (RFC 2046, 5.1.1)


def new_file() -> UploadFile:
    """An empty file, on disk when it grows."""
    return UploadFile(cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)))


def _new_part() -> UploadFile:
    """An empty file that stays in memory until it is told otherwise, since it shares that with others."""
    return UploadFile(cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=0)))


@dataclass(eq=False)
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


def check_text(part: Part) -> None:
    """Refuse a part without a file's name that is too long for a text. Raises ApiError."""
    if part.filename is None:
        check_length(part)


def check_length(part: Part) -> None:
    """Refuse a part that is too long for a text. Raises ApiError."""
    if part.size > MAX_FIELD_BYTES:
        detail = f"{part.name[:50]}: got {part.size} bytes or more, expected at most {MAX_FIELD_BYTES}"
        raise bad_request("invalid_parameter", "Parameter too long", detail)


@asynccontextmanager
async def read_parts(
    stream: AsyncIterator[bytes], content_type: str, check: Callable[[Part], None] = check_text
) -> AsyncIterator[list[Part]]:
    """All parts of a body; their files are gone afterwards.

    Parameters
    ----------
    check : called with each part as it grows; what it raises ends the body.

    Raises
    ------
    ApiError
        The body is no multipart form, or has too many parts.
    """
    boundary = _parameter(_header(content_type), "boundary")
    if not boundary:
        raise _malformed("got no boundary in the Content-Type; let your client set that header itself")
    reader = _Reader(boundary.encode("latin-1", "replace"), check)
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

    def __init__(self, boundary: bytes, check: Callable[[Part], None]) -> None:
        self.parts: list[Part] = []
        self._check = check
        self._in_memory: list[Part] = []
        self._boundary = b"--" + boundary
        self._preamble: bytes | None = b""  # what came so far; None once the first part has begun
        self._headers: list[tuple[str, bytes]] = []
        self._name = b""
        self._value = b""
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
            await self._store(part, data)
            self._check(part)
        self._writes.clear()

    async def _store(self, part: Part, data: bytes) -> None:
        """Append to a part's file; when all that are in memory are too much, the largest goes to disk."""
        part.size += len(data)
        if part in self._in_memory and sum(each.size for each in self._in_memory) > MEMORY_BYTES:
            if len(self.parts) - len(self._in_memory) >= MOST_ON_DISK:
                detail = f"got more than {MOST_ON_DISK} files and {MEMORY_BYTES} bytes beside them; send each file once"
                raise bad_request("invalid_form", "Form too large", detail)
            largest = max(self._in_memory, key=lambda each: each.size)
            self._in_memory.remove(largest)
            await to_thread.run_sync(cast("tempfile.SpooledTemporaryFile[bytes]", largest.file.file).rollover)
        await part.file.write(data)

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
        self._name = b""
        self._value = b""

    def _open(self) -> None:
        given = {name: value.decode("utf-8", "replace") for name, value in self._headers}
        disposition = _header(given.get("content-disposition", ""))
        media_type = given.get("content-type", "").partition(";")[0].strip().lower()
        name = _parameter(disposition, "name")
        if name is None:
            raise _malformed("a part has no name in its Content-Disposition")
        part = Part(name, _parameter(disposition, "filename"), media_type, _new_part())
        self.parts.append(part)
        self._in_memory.append(part)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._writes.append((self.parts[-1], data[start:end]))

    def _end(self) -> None:
        self._is_complete = True


def _header(text: str) -> Message:
    """A header with parameters, `filename*` and its kind (RFC 2231, RFC 5987) among them."""
    if text.count(";") > MOST_PARAMETERS:
        raise _malformed(f"a header has more than {MOST_PARAMETERS} semicolons")
    message = Message()
    message["parsed"] = text.replace("\r", " ").replace("\n", " ")
    return message


def _parameter(header: Message, name: str) -> str | None:
    try:
        found = header.get_param(name, header="parsed")
        return None if found is None else collapse_rfc2231_value(found)
    except ValueError:  # a number without end, or a coding that Python has for no texts
        raise _malformed(f"a header's {name} is in no known coding") from None


def _malformed(detail: str) -> ApiError:
    return bad_request("invalid_form", "Invalid form", f"got a multipart body that cannot be read: {detail}")
