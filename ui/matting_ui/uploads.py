"""Takes uploads in: into the folder of the visitor who sent them, each where nobody can guess it, within bounds."""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from matting_client import shared_folders
from matting_client.system import is_disk_full

from matting_ui.details import chinese_text
from matting_ui.errors import NoRoomForUploads, TooManyUploads, UploadError, UploadsUnavailable
from matting_ui.gradio_patches import receive_files
from matting_ui.i18n import language_of, texts
from matting_ui.refusal import refusal
from matting_ui.visitors import Visitors

PATH = "/gradio_api/upload"


@dataclass(frozen=True)
class Bounds:
    """Of uploads: files and bytes of one visitor and of all; bytes of the disk that stay free.

    All visitors at one address have half of what all have, for whoever deletes the cookie looks like a new one.
    """

    files: int = 500
    bytes: int = 2 * 2**30
    all_files: int = 10_000
    all_bytes: int = 8 * 2**30
    free_bytes: int = 512 * 2**20


class Shelf:
    """Knows how much each visitor has put down, and makes room for one more upload or refuses it.

    What lies there is counted on the disk, since others remove files; what is on its way is added.
    """

    REST = 20  # times as long as the last count took, until the next one: nobody else is answered meanwhile

    def __init__(self, visitors: Visitors, bounds: Bounds) -> None:
        self._visitors = visitors
        self._bounds = bounds
        self._coming: Counter[str] = Counter()
        self._files: Counter[str] = Counter()  # as of the last count, and what has come since
        self._bytes: Counter[str] = Counter()
        self._next_count = 0.0
        self._addresses: OrderedDict[str, str] = OrderedDict()  # where each visitor's last upload came from

    @contextmanager
    def place(self, caller: tuple[str, str], size: int) -> Iterator[Path]:
        """A new folder for an upload of at most `size` bytes; gone again when the upload fails.

        Raises
        ------
        UploadError
            It would be too much.
        OSError
            The private folder is missing, or the disk is full.
        """
        address, visitor = caller
        self._check(address, visitor, size)
        self._coming[visitor] += size
        self._addresses[visitor] = address
        folder = self._visitors.folder(visitor) / secrets.token_hex(16)
        try:
            self._visitors.uploads.mkdir(exist_ok=True)  # not its parent: that is private, and made by who runs us
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir()
            yield folder
            self._add(folder, "*/*")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._coming[visitor] -= size

    def _count(self) -> None:
        start = time.monotonic()
        if start < self._next_count:
            return
        self._files.clear()
        self._bytes.clear()
        self._add(self._visitors.uploads, "*/*/*/*")
        end = time.monotonic()
        self._next_count = end + self.REST * (end - start)

    def _add(self, folder: Path, below: str) -> None:
        for file in shared_folders.find_below(folder, below):
            owner = file.parts[-4]  # visitor, upload, digest, file
            self._files[owner] += 1
            self._bytes[owner] += shared_folders.size(file)

    def _check(self, address: str, visitor: str, size: int) -> None:
        bounds = self._bounds
        self._count()
        files, taken = self._files, self._bytes + self._coming
        near = [name for name in set(files) | set(taken) if self._addresses.get(name) == address]
        most = f"{bounds.files} files, {_text(bounds.bytes)}"
        if files[visitor] >= bounds.files or taken[visitor] + size > bounds.bytes:
            raise TooManyUploads(f"got too many uploads, expected at most {most}; they are removed after an hour")
        if sum(files[name] for name in near) >= bounds.all_files // 2 or (
            sum(taken[name] for name in near) + size > bounds.all_bytes // 2
        ):
            raise TooManyUploads("got too many uploads from your address; try again later")
        if files.total() >= bounds.all_files or taken.total() + size > bounds.all_bytes:
            raise NoRoomForUploads("got more uploads than this server keeps; try again later")
        if shutil.disk_usage(self._visitors.uploads.parent).free < size + bounds.free_bytes:
            raise NoRoomForUploads("the server's disk is full; try again later")
        for gone in set(self._addresses) - set(taken) - {visitor}:
            del self._addresses[gone]


def take_uploads(app: FastAPI, visitors: Visitors, shelf: Shelf, max_bytes: int) -> None:
    """Answer uploads, in the place of Gradio's own route, which puts everybody's into one folder.

    Parameters
    ----------
    app : what the page will be mounted on.
    visitors, shelf : whose files go where.
    max_bytes : of one file.
    """

    @app.post(PATH)
    async def upload(request: Request, upload_id: str | None = None) -> JSONResponse:
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else max_bytes
        try:
            # In this thread, between two awaits: no other upload is counted meanwhile.
            with shelf.place(visitors.caller(request), size) as folder:
                return JSONResponse(await receive_files(request, folder, max_bytes, upload_id))
        except UploadError as error:
            return _refused(request, error)
        except OSError as error:
            return _refused(request, unwritable(error))


def unwritable(error: OSError) -> UploadError:
    """What is told of an upload that cannot be written; its path stays in the log."""
    logging.getLogger("page").error("uploads cannot be written: %s", error)
    return NoRoomForUploads() if is_disk_full(error) else UploadsUnavailable()


def _refused(request: Request, error: UploadError) -> JSONResponse:
    language = language_of(request)
    detail = str(error)
    sentence = texts(language)[f"error_{error.code}"]
    if language == "zh":
        detail = chinese_text(detail) or detail
    if "accept-language" in request.headers:  # a browser, whose visitor reads the sentence first
        detail = f"{sentence}\n{detail}".strip()
    return refusal(error.status, error.code, "Upload cannot be taken", detail or sentence)


def _text(size: int) -> str:
    return f"{size / 2**30:.3g} GB" if size >= 2**30 else f"{size / 2**20:.3g} MB"
