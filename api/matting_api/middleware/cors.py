"""Pages of other websites that may use the API, and the path below which a proxy shows the server."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from matting_api.middleware.hosts import Hosts, is_for_others

METHODS = ("GET", "HEAD", "POST")
ASKED = ("Accept", "Authorization", "Content-Encoding", "Content-Type", "X-Api-Key", "X-Request-Id")
SHOWN = [
    "Retry-After",
    "Server-Timing",
    "X-Credits-Charged",
    "X-Foreground-Height",
    "X-Foreground-Left",
    "X-Foreground-Top",
    "X-Foreground-Width",
    "X-Height",
    "X-Matting-Found",
    "X-Matting-Uncertainty",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "X-Type",
    "X-Warning",
    "X-Width",
]


class Cors:
    """ASGI middleware that tells browsers which other websites' pages may read the API's answers (Fetch, 3.3).

    Parameters
    ----------
    app : the guarded server, which refuses all others.
    hosts : knows the websites.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts
        self._open = CORSMiddleware(
            app, allow_origins=hosts.origins, allow_methods=METHODS, allow_headers=ASKED, expose_headers=SHOWN
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        origin = Headers(scope=scope).get("origin", "") if scope["type"] == "http" else ""
        is_invited = self._hosts.invites(origin) and is_for_others(scope["path"])
        await (self._open if is_invited else self._app)(scope, receive, send)


class RootPath:
    """ASGI middleware that takes the path of a proxy away, whether or not the proxy has done so.

    Parameters
    ----------
    app : what answers.
    root_path : such as /matting.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        path = scope.get("path", "")
        if path == self._root_path or path.startswith(f"{self._root_path}/"):
            scope = {**scope, "path": path[len(self._root_path) :] or "/"}
            scope["raw_path"] = scope["path"].encode()
        await self._app(scope, receive, send)
