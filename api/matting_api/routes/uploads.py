"""Uploads that become files of a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def read_upload(
    request: Request, field: str, title: str, what: str
) -> AsyncIterator[tuple[Part, str, dict[str, str]]]:
    """The file `field` of a form, gone afterwards, what errors call it, and the texts beside it or in the address.

    Any other file is among the texts, with one that is no field's: whoever knows them says what is wrong with it.

    Parameters
    ----------
    title, what : of the error where the file is missing.

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
        found: Part | None = None
        name = field
        texts = fields_of_address(request)
        for part in parts:
            if part.name in texts or (found is not None and part.name == field):
                raise given_twice(part.name)
            if part.name == field and part.filename is not None:
                found = part
                name = (part.filename or field)[:SHOWN]
            else:
                texts[part.name] = await _text(part)
        if found is None or field in texts:
            raise missing
        yield found, name, texts


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
