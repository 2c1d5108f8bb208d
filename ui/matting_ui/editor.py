"""The editor's seam: what a visitor paints on a kept cutout comes as JSON, the changed part of its alpha goes back.

An alpha goes as its bytes, row by row, packed with gzip; `X-Box` says of which part it is, `X-Undo` and `X-Redo` how
many steps there are.
"""

from __future__ import annotations

import json
import secrets
import threading
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from matting_client import OptionError
from matting_client.budget import PHOTOS
from matting_client.processing import Box
from matting_client.types import Alpha

from matting_ui.editor_marks import Refused, corrected
from matting_ui.editor_view import patch, photo, subjects, view_size
from matting_ui.refusal import refusal
from matting_ui.store import Kept, Store
from matting_ui.visitors import Visitors

PATH = "/editor/"
MOST_BODY = 128 * 1024  # bytes
MOST_STEPS = 100  # to go back
MOST_BYTES = 256 * 2**20  # of all visitors' steps
OF_ONE = 4  # requests of one visitor at once
OF_ALL = 32


@dataclass(frozen=True)
class Step:
    """A part of an alpha before and after a change, packed."""

    box: Box
    before: bytes
    after: bytes

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return len(self.before) + len(self.after)


@dataclass
class Drawing:
    """What one visitor does to one kept cutout.

    Attributes
    ----------
    visitor : who; see `Visitors.name`.
    key : of the cutout in the store.
    original : its alpha when the editor was first opened, packed.
    done, undone : steps, the newest last.
    """

    visitor: str
    key: str
    original: bytes
    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return len(self.original) + sum(step.nbytes for step in (*self.done, *self.undone))


class Editor:
    """Drawings by an unguessable id, each of the visitor who began it.

    Parameters
    ----------
    store : of the cutouts; holds the corrected ones, too.
    visitors : who is who.
    workers : corrections worked on at once.
    """

    def __init__(self, store: Store, visitors: Visitors, workers: int) -> None:
        self._store = store
        self._visitors = visitors
        self._workers = workers
        self._drawings: OrderedDict[str, Drawing] = OrderedDict()
        self._lock = threading.Lock()
        self._asking: Counter[str] = Counter()

    def begin(self, key: str, kept: Kept, request: Any) -> dict[str, Any]:
        """What the browser needs to correct a kept cutout; the steps of an earlier time are still there.

        Parameters
        ----------
        request : of the visitor, whose drawing it becomes.
        """
        visitor = self._visitors.name(request)
        with self._lock:
            drawings = self._drawings.items()
            found = next((id for id, each in drawings if (each.visitor, each.key) == (visitor, key)), None)
        if found is None:
            found = secrets.token_urlsafe(16)
            drawing = Drawing(visitor, key, pack_alpha(kept.full.raw))
            with self._lock:
                self._drawings[found] = drawing
                self._trim()
        width, height = view_size(kept.full.raw.shape)
        return {"id": found, "width": width, "height": height}

    def is_corrected(self, key: str) -> bool:
        """Whether somebody has changed a kept cutout, and not taken it back."""
        with self._lock:
            return any(each.key == key and each.done for each in self._drawings.values())

    def change(self, drawing: Drawing, kept: Kept, asked: str, body: Any) -> tuple[Kept, Box]:
        """Do what was asked; returns the new cutout and the part that changed.

        Raises
        ------
        Refused, OptionError
        """
        raw = kept.full.raw
        match asked:
            case "undo" if drawing.done:
                step = drawing.done.pop()
                drawing.undone.append(step)
                new, box = _with_part(raw, step.box, step.before), step.box
            case "redo" if drawing.undone:
                step = drawing.undone.pop()
                drawing.done.append(step)
                new, box = _with_part(raw, step.box, step.after), step.box
            case "undo" | "redo":
                return kept, Box(0, 0, 0, 0)
            case _:
                is_reset = asked == "reset"
                new = unpack_alpha(drawing.original, raw.shape) if is_reset else corrected(kept.full, asked, body)
                box = _difference(raw, new)
                if box.width == 0:
                    return kept, box
                part = np.s_[box.top : box.bottom, box.left : box.right]
                drawing.done.append(Step(box, pack_alpha(raw[part]), pack_alpha(new[part])))
                drawing.undone.clear()
                del drawing.done[:-MOST_STEPS]
        changed = kept.corrected(new)
        if not self._store.replace(drawing.key, changed):
            raise _gone()
        return changed, box

    def find(self, id: str, request: Any) -> tuple[Drawing, Kept]:
        """A visitor's drawing and its cutout.

        Raises
        ------
        Refused
            It is not there, or not theirs: the same.
        """
        with self._lock:
            drawing = self._drawings.get(id)
            if drawing is None or drawing.visitor != self._visitors.name(request):
                raise _gone()
            self._drawings.move_to_end(id)
        kept = self._store.get(drawing.key)
        if kept is None:
            with self._lock:
                self._drawings.pop(id, None)
            raise _gone()
        return drawing, kept

    def answer(self, id: str, asked: str, body: Any, request: Any) -> Response:
        """Answer a request of the browser; in a thread.

        Raises
        ------
        Refused, OptionError
        """
        drawing, kept = self.find(id, request)
        with drawing.lock, PHOTOS.hold(kept.full.raw.size // 4):
            drawing, kept = self.find(id, request)  # as whoever had the lock before has left it
            match asked:
                case "photo":
                    return Response(photo(kept.full), media_type="image/jpeg")
                case "subjects":
                    return JSONResponse(subjects(kept.full))
                case "alpha":
                    height, width = kept.full.raw.shape
                    box = Box(0, 0, width, height)
                case _:
                    kept, box = self.change(drawing, kept, asked, body)
            steps = {"X-Undo": str(len(drawing.done)), "X-Redo": str(len(drawing.undone))}
        with self._lock:
            self._trim()
        return patch(kept.full, box, steps)

    @contextmanager
    def place(self, request: Any) -> Iterator[None]:
        """Room for one more request.

        Raises
        ------
        Refused
        """
        visitor = self._visitors.name(request)
        if self._asking[visitor] >= OF_ONE or self._asking.total() >= OF_ALL:
            raise Refused(429, "too_many_requests", "got too many corrections at once; wait for the answers")
        self._asking[visitor] += 1
        try:
            yield
        finally:
            self._asking[visitor] -= 1
            self._asking += Counter()  # without zeros

    @property
    def workers(self) -> int:
        """Corrections worked on at once."""
        return self._workers

    def _trim(self) -> None:
        while len(self._drawings) > 1 and sum(each.nbytes for each in self._drawings.values()) > MOST_BYTES:
            self._drawings.popitem(last=False)


def answer_editors(app: FastAPI, editor: Editor) -> None:
    """Answer what editors in browsers ask.

    Parameters
    ----------
    app : what the page will be mounted on.
    editor : knows the drawings.
    """
    limiter = CapacityLimiter(editor.workers)

    async def serve(request: Request, id: str, asked: str, body: Any = None) -> Response:
        try:
            with editor.place(request):
                return await to_thread.run_sync(editor.answer, id, asked, body, request, limiter=limiter)
        except Refused as error:
            return refusal(error.status, error.code, "Correction cannot be made", str(error), retry_seconds=1)
        except OptionError as error:
            return refusal(400, error.code, "Correction cannot be made", str(error))

    def reading(asked: str) -> Callable[..., Any]:
        async def read(request: Request, id: str) -> Response:
            return await serve(request, id, asked)

        return read

    def changing(asked: str) -> Callable[..., Any]:
        async def change(request: Request, id: str) -> Response:
            data = await request.body()  # at most 1 MB: the guard before the page sees to it
            if len(data) > MOST_BODY:
                detail = f"got {len(data)} bytes, expected at most {MOST_BODY}"
                return refusal(413, "file_too_large", "Correction cannot be made", detail)
            try:
                body = json.loads(data)
            except (ValueError, RecursionError):
                return refusal(400, "invalid_json", "Correction cannot be made", "got no JSON, expected an object")
            return await serve(request, id, asked, body)

        return change

    for asked in ("photo", "alpha", "subjects"):
        app.get(f"{PATH}{{id}}/{asked}")(reading(asked))
    for asked in ("stroke", "pick", "box", "undo", "redo", "reset"):
        app.post(f"{PATH}{{id}}/{asked}")(changing(asked))


def _gone() -> Refused:
    return Refused(404, "not_found", "got a photo that is not kept any more; choose it again")


def _difference(before: Alpha, after: Alpha) -> Box:
    """The part in which two alphas (H, W) are not the same."""
    left, top, width, height = cv2.boundingRect((before != after).view(np.uint8))
    return Box(left, top, left + width, top + height)


def _with_part(pha: Alpha, box: Box, data: bytes) -> Alpha:
    new = pha.copy()
    new[box.top : box.bottom, box.left : box.right] = unpack_alpha(data, (box.height, box.width))
    return new


def pack_alpha(pha: Alpha) -> bytes:
    """An alpha in little memory."""
    return zlib.compress(pha.tobytes(), 1)


def unpack_alpha(data: bytes, shape: tuple[int, ...]) -> Alpha:
    """The alpha (H, W) of `pack_alpha`, not to be written to."""
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)
