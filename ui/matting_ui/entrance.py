"""A page with logins shows strangers the way in, and nothing else."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# What the form for name and password is made of.
_OPEN = {"/", "/login", "/theme.css", "/gradio_api/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt"}
_OPEN_BELOW = ("/assets/", "/static/")


class Entrance:
    """ASGI middleware that asks for a login where Gradio forgets to: for heartbeats, cancellations and the like.

    Parameters
    ----------
    app : the page.
    gradio_app : Gradio's own app, which knows who has logged in.
    """

    def __init__(self, app: ASGIApp, gradio_app: Any) -> None:
        self._app, self._gradio = app, gradio_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        path = scope.get("path", "").rstrip("/") or "/"
        is_open = scope["type"] != "http" or path in _OPEN or path.startswith(_OPEN_BELOW)
        if is_open or self._is_known(HTTPConnection(scope)):
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"detail": "Not authenticated"}, 401)(scope, receive, send)

    def _is_known(self, request: HTTPConnection) -> bool:
        names = (f"{kind}-{self._gradio.cookie_id}" for kind in ("access-token", "access-token-unsecure"))
        tokens = (request.cookies.get(name) for name in names)
        return any(token is not None and token in self._gradio.tokens for token in tokens)
