"""One line for each request, if wanted, and a few for what was refused, however often."""

from __future__ import annotations

import logging
import time

from matting_client.serving import Refusals
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REFUSALS = {401, 402, 403, 404, 405, 408, 413, 421, 429, 431, 503, 507}
_SHOWN = 200  # characters of a method, and of a path
log = logging.getLogger("matting")


class AccessLog:
    """ASGI middleware, outside of all others.

    Parameters
    ----------
    app : what answers.
    every_request : write one line for each request, with its time to the answer's end.
    """

    def __init__(self, app: ASGIApp, *, every_request: bool) -> None:
        self._app = app
        self._every_request = every_request
        self._refusals = Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        path = scope["path"][:_SHOWN]  # as it came, with the path of a proxy
        status = 0
        request_id = ""

        async def note(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                request_id = Headers(raw=message.get("headers", [])).get("x-request-id", "")
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            line = f"{scope['method'][:_SHOWN]} {path} {status or 'unanswered'} {_caller(scope)}"
            if self._every_request:
                log.info("%s %.3f s", line, time.monotonic() - start, extra={"request_id": request_id})
            elif status in REFUSALS:
                self._refusals.tell(status, line, request_id)

    def malformed(self, caller: str) -> None:
        """Told of what came from an address and cannot be read as a request."""
        self._refusals.tell_malformed(400, caller)


def _caller(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "-"
