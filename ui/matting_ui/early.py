"""Puts tags first into the page: what Gradio is given for its head comes after it has chosen a language."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_ui.codings import accepted_codings

_HEAD = b"<head>"
_LEVEL = 5  # of gzip: 640 kB become 80 in 10 ms
_MOST_PAGES = 4  # under so many addresses at once; a page takes 720 kB
_AT_FIRST = ("/", "/gradio_api/startup-events")  # what Gradio prepares when it is asked, 0.2 s
_OF_ADDRESS = {b"host", b"x-forwarded-host", b"x-forwarded-proto"}  # what the page's own address is made from


class EarlyHead:
    """ASGI middleware that writes at the start of the page's head.

    Parameters
    ----------
    app : whose "/" answers with the page.
    tags : in HTML.
    same_for_all : whoever asks under an address gets the same page. It is made once: Gradio takes 0.1 s each time.
    """

    def __init__(self, app: ASGIApp, tags: str, *, same_for_all: bool) -> None:
        self._app = app
        self._tags = _HEAD + tags.encode()
        self._same_for_all = same_for_all
        self._pages: dict[tuple[Any, ...], _Page] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; what answers "/" with HTML is held until it is whole."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        zipped = "gzip" in accepted_codings(scope)
        headers = [each for each in scope["headers"] if each[0] != b"accept-encoding"]
        is_kept = self._same_for_all and not scope["query_string"]
        if is_kept:  # nothing else of one request may show in what others get
            headers = [each for each in headers if each[0] in _OF_ADDRESS]
        address = scope["scheme"], scope.get("root_path", ""), *headers
        if is_kept and address in self._pages:
            await self._pages[address].send(send, zipped)
            return
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
                    page = _Page(start, bytes(body).replace(_HEAD, self._tags, 1))
                    if is_kept and start["status"] == 200:
                        self._keep(address, page)
                    await page.send(send, zipped)

        await self._app({**scope, "headers": headers}, receive, hold)

    def _keep(self, address: tuple[Any, ...], page: _Page) -> None:
        if len(self._pages) >= _MOST_PAGES:
            self._pages.clear()
        self._pages[address] = page


async def make_first_page(app: ASGIApp, url: str) -> None:
    """Ask as the first visitor will, who need not wait then.

    Parameters
    ----------
    app : answers with the page.
    url : of the page, such as http://127.0.0.1:7860.
    """
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=url) as visitor:
        for path in _AT_FIRST:
            await visitor.get(path, headers={"Accept-Encoding": "gzip"})


@dataclass(frozen=True)
class _Page:
    """How its answer begins, and its text."""

    start: Message
    plain: bytes

    @cached_property
    def zipped(self) -> bytes:
        return gzip.compress(self.plain, _LEVEL, mtime=0)

    async def send(self, send: Send, zipped: bool) -> None:
        body = self.zipped if zipped else self.plain
        headers = MutableHeaders(raw=list(self.start["headers"]))
        headers.add_vary_header("Accept-Encoding")
        if zipped:
            headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(body))
        await send({**self.start, "headers": headers.raw})
        await send({"type": "http.response.body", "body": body})
