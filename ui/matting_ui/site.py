"""Which requests are the page's, who may send them, and what every answer of it says."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from urllib.parse import parse_qs

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_ui import ids
from matting_ui.assets import PATH as ASSETS
from matting_ui.device import PATH as DEVICE
from matting_ui.editor import PATH as EDITOR
from matting_ui.refusal import refusal
from matting_ui.stage import SAMPLES_PATH
from matting_ui.visitors import Visitors

# What the page asks for; the rest of Gradio (proxy, monitoring, editing, login ...) is not reachable.
_EXACT = {
    "/",
    "/config",
    "/theme.css",
    "/manifest.json",
    "/favicon.ico",
    "/robots.txt",
    "/gradio_api/app_id",
    "/gradio_api/cancel",
    "/gradio_api/info",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/reset",
    "/gradio_api/startup-events",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
}
_GIVES_COOKIE = {"/", "/config"}  # what browsers and Gradio's Python client ask for first
LOGIN = {"/login", "/logout"}
MCP = {ids.MCP, f"{ids.MCP}/"}
_BELOW = (
    ASSETS,
    "/static/",
    f"{SAMPLES_PATH}/",
    f"{DEVICE}/",
    "/gradio_api/call/",
    ids.HEARTBEAT,
    EDITOR,
)
# Scripts, fonts and connections of this host only.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
# Of the worker that has a photo which is to stay in the browser: it may run its own scripts and connect to nothing.
DEVICE_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
FILE_POLICY = "default-src 'none'; sandbox"  # of visitors' files, should one be opened as a page
_RANGE = re.compile(rb"bytes=(\d{1,18}-\d{0,18}|-\d{1,18})")  # Gradio fails at others; who asks for those gets all
log = logging.getLogger("page")


class Site:
    """Sends a request to the page when it is one of the page's paths, and to the API otherwise.

    Parameters
    ----------
    api : answers what is not the page's.
    app : answers what is.
    page : knows whose session is whose.
    visitors : get their cookies here.
    folder : private; files below it have addresses.
    more : further paths of the page.
    """

    def __init__(
        self, api: ASGIApp, app: ASGIApp, page: gr.Blocks, visitors: Visitors, folder: Path, more: set[str]
    ) -> None:
        self._api = api
        self._app = app
        self._page = page
        self._visitors = visitors
        self._exact = _EXACT | more
        self._files = f"/gradio_api/file={folder}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the page's app runs the start and the end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not self._is_page(scope["path"]):
            await self._api(scope, receive, send)
        else:
            await self._ask_page(scope, receive, send)

    async def _ask_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"] = [each for each in scope["headers"] if each[0] != b"range" or _RANGE.fullmatch(each[1])]
        request = HTTPConnection(scope)
        if not all(self._page.line.is_of(session, request) for session in _sessions(scope)):
            text = "got another visitor's session; load the page again"
            await refusal(403, "forbidden", "Not your session", text)(scope, receive, send)
            return
        answer = _Answer(send)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(request, MutableHeaders(scope=message))
            await answer(message)

        try:
            await self._app(scope, receive, send_on)
        except ClientDisconnect:  # nobody waits for an answer, nor reads of it in the log
            raise
        except Exception as error:
            if answer.has_started and isinstance(error.__cause__, HTTPException):
                # Of a stream of events, whose session is not known. One that breaks off would be a line of log, too.
                await send({"type": "http.response.body"})
                return
            if answer.has_started:
                raise
            # One line: a stranger's junk makes as many as it likes.
            log.warning("%s %s: failed (%s)", scope["method"], scope["path"][:100], type(error).__name__)
            log.debug("it was", exc_info=True)
        if answer.is_kept_back:
            await refusal(500, "internal_error", "Internal error", "The server's log says more")(scope, receive, send)

    def _add_headers(self, request: HTTPConnection, headers: MutableHeaders) -> None:
        path = request.scope["path"]
        headers["Content-Security-Policy"] = self._policy(path)
        if path in _GIVES_COOKIE or path.startswith(self._files):  # no proxy may keep it for others
            headers.setdefault("Cache-Control", "private, no-cache")
        cookie = self._visitors.new_cookie(request) if path in _GIVES_COOKIE else None
        if cookie:
            headers.append("Set-Cookie", cookie)

    def _policy(self, path: str) -> str:
        if path.startswith(self._files):
            return FILE_POLICY
        return DEVICE_POLICY if path.startswith(f"{DEVICE}/") else POLICY

    def _is_page(self, path: str) -> bool:
        return path in self._exact or path.startswith((*_BELOW, self._files))


class _Answer:
    """Sends an answer on, but keeps one back that only says "Internal Server Error"."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False
        self.is_kept_back = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = MutableHeaders(scope=message).get("content-type", "")
            self.is_kept_back = message["status"] == 500 and "json" not in kind
            self.has_started = not self.is_kept_back
        if not self.is_kept_back:
            await self._send(message)


def _sessions(scope: Scope) -> list[str]:
    """The sessions that a request names: where there are several, Gradio may listen to any of them."""
    path: str = scope["path"]
    if path.startswith(ids.HEARTBEAT):
        return [path.removeprefix(ids.HEARTBEAT)]
    return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
