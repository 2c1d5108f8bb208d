"""All that touches Gradio's insides, with `gradio_tools`: what a new version may move is here, and one test names it.

`pyproject.toml` holds Gradio to the version that this was written for.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from contextlib import nullcontext
from pathlib import Path
from traceback import walk_tb
from typing import Any

# Gradio reads these when it is imported or when components are made; it would report usage to its makers otherwise.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr
import gradio.mcp
from fastapi import FastAPI, HTTPException
from gradio import route_utils, routes, utils
from gradio.route_utils import MultiPartException
from matting_client import InputError, OptionError
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount
from starlette.status import HTTP_403_FORBIDDEN, HTTP_429_TOO_MANY_REQUESTS

from matting_ui.context import page_error
from matting_ui.errors import UploadError, UploadTooLarge
from matting_ui.i18n import language_of, texts
from matting_ui.queue import Turns, refusal_reason
from matting_ui.visitors import Visitors

ASSETS = Path(routes.BUILD_PATH_LIB)  # scripts and styles of every page
FOLDER_VARIABLE = "GRADIO_TEMP_DIR"
# How often the queue looks for work and for news of it; as often as Gradio does, a twelfth of a core goes into looking.
LOOK_SECONDS = 0.02
PROGRESS_SECONDS = 0.1
MOST_SESSIONS = 10_000  # whose visitor is remembered; as many as Gradio keeps


def use_folder(folder: Path) -> None:
    """Let uploads and results lie in a folder; Gradio has read its variable when it was imported, and does so again."""
    os.environ[FOLDER_VARIABLE] = str(folder)
    routes.DEFAULT_TEMP_DIR = gradio.mcp.DEFAULT_TEMP_DIR = str(folder)


def import_no_plots() -> None:
    """Let calls of the page begin at once: where matplotlib is installed, Gradio imports it for the first one (5 s)."""
    setattr(utils, "MatplotlibBackendMananger", nullcontext)  # noqa: B010 - mypy knows it as a class


def check_files(page: gr.Blocks, visitors: Visitors) -> None:
    """Let the page's calls name files of their own visitor only.

    Every call passes here, of the page, a program or a tool: Gradio itself checks paths of pages that it has launched,
    not of those that are mounted.
    """
    process = page.process_api

    async def checked(
        block_fn: Any,
        inputs: list[Any],
        state: Any = None,
        request: Any = None,
        iterator: Any = None,
        event_data: gr.EventData | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        if iterator is None:  # a call that goes on was checked when it began
            try:
                visitor = visitors.name(sender(request))
                visitors.check(visitor, [inputs, values_of(event_data) if event_data else None])
            except InputError as error:
                raise page_error(error, request) from None
        try:
            answer: dict[str, Any] = await process(
                block_fn, inputs, state, request, iterator, event_data=event_data, **more
            )
        except gr.Error as error:
            error.print_exception = False  # a value out of a slider's range is the caller's fault, not the server's
            raise
        except Exception as error:
            if _came_to_us(error):
                raise
            # Gradio would write its traceback into the log, for each of a stranger's calls.
            junk = OptionError("call", problem="its values are none of this function's", remedy="see /gradio_api/info")
            raise page_error(junk, request) from None
        return answer

    page.process_api = checked


def _came_to_us(error: Exception) -> bool:
    """Whether a call came as far as one of our functions before it failed."""
    modules = {frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)} - {__name__}
    return any(module.startswith("matting_") for module in modules)


def drop_empty_targets(page: gr.Blocks) -> None:
    """Let events that follow others name no component: each component looks through all names when the page opens."""
    for function in page.fns.values():
        function.targets = [target for target in function.targets if target[0] is not None]


def sender(request: Any) -> HTTPConnection:
    """The request of the server that Gradio's stands for."""
    inner = getattr(request, "request", None)
    found = inner if isinstance(inner, HTTPConnection) else request
    if not isinstance(found, HTTPConnection):
        raise InputError("photo", "a call from nobody", "a request")
    return found


def values_of(event: gr.EventData) -> dict[str, Any]:
    """What a component's script sent with an event."""
    values: dict[str, Any] = event._data
    return values


def act_as_launched(page: gr.Blocks, parent: FastAPI) -> None:
    """Set what Gradio sets on pages that it has launched itself: its own check of paths, and the app that serves it."""
    page.has_launched = True
    mounted = (route.app for route in parent.routes if isinstance(route, Mount))
    page.app = next(app for app in mounted if isinstance(app, routes.App))


class FairQueue:
    """A page's queue with turns, places for each visitor, and sessions that nobody else can use.

    Parameters
    ----------
    page : its queue is changed.
    visitors : who is who.
    """

    def __init__(self, page: gr.Blocks, visitors: Visitors) -> None:
        self._queue = page._queue
        self._visitors = visitors
        self._turns = Turns()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._push = self._queue.push
        self._take = self._queue.get_events
        self._queue.push = self.push
        self._queue.get_events = self.take
        self._queue.sleep_when_free = LOOK_SECONDS
        self._queue.progress_update_sleep_when_free = PROGRESS_SECONDS

    def is_of(self, session: str, request: HTTPConnection) -> bool:
        """Whether a session may be used by whoever sent a request: it is theirs, or nobody's yet."""
        return self._sessions.get(session, self._visitors.name(request)) == self._visitors.name(request)

    async def push(self, body: Any, request: Request, username: str | None) -> Any:
        """Take a call into the queue, or refuse it in the visitor's language.

        Gradio's own refusal, 503, has a fixed text, which is English; its Python client, which sends no language, knows
        it.
        """
        if body.session_hash is not None:
            if not self.is_of(body.session_hash, request):
                raise HTTPException(HTTP_403_FORBIDDEN, "got another visitor's session; load the page again")
            self._sessions[body.session_hash] = self._visitors.name(request)
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        why = refusal_reason(self._waiting(), self._visitors.caller(request))
        if why is None:
            return await self._push(body, request, username)
        if not request.headers.get("accept-language"):
            return False, f"Queue is full. Max size is {why[1]}.", "queue_full"
        text = texts(language_of(request))[why[0]].format(place=len(self._queue) + 1, most=why[1])
        raise HTTPException(HTTP_429_TOO_MANY_REQUESTS, text)

    def take(self) -> Any:
        """What is worked on next; see `Turns`."""
        for line in self._queue.event_queue_per_concurrency_id.values():
            if len(line.queue) > 1 and _has_room(line):
                index = self._turns.next([self._visitors.caller(event.request) for event in line.queue])
                line.queue.insert(0, line.queue.pop(index))
        taken = self._take()
        if taken is not None:
            self._turns.serve(self._visitors.caller(taken[0][0].request))
        return taken

    def place(self, name: str, request: HTTPConnection) -> tuple[int, float]:
        """Place that a new call would have in a line, and seconds until its turn; zeros when it can start."""
        line = self._queue.event_queue_per_concurrency_id.get(name)
        if line is None or _has_room(line):
            return 0, 0.0
        waiting = [self._visitors.caller(event.request) for event in line.queue]
        place = self._turns.place(waiting, self._visitors.caller(request))
        times = [each for fn, each in self._queue.process_time_per_fn.items() if fn.concurrency_id == name]
        count = sum(each.count for each in times)
        mean = sum(each.process_time for each in times) / count if count else 0.0
        return place, mean * math.ceil(place / line.concurrency_limit)

    def uploads(self) -> list[Path]:
        """What calls that wait were sent to work on."""
        who = self._visitors
        return [path for call in self._events() for path in who.owned(who.name(call.request), call.data.data)]

    def _waiting(self) -> list[tuple[str, str]]:
        return [self._visitors.caller(event.request) for event in self._events()]

    def _events(self) -> list[Any]:
        lines = list(self._queue.event_queue_per_concurrency_id.values())  # other threads ask, too
        return [event for line in lines for event in list(line.queue)]


def _has_room(line: Any) -> bool:
    return line.concurrency_limit is None or line.current_concurrency < line.concurrency_limit


async def receive_files(request: Request, folder: Path, max_bytes: int, upload_id: str | None) -> list[str]:
    """Write a form's files below a folder, as Gradio does, with the progress that the page shows; returns their paths.

    Raises
    ------
    UploadError
        The form is none, ends within a file, or has files elsewhere; or a file is larger than `max_bytes`.
    OSError
        There is no room, or no folder.
    """
    try:
        paths, moved, _ = await route_utils.upload_fn(
            request,
            str(folder),
            max_bytes,
            upload_id,
            upload_progress=routes.file_upload_statuses if upload_id else None,
        )
    except MultiPartException as error:
        kind = UploadTooLarge if "maximum allowed size" in error.message else UploadError
        raise kind(error.message) from None
    except (HTTPException, TypeError) as error:
        raise UploadError(str(getattr(error, "detail", "got no file in the field files"))) from None
    finally:
        if upload_id:
            routes.file_upload_statuses.set_done(upload_id)
    if moved:
        raise OSError(f"{folder}: got files that could not be renamed")
    if not paths or not all(path.is_dir() for path in folder.iterdir()):  # Gradio forgets these, and nobody counts them
        raise UploadError("got a form that breaks off or has files in other fields, expected whole ones in files")
    return [str(path) for path in paths]


def forget_progress() -> None:
    """Drop what is kept of uploads that are over, or that never began, once nobody waits for news of them."""
    statuses = routes.file_upload_statuses
    for upload_id, signal in list(statuses._signals.items()):
        status = statuses._statuses.get(upload_id)
        if status is None and not signal._waiters:
            del statuses._signals[upload_id]
        elif status is not None and status.is_done:  # whoever watches asks every 50 ms, and is told within one sweep
            statuses.stop_tracking(upload_id)


def is_logged_in(page: gr.Blocks, request: HTTPConnection) -> bool:
    """Whether the page is open to whoever sent a request."""
    app = page.app
    tokens = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return app.auth is None or any(app.tokens.get(request.cookies.get(name)) is not None for name in tokens)
