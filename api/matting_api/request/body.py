"""The pictures and fields of a request, from a multipart form, a urlencoded form, JSON or the photo itself as body."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from anyio import to_thread
from matting_client.imaging.formats import HEAD, sniff
from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request

from matting_api.errors import ApiError, bad_request
from matting_api.paths import REMOVEBG
from matting_api.request.coding import decoded
from matting_api.request.fetch import Fetcher
from matting_api.request.fields import given_twice
from matting_api.request.multipart import MAX_FIELD_BYTES, Part, check_length, new_file, read_parts
from matting_api.request.texts import fields_of_form, fields_of_json

MAX_TEXT_BYTES = 32 * 2**20  # of JSON and urlencoded forms, which are held in memory; a file is not
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
JSON = "application/json"
TEXTS = (FORMS[1], JSON)
MASK = "mask_file"
SAMPLE = RESULT, CORRECTION = ("result_file", "correction_file")  # what came of a photo, and what should have come
FILES = ("image_file", "bg_image_file", MASK, *SAMPLE)
TEXT_FILES = ("image_file_b64",)  # base64, which may be long
PHOTO = ("image_file", "image_file_b64", "image_url")
BACKGROUND = ("bg_image_file", "bg_image_url")
_FILE_TYPES = re.compile(r"image/.+|application/octet-stream")
_FIELDS = re.compile(rb"\s*[{\[]|[\w%.-]+=")  # begins JSON or a urlencoded form
_STANDARD = bytes.maketrans(b"-_", b"+/")  # from the alphabet for addresses (RFC 4648, 5)
_SPACES = b" \t\n\r\v\f"


@dataclass
class Source:
    """A picture of a request: a file, still on disk, base64, or an address to fetch it from."""

    field: str
    value: UploadFile | str
    filename: str = ""
    fetched: UploadFile | None = None

    @property
    def name(self) -> str:
        """What errors call it: a file's own name, with its field where it might be taken for the photo's."""
        names = (self.filename,) if self.field in PHOTO and self.filename else (self.field, self.filename)
        return " ".join(filter(None, names))[:200]

    @property
    def is_address(self) -> bool:
        """Whether it has to be fetched."""
        return self.field.endswith("_url") and isinstance(self.value, str)

    async def fetch(self, fetcher: Fetcher | None, book: Callable[[int], None]) -> None:
        """Fetch it when it is an address, `book` as of `Fetcher.fetch`; without a fetcher that is refused.

        Raises
        ------
        ApiError
        """
        if not self.is_address or not isinstance(self.value, str):
            return
        if fetcher is None:
            detail = f"{self.field}: this server fetches nothing from other hosts; send the picture itself as a file"
            raise bad_request(f"{self.field}_not_supported", f"{self.field} is not supported", detail)
        self.fetched = await fetcher.fetch(self.value, self.field, book)

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
async def read_form(request: Request, takes_photo: bool = False) -> AsyncIterator[Form]:
    """Read a request's pictures and fields, those in its address among them; files are gone afterwards.

    Parameters
    ----------
    takes_photo : a body of any type but multipart is the photo itself.

    Raises
    ------
    ApiError
        No form, no photo or more than one, fields given twice.
    """
    kind = content_type(request.headers)
    stream = decoded(request)
    async with AsyncExitStack() as opened:
        items: list[tuple[str, Source | str]] = list(request.query_params.multi_items())
        if kind == FORMS[0]:
            parts = await opened.enter_async_context(read_parts(stream, request.headers["content-type"], _check_part))
            form = _gather([*items, *[await _from_part(part) for part in parts]])
        elif takes_photo:
            form = _gather([*items, *await _from_body(stream, opened, kind)])
        elif kind in TEXTS:
            data = b"".join([chunk async for chunk in stream])
            if sniff(data[:HEAD]) is not None:  # curl calls each body a urlencoded form
                raise _wrong_type("a picture as the body")
            read = fields_of_json if kind == JSON else partial(fields_of_form, base64=TEXT_FILES)
            form = _gather([*items, *await to_thread.run_sync(read, data)])
        else:
            raise _wrong_type(kind or "no Content-Type")
        try:
            yield form
        finally:
            for source in (form.photo, form.background):
                if source is not None and source.fetched is not None:
                    await source.fetched.close()


def _wrong_type(got: str) -> ApiError:
    detail = f"got {got}, expected {FORMS[0]} with image_file, {FORMS[1]} or {JSON}"
    return ApiError(415, "unsupported_media_type", "Unsupported media type", detail)


def content_type(headers: Headers) -> str:
    """The media type of a request's body, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_file(part: Part) -> bool:
    return part.filename is not None or (part.name in FILES and _FILE_TYPES.fullmatch(part.media_type) is not None)


def _check_part(part: Part) -> None:
    """Refuse what no field can be, while it comes."""
    if part.name in TEXT_FILES or (part.name in FILES and _is_file(part)):
        return  # bounded with the whole body
    if part.name in FILES and part.size > MAX_FIELD_BYTES:
        raise _no_file(part.name)  # the same as of a shorter one
    if _is_file(part) and part.name not in (*PHOTO, *BACKGROUND):
        detail = f"{part.name[:50]}: got a file, expected the photo as {FILES[0]}, or else {', '.join(FILES[1:])}"
        raise bad_request("unsupported_parameter", "Unsupported parameter", detail)
    check_length(part)


async def _from_part(part: Part) -> tuple[str, Source | str]:
    """What a part gives; an empty text where a form's field was left empty."""
    name = part.name
    if part.size == 0 and not part.filename:
        return name, ""
    _check_part(part)
    if name in FILES and _is_file(part):
        return name, Source(name, part.file, part.filename or "")
    if name in TEXT_FILES:
        return name, Source(name, part.file)
    return name, await read_text(part)


async def read_text(part: Part) -> str:
    """The text of a part that is no file. Raises ApiError where it is too long."""
    check_length(part)
    return (await part.file.read()).decode("utf-8", "replace")


async def _from_body(stream: AsyncIterator[bytes], opened: AsyncExitStack, kind: str) -> list[tuple[str, Source | str]]:
    """The body, of a media type `kind`, as a file if there is one. curl calls each body a urlencoded form."""
    file = new_file()
    size = 0
    opened.push_async_callback(file.close)
    async for chunk in stream:
        size += len(chunk)
        await file.write(chunk)
    await file.seek(0)
    head = await file.read(HEAD)
    if kind in TEXTS and sniff(head) is None and _FIELDS.match(head):
        detail = (
            f"got fields as {kind}, expected the photo itself as the body, or {FORMS[0]} with image_file; "
            f"{REMOVEBG} takes {' and '.join(TEXTS)}"
        )
        raise ApiError(415, "unsupported_media_type", "Unsupported media type", detail)
    await file.seek(0)
    return [("image_file", Source("image_file", file))] if size else []


def _gather(items: Iterable[tuple[str, Source | str]]) -> Form:
    """Sort fields from pictures, and check that there is one photo."""
    fields: dict[str, str] = {}
    sources: dict[str, Source] = {}
    for key, value in items:
        if key in fields or key in sources:
            raise given_twice(key)
        if isinstance(value, Source):
            sources[key] = value
        elif value and key in FILES:
            raise _no_file(key)
        elif key in TEXT_FILES and not value.isascii():  # in memory a text of other letters is up to 4 times as long
            raise _no_base64()
        elif key not in TEXT_FILES and len(value) > MAX_FIELD_BYTES:
            detail = f"{key[:50]}: got {len(value)} characters, expected at most {MAX_FIELD_BYTES}"
            raise bad_request("invalid_parameter", "Parameter too long", detail)
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


def _no_file(name: str) -> ApiError:
    detail = f"{name}: got a text, expected a file; send it as multipart/form-data with a file name"
    return bad_request(f"invalid_{name}", f"{name} is no file", detail)


def _decode(data: bytes) -> bytes:
    """Base64 of either alphabet, with or without its padding, or a data: address of it."""
    encoded = data.partition(b",")[2] if data[:5].lower() == b"data:" else data
    encoded = encoded.translate(_STANDARD, _SPACES).rstrip(b"=")
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _no_base64() from None


def _no_base64() -> ApiError:
    return bad_request("invalid_image_file_b64", "Invalid base64", "image_file_b64: got no base64; encode it again")
