"""The pictures and fields of a request, from a multipart form, a urlencoded form, JSON or the photo itself as body."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from anyio import to_thread
from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request

from matting_api.errors import ApiError, bad_request
from matting_api.request.fetch import Fetcher
from matting_api.request.multipart import Part, new_file, read_parts

MAX_FIELDS = 40
MAX_FIELD_BYTES = 64 * 1024  # of a text that is no picture
MAX_TEXT_BYTES = 32 * 2**20  # of JSON and urlencoded forms, which are held in memory; a file is not
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MASK = "mask_file"
SAMPLE = RESULT, CORRECTION = ("result_file", "correction_file")  # what came of a photo, and what should have come
FILES = ("image_file", "bg_image_file", MASK, *SAMPLE)
TEXT_FILES = ("image_file_b64",)  # base64, which may be long
PHOTO, BACKGROUND = ("image_file", "image_file_b64", "image_url"), ("bg_image_file", "bg_image_url")
_FILE_TYPES = re.compile(r"image/.+|application/octet-stream")
_STANDARD = str.maketrans("-_", "+/")  # from the alphabet for addresses (RFC 4648, 5)


@dataclass
class Source:
    """A picture of a request: a file, still on disk, base64, or an address to fetch it from."""

    field: str
    value: UploadFile | str
    filename: str = ""
    fetched: UploadFile | None = None

    @property
    def name(self) -> str:
        """What errors call it."""
        return (self.filename or self.field)[:200]

    async def fetch(self, fetcher: Fetcher | None) -> None:
        """Fetch it when it is an address; without a fetcher that is refused.

        Raises
        ------
        ApiError
        """
        if not self.field.endswith("_url") or not isinstance(self.value, str):
            return
        if fetcher is None:
            detail = f"{self.field}: this server fetches nothing from other hosts; send the picture itself as a file"
            raise bad_request(f"{self.field}_not_supported", f"{self.field} is not supported", detail)
        self.fetched = await fetcher.fetch(self.value, self.field)

    async def read(self) -> bytes:
        """Its bytes; not before they are needed, for they stay in memory.

        Raises
        ------
        ApiError
            Not base64.
        """
        file = self.fetched or self.value
        data = file.encode() if isinstance(file, str) else await file.read()
        return await to_thread.run_sync(_decode, data) if self.field in TEXT_FILES else data


@dataclass(frozen=True)
class Form:
    """A photo, the text fields, and pictures that may be beside it.

    Attributes
    ----------
    background : to put behind it.
    mask : to correct the result with.
    result, correction : of a sample for `improve`: what came of the photo, and what should have come.
    """

    fields: dict[str, str]
    photo: Source
    background: Source | None = None
    mask: Source | None = None
    result: Source | None = None
    correction: Source | None = None


@asynccontextmanager
async def read_form(request: Request, limit: int, takes_photo: bool = False) -> AsyncIterator[Form]:
    """Read a request's pictures and fields; files are gone afterwards.

    Parameters
    ----------
    limit : bytes of the body, after its Content-Encoding is undone.
    takes_photo : a body of any type but multipart is the photo itself, and the address' query holds the fields.

    Raises
    ------
    ApiError
        No form, no photo or more than one, fields given twice.
    """
    kind = content_type(request.headers)
    stream = _decoded(request, limit)
    async with AsyncExitStack() as opened:
        items: list[tuple[str, Source | str]] = list(request.query_params.multi_items()) if takes_photo else []
        if kind == FORMS[0]:
            parts = await opened.enter_async_context(read_parts(stream, request.headers["content-type"]))
            form = _gather([*items, *[await _from_part(part) for part in parts]])
        elif takes_photo:
            form = _gather([*items, *await _from_body(stream, opened)])
        elif kind in (FORMS[1], "application/json"):
            data = b"".join([chunk async for chunk in stream])
            form = _gather(await to_thread.run_sync(_from_json if kind == "application/json" else _from_query, data))
        else:
            detail = f"got {kind or 'no Content-Type'}, expected {FORMS[0]}, {FORMS[1]} or application/json"
            raise ApiError(415, "unsupported_media_type", "Unsupported media type", detail)
        try:
            yield form
        finally:
            for source in (form.photo, form.background):
                if source is not None and source.fetched is not None:
                    await source.fetched.close()


def content_type(headers: Headers) -> str:
    """The media type of a request's body, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _decoded(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body without its Content-Encoding."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("identity", ""):
        async for chunk in request.stream():
            yield chunk
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        detail = f"got the Content-Encoding {coding[:50]!r}, expected gzip, deflate or none"
        raise ApiError(
            415, "unsupported_media_type", "Unsupported content encoding", detail, {"Accept-Encoding": "gzip"}
        )
    grow: Callable[[int], None] = getattr(request.state, "grow", lambda _: None)
    decoder, size = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32), 0  # gzip or zlib, whichever comes
    async for chunk in request.stream():
        while chunk:
            try:
                found = decoder.decompress(chunk, 2**20)
            except zlib.error:
                raise bad_request(
                    "invalid_body", "Invalid body", f"got a body that is no {coding}; send it as it is"
                ) from None
            chunk, size = decoder.unconsumed_tail, size + len(found)
            if size > limit:
                detail = f"got a larger body, expected at most {limit / 2**20:.0f} MB after {coding} is undone"
                raise ApiError(413, "file_too_large", "Request too large", detail)
            grow(len(found))
            yield found
    if not decoder.eof:
        raise bad_request("invalid_body", "Invalid body", f"got a body that ends within its {coding}; send it again")


async def _from_part(part: Part) -> tuple[str, Source | str]:
    """What a part gives; an empty text where a form's field was left empty."""
    name = part.name
    is_file = part.filename is not None or (name in FILES and _FILE_TYPES.fullmatch(part.media_type) is not None)
    if part.size == 0 and not part.filename:
        return name, ""
    if name in FILES and is_file:
        return name, Source(name, part.file, part.filename or "")
    if name in TEXT_FILES:
        return name, Source(name, part.file)
    if is_file and name not in (*PHOTO, *BACKGROUND, *FILES):
        detail = f"{name[:50]}: got a file, expected {' and '.join(FILES)} as the only ones"
        raise bad_request("unsupported_parameter", "Unsupported parameter", detail)
    return name, await read_text(part)


async def read_text(part: Part) -> str:
    """The text of a part that is no file. Raises ApiError where it is too long."""
    if part.size > MAX_FIELD_BYTES:
        detail = f"{part.name[:50]}: got {part.size} bytes, expected at most {MAX_FIELD_BYTES}"
        raise bad_request("invalid_parameter", "Parameter too long", detail)
    return (await part.file.read()).decode("utf-8", "replace")


async def _from_body(stream: AsyncIterator[bytes], opened: AsyncExitStack) -> list[tuple[str, Source | str]]:
    """The body as a file, if there is one."""
    file, size = new_file(), 0
    opened.push_async_callback(file.close)
    async for chunk in stream:
        size += len(chunk)
        await file.write(chunk)
    await file.seek(0)
    return [("image_file", Source("image_file", file))] if size else []


def _gather(items: Iterable[tuple[str, Source | str]]) -> Form:
    """Sort fields from pictures, and check that there is one photo."""
    fields: dict[str, str] = {}
    sources: dict[str, Source] = {}
    for key, value in items:
        if key in fields or key in sources:
            raise bad_request(
                "invalid_parameter", "Parameter given twice", f"{key[:50]}: got it twice, expected it once"
            )
        if isinstance(value, Source):
            sources[key] = value
        elif value and key in FILES:
            detail = f"{key}: got a text, expected a file; send it as multipart/form-data with a file name"
            raise bad_request(f"invalid_{key}", f"{key} is no file", detail)
        elif key not in (*PHOTO, *BACKGROUND):
            fields[key] = value
        elif value:
            sources[key] = Source(key, value)
    photos = [sources[name] for name in PHOTO if name in sources]
    if not photos:
        raise bad_request("missing_source", "No image given", f"expected the photo as one of {', '.join(PHOTO)}")
    backgrounds = [sources[name] for name in BACKGROUND if name in sources]
    for found, names in ((photos, PHOTO), (backgrounds, BACKGROUND)):
        if len(found) > 1:
            detail = f"got {' and '.join(each.field for each in found)}, expected one of {', '.join(names)}"
            raise bad_request("multiple_sources", "More than one image", detail)
    behind = backgrounds[0] if backgrounds else None
    return Form(fields, photos[0], behind, *(sources.get(name) for name in (MASK, RESULT, CORRECTION)))


def _from_query(data: bytes) -> list[tuple[str, Source | str]]:
    try:
        return list(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        detail = f"got more than {MAX_FIELDS} fields; send each parameter once"
        raise bad_request("invalid_form", "Too many fields", detail) from None


def _from_json(data: bytes) -> list[tuple[str, Source | str]]:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise bad_request("invalid_json", "Invalid JSON", "got a body that is no JSON, expected an object") from None
    if not isinstance(found, dict):
        raise bad_request("invalid_json", "Invalid JSON", f"got {kind_of(found)}, expected an object of parameters")
    return [(key, _text(key, value)) for key, value in found.items() if value is not None]


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise bad_request("invalid_parameter", "Invalid parameter", f"{key[:50]}: got {kind_of(value)}, expected a text")


def kind_of(value: Any) -> str:
    """What JSON calls a value of it."""
    kinds = {type(None): "null", bool: "a truth", str: "a text", list: "an array", dict: "an object"}
    return kinds.get(type(value), "a number")


def _decode(data: bytes) -> bytes:
    """Base64 of either alphabet, with or without its padding, or a data: address of it."""
    text = data.decode("ascii", "replace")
    encoded = text.partition(",")[2] if text[:5].lower() == "data:" else text
    encoded = "".join(encoded.split()).translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise bad_request(
            "invalid_image_file_b64", "Invalid base64", "image_file_b64: got no base64; encode it again"
        ) from None
