"""The fields of a request to cut out a photo, from a multipart form, a urlencoded form or JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.requests import Request

from api.errors import ApiError, bad

MAX_FIELDS = 40
MAX_TEXT_BYTES = 32 * 2**20  # of base64 and JSON, which are held in memory; a file is not
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Form:
    """A photo, still on disk or as base64, and the text fields beside it."""

    fields: dict[str, str]
    upload: UploadFile | None = None
    text: str = ""

    @property
    def name(self) -> str:
        """What errors call the photo."""
        return (self.upload.filename or "image_file")[:200] if self.upload is not None else "image_file_b64"

    async def photo(self) -> bytes:
        """The photo's bytes; not before they are needed, for they stay in memory.

        Raises
        ------
        ApiError
            Not base64.
        """
        if self.upload is not None:
            return await self.upload.read()
        return await to_thread.run_sync(_decode, self.text)


@asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[Form]:
    """Read a request's photo and fields; the photo is gone afterwards.

    Raises
    ------
    ApiError
        No form, no photo or more than one, fields given twice.
    """
    kind = content_type(request.headers)
    if kind == "application/json":
        yield await to_thread.run_sync(_from_json, await request.body())
        return
    if kind not in _FORMS:
        detail = f"got {kind or 'no Content-Type'}, expected {_FORMS[0]}, {_FORMS[1]} or application/json"
        raise ApiError(415, "unsupported_media_type", "Unsupported media type", detail)
    async with request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_TEXT_BYTES) as form:
        yield _from_form(form)


def content_type(headers: Headers) -> str:
    """The media type of a request's body, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _from_form(form: FormData) -> Form:
    fields: dict[str, str] = {}
    upload: UploadFile | None = None
    for key, value in form.multi_items():
        if key in fields or (key == "image_file" and upload is not None):
            raise bad("invalid_parameter", "Parameter given twice", f"{key[:50]}: got it twice, expected it once")
        if isinstance(value, str):
            fields[key] = value
        elif key == "image_file":
            upload = value
        else:
            detail = f"{key[:50]}: got a file, expected image_file as the only one"
            raise bad("unsupported_parameter", "Unsupported parameter", detail)
    return _checked(fields, upload)


def _from_json(data: bytes) -> Form:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise bad("invalid_json", "Invalid JSON", "got a body that is no JSON, expected an object") from None
    if not isinstance(found, dict):
        raise bad("invalid_json", "Invalid JSON", f"got {type(found).__name__}, expected an object of parameters")
    return _checked({key: _text(key, value) for key, value in found.items() if value is not None}, None)


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise bad("invalid_parameter", "Invalid parameter", f"{key[:50]}: got {type(value).__name__}, expected a text")


def _checked(fields: dict[str, str], upload: UploadFile | None) -> Form:
    """Check that there is one photo."""
    if fields.get("image_url"):
        detail = "image_url: this server fetches nothing from other hosts; send the picture itself as image_file"
        raise bad("image_url_not_supported", "image_url is not supported", detail)
    if "image_file" in fields:
        detail = "image_file: got a text, expected a file; send it as multipart/form-data with a file name"
        raise bad("invalid_image_file", "image_file is no file", detail)
    text = fields.get("image_file_b64", "")
    if upload is not None and text:
        raise bad("multiple_sources", "More than one image", "expected image_file or image_file_b64, not both")
    if upload is None and not text:
        raise bad("missing_source", "No image given", "expected the photo as image_file or image_file_b64")
    rest = {key: value for key, value in fields.items() if key not in ("image_url", "image_file_b64")}
    return Form(rest, upload, text)


def _decode(text: str) -> bytes:
    encoded = text.partition(",")[2] if text[:5].lower() == "data:" else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise bad(
            "invalid_image_file_b64", "Invalid base64", "image_file_b64: got no base64; encode it again"
        ) from None
