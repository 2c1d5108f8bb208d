"""Uploads that become files of a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from fastapi import Request

from matting_api.errors import bad_request
from matting_api.jobs import disk
from matting_api.request.body import FORMS, content_type, read_text
from matting_api.request.coding import content_coding, wrong_coding
from matting_api.request.fields import given_twice
from matting_api.request.multipart import Part, read_parts

CHUNK_BYTES = 1 << 20
SHOWN = 200  # characters of a file's name
A_FILE = "a file"  # in place of a text


@dataclass(frozen=True)
class Upload:
    """A form.

    Attributes
    ----------
    file, name : what it is about, and what errors call that.
    texts : beside it or in the address. A file that is not expected is among them, with a text that is no field's:
        whoever knows them says what is wrong with it.
    picture : the other file, where one came.
    """

    file: Part
    name: str
    texts: dict[str, str]
    picture: Part | None


@asynccontextmanager
async def read_upload(
    request: Request, field: str, title: str, what: str, picture: str | None = None
) -> AsyncIterator[Upload]:
    """A form with the file `field`, and perhaps another one; they are gone afterwards.

    Parameters
    ----------
    title, what : of the error where the file is missing.
    picture : field of the other file.

    Raises
    ------
    ApiError
        No form, no such file, or something given twice.
    """
    missing = bad_request("missing_source", title, f"expected {what} as the file {field} of a form")
    if content_type(request.headers) != FORMS[0]:
        raise missing
    if (coding := content_coding(request.headers)) != "identity":  # archives and clips would be as large unpacked
        raise wrong_coding(coding, "identity")
    async with read_parts(request.stream(), request.headers["content-type"]) as parts:
        files: dict[str, Part] = {}
        texts = fields_of_address(request)
        for part in parts:
            if part.name in texts or part.name in files:
                raise given_twice(part.name)
            if part.name == field and part.filename is not None:
                files[field] = part
            elif part.name == picture and (part.filename or part.size):
                files[picture] = part
            elif part.name != picture:
                texts[part.name] = await _text(part)
        if field not in files:
            raise missing
        yield Upload(files[field], shown_name(files[field]), texts, files.get(picture or ""))


def shown_name(part: Part) -> str:
    """What errors call a file."""
    return (part.filename or part.name)[:SHOWN]


def fields_of_address(request: Request) -> dict[str, str]:
    """The fields that stand in a request's address. Raises ApiError where one stands there twice."""
    fields: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            raise given_twice(name)
        fields[name] = value
    return fields


async def _text(part: Part) -> str:
    """A part's text, `A_FILE` of a file, nothing of one that was left empty in a form."""
    if part.filename is None:
        return await read_text(part)
    return A_FILE if part.size or part.filename else ""


async def store_upload(upload: Part, target: Path) -> None:
    """Copy an upload into a file of a job. Raises StorageFailed, before it fills the disk."""
    await to_thread.run_sync(disk.check_space, target.parent, upload.size)
    with disk.storage_errors(), target.open("xb") as stored:
        while part := await upload.file.read(CHUNK_BYTES):
            await to_thread.run_sync(stored.write, part)
