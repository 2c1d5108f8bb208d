"""Puts tags first into the page: what Gradio is given for its head comes after it has chosen a language."""

from __future__ import annotations

import gzip

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_ui.codings import accepted_codings

_HEAD = b"<head>"
_LEVEL = 5  # of gzip: 550 kB become 70 in 10 ms


class EarlyHead:
    """ASGI middleware that writes at the start of the page's head.

    Parameters
    ----------
    app : whose "/" answers with the page.
    tags : in HTML.
    """

    def __init__(self, app: ASGIApp, tags: str) -> None:
        self._app = app
        self._tags = _HEAD + tags.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; what answers "/" with HTML is held until it is whole."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        zipped = "gzip" in accepted_codings(scope)
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = bytearray()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            if not Headers(raw=start.get("headers", [])).get("content-type", "").startswith("text/html"):
                await send(message)
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await self._finish(start, bytes(body), zipped, send)

        await self._app({**scope, "headers": plain}, receive, hold)

    async def _finish(self, start: Message, body: bytes, zipped: bool, send: Send) -> None:
        page = body.replace(_HEAD, self._tags, 1)
        headers = MutableHeaders(scope=start)
        headers.add_vary_header("Accept-Encoding")
        if zipped:
            page = gzip.compress(page, _LEVEL, mtime=0)
            headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(page))
        await send(start)
        await send({"type": "http.response.body", "body": page})
