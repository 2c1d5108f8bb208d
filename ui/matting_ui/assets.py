"""Gradio's scripts and styles, out of memory: every visit is made of ninety of them."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

import brotli
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from matting_ui.codings import accepted_codings

PATH = "/assets/"
_KEPT = "public, max-age=31536000, immutable"  # their names change with what is in them
# Asked for by every visit, one after the other as Gradio finds them; one that another Gradio lacks does no harm.
PRELOADED = Path(__file__).with_name("preloaded.txt")
_PACKED = {".css", ".js", ".svg", ".ttf"}  # the others are packed already


def preloads(folder: Path) -> str:
    """Tags that let a browser fetch them all at once; they stand in the page before it asks for the first.

    Parameters
    ----------
    folder : of the files.
    """
    kinds = {".js": 'rel="modulepreload"', ".css": 'rel="preload" as="style"'}
    return "".join(f'<link {kinds[file.suffix]} crossorigin href=".{PATH}{file.name}">' for file in _preloaded(folder))


def _preloaded(folder: Path) -> list[Path]:
    files = (folder / name for name in PRELOADED.read_text(encoding="utf-8").split())
    return [file for file in files if file.is_file()]


class Assets:
    """ASGI middleware that answers for them; Gradio reads and packs each anew, at many times the cost.

    Parameters
    ----------
    app : answers everything else.
    folder : of the files.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app = app
        self._folder = folder
        self._files = {f"{PATH}{file.name}": file for file in folder.iterdir()}
        self._answers: dict[tuple[Path, str], Response] = {}

    def pack(self) -> None:
        """Prepare what every visit asks for, so that the first need not wait half a second for it."""
        for file in _preloaded(self._folder):
            self._answers[file, "br"] = _answer(file, "br")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass a request on."""
        file = self._files.get(scope["path"]) if scope["type"] == "http" else None
        if file is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        accepted = accepted_codings(scope) if file.suffix in _PACKED else set()
        coding = next((each for each in ("br", "gzip") if each in accepted), "")
        answer = self._answers.get((file, coding))
        if answer is None:
            answer = self._answers[file, coding] = await run_in_threadpool(_answer, file, coding)
        await answer(scope, receive, send)


def _answer(file: Path, coding: str) -> Response:
    headers = {"Cache-Control": _KEPT}
    data = file.read_bytes()
    if file.suffix in _PACKED:
        headers["Vary"] = "Accept-Encoding"
    if coding:
        headers["Content-Encoding"] = coding
        data = brotli.compress(data, mode=brotli.MODE_TEXT, quality=5) if coding == "br" else gzip.compress(data, 6)
    return Response(data, 200, headers, mimetypes.guess_type(file.name)[0])
