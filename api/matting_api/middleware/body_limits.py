"""The outermost layer: who may send at all, sizes and speed of request bodies, and headers of every answer.

Bodies are counted while they come in, so that a request that is too large never fills memory or disk, whether or not it
tells its length.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_api import errors
from matting_api.hosts import Hosts

CHUNK_SECONDS = 30.0  # a body that stays silent for so long is given up
SLOWEST = 4096  # bytes a second; one that is slower over all of its time (beyond the above) is given up, too
# After a refusal what still comes is dropped, or the answer would be lost: for so long, and not beyond such a silence.
DRAIN_SECONDS, DRAIN_SILENCE_SECONDS = 5.0, 0.5
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _Refused(Exception):
    """The body is not read any further."""

    def __init__(self, error: errors.ApiError) -> None:
        super().__init__(error.title)
        self.error = error


class _Body:
    """Counts one request's body."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit = receive, limit
        self._size, self._waited = 0, 0.0
        self.done = False
        self.refused: _Refused | None = None

    def _refuse(self, status: int, code: str, title: str, detail: str) -> _Refused:
        self.refused = _Refused(errors.ApiError(status, code, title, detail))
        return self.refused

    def _too_large(self) -> _Refused:
        limit = f"{self._limit / 2**20:.0f} MB" if self._limit >= 2**20 else f"{self._limit} bytes"
        return self._refuse(413, "file_too_large", "Request too large", f"got a larger body, expected at most {limit}")

    def _too_slow(self, what: str) -> _Refused:
        return self._refuse(408, "request_timeout", "Request too slow", f"{what}; send it again")

    def check_sender(self, error: errors.ApiError | None) -> None:
        if error is not None:
            self.refused = _Refused(error)
            raise self.refused

    def check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limit:
            raise self._too_large()

    async def __call__(self) -> Message:
        if self.done:
            return await self._receive()
        start = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), CHUNK_SECONDS)
        except TimeoutError:
            self.done = True  # nothing left to drop
            raise self._too_slow(f"got nothing for {CHUNK_SECONDS:.0f} s") from None
        if message["type"] != "http.request":
            self.done = True
            return message
        self.done = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise self._too_large()
        self._waited += time.monotonic() - start
        if not self.done and self._waited > CHUNK_SECONDS and self._size < SLOWEST * self._waited:
            raise self._too_slow(f"got {self._size} bytes in {self._waited:.0f} s, expected {SLOWEST} a second")
        return message

    async def drain(self) -> None:
        """Drop what still comes, up to the limit again and for a short time."""
        end, dropped = time.monotonic() + DRAIN_SECONDS, 0
        while not self.done and dropped <= max(self._limit, 2**20) and (left := end - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self._receive(), min(left, DRAIN_SILENCE_SECONDS))
            except TimeoutError:
                return
            self.done = message["type"] != "http.request" or not message.get("more_body", False)
            dropped += len(message.get("body", b""))


class Guard:
    """ASGI middleware.

    Parameters
    ----------
    app : what answers.
    limit : largest body in bytes, by path and headers.
    answered : told the path, status and error code of every answer.
    hosts : refuses what other websites send.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: Callable[[str, Headers], int],
        answered: Callable[[str, int, str | None], None],
        hosts: Hosts,
    ) -> None:
        self._app, self._limit, self._answered, self._hosts = app, limit, answered, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        path = scope["path"]
        body = _Body(receive, self._limit(path, headers))
        answer = _Answer(send, body, request_id)
        state = scope.setdefault("state", {})  # where the code of an error is noted
        try:
            body.check_sender(self._hosts.check(scope["method"], path, headers))
            body.check_length(headers)
            await self._app(scope, body, answer)
        except ClientDisconnect:
            return
        except Exception:
            if body.refused is None:
                raise
        finally:
            if body.refused is not None:
                state["error_code"] = body.refused.error.code
                await answer.refuse()
            if answer.status:
                self._answered(path, answer.status, state.get("error_code"))


class _Answer:
    """Sends an answer with our headers; once the body was refused, that refusal instead of what an app makes of it."""

    def __init__(self, send: Send, body: _Body, request_id: str) -> None:
        self._send, self._body, self._request_id = send, body, request_id
        self._started = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if self._body.refused is not None and not self._started:
            return
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            if message["status"] >= 400:
                await self._body.drain()
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def refuse(self) -> None:
        """Answer with the refusal, unless an answer has begun."""
        refused, self._body.refused = self._body.refused, None
        if self._started or refused is None:
            return
        error = refused.error
        content = json.dumps(errors.body(error.code, error.title, error.detail)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await self({"type": "http.response.start", "status": error.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": content})
