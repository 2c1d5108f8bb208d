"""The page as an ASGI app that stands beside the API on one port."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import gradio.mcp
from anyio import to_thread
from fastapi import FastAPI
from gradio import routes
from matting_client import Limits
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_ui.context import Convert, Cut, Studio
from matting_ui.entrance import Entrance
from matting_ui.gradio_patches import act_as_launched
from matting_ui.mcp import offer_tools
from matting_ui.page import build_page, translations
from matting_ui.store import Store
from matting_ui.sweep import keep_sweeping
from matting_ui.theme import CSS, SCRIPT, theme
from matting_ui.uploads import PATH as UPLOAD
from matting_ui.uploads import take_uploads
from matting_ui.visitors import Visitors

FOLDER_VARIABLE = "GRADIO_TEMP_DIR"
STORE_BYTES, KEPT_SECONDS = 512 * 2**20, 3600.0  # of photos and alphas that sliders work on; files stay as long
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
    UPLOAD,
    "/gradio_api/upload_progress",
}
_GIVES_COOKIE = {"/", "/config"}  # what browsers and Gradio's Python client ask for first
_LOGIN = {"/login", "/logout"}
_MCP = {"/gradio_api/mcp", "/gradio_api/mcp/"}
_BELOW = ("/assets/", "/static/", "/gradio_api/call/", "/gradio_api/heartbeat/")
# Scripts, fonts and connections of this host only.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
FILE_POLICY = "default-src 'none'; sandbox"  # of visitors' files, should one be opened as a page


class Site:
    """Sends a request to the page when it is one of the page's paths, and to the API otherwise."""

    def __init__(self, api: ASGIApp, page: ASGIApp, folder: Path, visitors: Visitors, more: set[str]) -> None:
        self._api = api
        self._page = page
        self._visitors = visitors
        self._exact = _EXACT | more
        self._files = f"/gradio_api/file={folder}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the page's app runs the start and the end."""
        if scope["type"] == "http" and not self._is_page(scope["path"]):
            await self._api(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(HTTPConnection(scope), MutableHeaders(scope=message))
            await send(message)

        await self._page(scope, receive, send_on)

    def _add_headers(self, request: HTTPConnection, headers: MutableHeaders) -> None:
        path = request.scope["path"]
        headers["Content-Security-Policy"] = FILE_POLICY if path.startswith(self._files) else POLICY
        cookie = self._visitors.new_cookie(request) if path in _GIVES_COOKIE else None
        if cookie:
            headers.append("Set-Cookie", cookie)

    def _is_page(self, path: str) -> bool:
        return path in self._exact or path.startswith((*_BELOW, self._files))


def mount_page(
    api: ASGIApp,
    close: Callable[[], None],
    cut: Cut,
    folder: Path,
    model: str,
    workers: int,
    limits: Limits,
    status: Callable[[], dict[str, Any]],
    convert: Convert,
    auth: Callable[[str, str], Awaitable[bool]] | None = None,
    root_path: str = "",
    mcp_url: str | None = None,
) -> Site:
    """The page in front of an API.

    Parameters
    ----------
    api : answers what is not the page's.
    close : called at the end.
    cut : makes a cutout of a file's bytes.
    folder : private and existing; uploads and results lie there.
    model : name to show.
    workers : photos worked on at once.
    limits : largest accepted picture.
    convert : makes a file of a clip; see `Studio`.
    status : asks the server how it does; see `Studio`.
    auth : whether a name and a password may use the page; None for everyone.
    root_path : path below which a proxy shows the page, such as /matting.
    mcp_url : own address, to offer the page's functions as MCP tools; None for no tools.
    """
    os.environ[FOLDER_VARIABLE] = str(folder)
    # Read from the environment when Gradio was imported, and made at once, in a place that others read.
    routes.DEFAULT_TEMP_DIR = gradio.mcp.DEFAULT_TEMP_DIR = str(folder)
    store = Store(STORE_BYTES, KEPT_SECONDS)
    visitors = Visitors(folder)
    page = build_page(Studio(cut, store, folder, model, workers, limits, status, convert), visitors)

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(keep_sweeping(folder, store))
        yield
        sweeping.cancel()
        await to_thread.run_sync(close)

    parent = FastAPI(openapi_url=None, lifespan=run)
    # Gradio would allow other sites' scripts to read its answers; with this it adds no such headers.
    parent.add_middleware(CORSMiddleware, allow_origins=[])
    take_uploads(parent, page, visitors, limits.max_bytes)
    # Of tools that need a state: they are not offered.
    warnings.filterwarnings("ignore", "This MCP server includes a tool that has a gr.State", UserWarning)
    gr.mount_gradio_app(
        parent,
        page,
        path="/",
        root_path=root_path or None,
        auth=auth,
        footer_links=[],
        run_history=False,
        max_file_size=limits.max_bytes,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=mcp_url is not None,
        i18n=translations(),
        theme=theme(),
        css=CSS,
        head=f"<script>{SCRIPT}</script>",
    )
    act_as_launched(page, parent)
    if auth is not None:
        parent.add_middleware(Entrance, gradio_app=page.app)
    if mcp_url is not None:
        offer_tools(page, mcp_url)
    return Site(api, parent, folder, visitors, (_LOGIN if auth else set()) | (_MCP if mcp_url else set()))
