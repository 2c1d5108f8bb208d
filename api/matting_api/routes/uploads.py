"""Uploads that become files of a job."""

from __future__ import annotations

from pathlib import Path

from anyio import to_thread
from starlette.datastructures import UploadFile

CHUNK_BYTES = 1 << 20


async def store_upload(file: UploadFile, target: Path) -> None:
    """Copy an upload into a file."""
    with target.open("xb") as stored:
        while part := await file.read(CHUNK_BYTES):
            await to_thread.run_sync(stored.write, part)
