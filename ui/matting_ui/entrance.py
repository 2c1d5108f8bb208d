"""A page with logins shows strangers the way in, and nothing else."""

from __future__ import annotations

import gradio as gr
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from matting_ui.gradio_patches import is_logged_in

# What the form for name and password is made of.
_OPEN = {"/", "/login", "/theme.css", "/gradio_api/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt"}
_OPEN_BELOW = ("/assets/", "/static/")


class Entrance:
    """ASGI middleware that asks for a login where Gradio forgets to: for heartbeats, cancellations and the like.

    Parameters
    ----------
    app : the page.
    page : knows who has logged in.
    """

    def __init__(self, app: ASGIApp, page: gr.Blocks) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        path = scope.get("path", "").rstrip("/") or "/"
        is_open = scope["type"] != "http" or path in _OPEN or path.startswith(_OPEN_BELOW)
        if is_open or is_logged_in(self._page, HTTPConnection(scope)):
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"detail": "Not authenticated"}, 401)(scope, receive, send)
