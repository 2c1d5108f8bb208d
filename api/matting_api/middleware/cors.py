"""Pages of other websites that may use the API, and the path below which a proxy shows the server."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_api.middleware.hosts import Hosts, is_for_others

METHODS = ("GET", "HEAD", "POST", "DELETE")
ASKED = (
    *("Accept", "Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key"),
    *("X-Api-Key", "X-Matting-Model", "X-Request-Id"),
)
SHOWN = [
    "Allow",
    "Content-Disposition",
    "Location",
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
        self._app = app
        self._hosts = hosts
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

    What answers knows nothing of it, so that its redirects, which stay on this server, get it back here.

    Parameters
    ----------
    app : what answers.
    root_path : such as /matting.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        path = scope.get("path", "")
        if self._is_below(path):
            # In place: whoever stands before this learns from the same scope who the caller behind the proxy is.
            scope["path"] = path[len(self._root_path) :] or "/"
            scope["raw_path"] = scope["path"].encode()

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                place = urlsplit(headers.get("location", ""))
                if place.path.startswith("/") and not self._is_below(place.path):
                    headers["location"] = place._replace(path=self._root_path + place.path).geturl()
            await send(message)

        await self._app(scope, receive, send_on)

    def _is_below(self, path: str) -> bool:
        return path == self._root_path or path.startswith(f"{self._root_path}/")
