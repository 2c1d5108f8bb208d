"""The pictures and fields of a request, from a multipart form, a urlencoded form, JSON or the photo itself as body."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request

from matting_api.errors import ApiError, bad
from matting_api.request.fetch import Fetcher, new_file

MAX_FIELDS = 40
MAX_TEXT_BYTES = 32 * 2**20  # of base64 and JSON, which are held in memory; a file is not
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
FILES = ("image_file", "bg_image_file")
PHOTO, BACKGROUND = ("image_file", "image_file_b64", "image_url"), ("bg_image_file", "bg_image_url")


@dataclass
class Source:
    """A picture of a request: a file, still on disk, base64, or an address to fetch it from."""

    field: str
    value: UploadFile | str
    fetched: UploadFile | None = None

    @property
    def name(self) -> str:
        """What errors call it."""
        return ((not isinstance(self.value, str) and self.value.filename) or self.field)[:200]

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
            raise bad(f"{self.field}_not_supported", f"{self.field} is not supported", detail)
        self.fetched = await fetcher.fetch(self.value, self.field)

    async def read(self) -> bytes:
        """Its bytes; not before they are needed, for they stay in memory.

        Raises
        ------
        ApiError
            Not base64.
        """
        file = self.fetched or self.value
        return await (to_thread.run_sync(_decode, file) if isinstance(file, str) else file.read())


@dataclass(frozen=True)
class Form:
    """A photo, perhaps a picture to put behind it, and the text fields beside them."""

    fields: dict[str, str]
    photo: Source
    background: Source | None = None


@asynccontextmanager
async def read_form(request: Request, takes_photo: bool = False) -> AsyncIterator[Form]:
    """Read a request's pictures and fields; files are gone afterwards.

    Parameters
    ----------
    takes_photo : a body of any type but multipart is the photo itself, and the address' query holds the fields.

    Raises
    ------
    ApiError
        No form, no photo or more than one, fields given twice.
    """
    kind = content_type(request.headers)
    if kind == FORMS[0] or (kind == FORMS[1] and not takes_photo):
        query = request.query_params.multi_items() if takes_photo else []
        async with request.form(max_files=len(FILES), max_fields=MAX_FIELDS, max_part_size=MAX_TEXT_BYTES) as parts:
            with_pictures = _gather([*query, *parts.multi_items()])
            async with _closing(with_pictures) as form:
                yield form
    elif takes_photo:
        async with _body(request) as file, _closing(_gather([*request.query_params.multi_items(), *file])) as form:
            yield form
    elif kind == "application/json":
        found = await to_thread.run_sync(_from_json, await request.body())
        async with _closing(_gather(found.items())) as form:
            yield form
    else:
        detail = f"got {kind or 'no Content-Type'}, expected {FORMS[0]}, {FORMS[1]} or application/json"
        raise ApiError(415, "unsupported_media_type", "Unsupported media type", detail)


def content_type(headers: Headers) -> str:
    """The media type of a request's body, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def _closing(form: Form) -> AsyncIterator[Form]:
    """Close what is fetched for a form."""
    try:
        yield form
    finally:
        for source in (form.photo, form.background):
            if source is not None and source.fetched is not None:
                await source.fetched.close()


@asynccontextmanager
async def _body(request: Request) -> AsyncIterator[list[tuple[str, UploadFile]]]:
    """The body as a file, if there is one."""
    upload, size = new_file(), 0
    try:
        async for part in request.stream():
            size += len(part)
            await upload.write(part)
        await upload.seek(0)
        yield [("image_file", upload)] if size else []
    finally:
        await upload.close()


def _gather(items: Iterable[tuple[str, UploadFile | str]]) -> Form:
    """Sort fields from pictures, and check that there is one photo."""
    fields: dict[str, str] = {}
    sources: dict[str, Source] = {}
    for key, value in items:
        if key in fields or key in sources:
            raise bad("invalid_parameter", "Parameter given twice", f"{key[:50]}: got it twice, expected it once")
        if isinstance(value, str) and key in FILES:
            detail = f"{key}: got a text, expected a file; send it as multipart/form-data with a file name"
            raise bad(f"invalid_{key}", f"{key} is no file", detail)
        if key in (*PHOTO, *BACKGROUND):
            if value != "":
                sources[key] = Source(key, value)
        elif isinstance(value, str):
            fields[key] = value
        else:
            detail = f"{key[:50]}: got a file, expected {' and '.join(FILES)} as the only ones"
            raise bad("unsupported_parameter", "Unsupported parameter", detail)
    photos = [sources[name] for name in PHOTO if name in sources]
    if not photos:
        raise bad("missing_source", "No image given", f"expected the photo as one of {', '.join(PHOTO)}")
    backgrounds = [sources[name] for name in BACKGROUND if name in sources]
    for found, names in ((photos, PHOTO), (backgrounds, BACKGROUND)):
        if len(found) > 1:
            detail = f"got {' and '.join(each.field for each in found)}, expected one of {', '.join(names)}"
            raise bad("multiple_sources", "More than one image", detail)
    return Form(fields, photos[0], backgrounds[0] if backgrounds else None)


def _from_json(data: bytes) -> dict[str, str]:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise bad("invalid_json", "Invalid JSON", "got a body that is no JSON, expected an object") from None
    if not isinstance(found, dict):
        raise bad("invalid_json", "Invalid JSON", f"got {type(found).__name__}, expected an object of parameters")
    return {key: _text(key, value) for key, value in found.items() if value is not None}


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise bad("invalid_parameter", "Invalid parameter", f"{key[:50]}: got {type(value).__name__}, expected a text")


def _decode(text: str) -> bytes:
    encoded = text.partition(",")[2] if text[:5].lower() == "data:" else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise bad(
            "invalid_image_file_b64", "Invalid base64", "image_file_b64: got no base64; encode it again"
        ) from None
