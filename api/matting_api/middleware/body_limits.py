"""The outermost layer: who may send at all, sizes and speed of request bodies, and headers of every answer.

Bodies are counted while they come in, so that a request that is too large never fills memory or disk, whether or not it
tells its length.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_api import errors
from matting_api.errors import ApiError
from matting_api.middleware.answers import Answer
from matting_api.middleware.hosts import Hosts
from matting_api.middleware.incoming import Incoming, Kind, kind_of
from matting_api.middleware.proxies import Proxies
from matting_api.request.texts import MAX_VALUES_ANYWHERE, check_count, count_values

CHUNK_SECONDS = 30.0  # a body that stays silent for so long is given up
BODY_SECONDS = 300.0  # and so is one that is not complete by then
SLOWEST = 4096  # bytes a second; one that is slower over all of its time (beyond CHUNK_SECONDS) is given up, too
# After a refusal what still comes is dropped, or the answer would be lost: for so long, and not beyond such a silence.
DRAIN_SECONDS, DRAIN_SILENCE_SECONDS = 5.0, 0.5
LENGTH_DIGITS = 20  # of any size in bytes
END_WAITING = "end_waiting"  # in the state of the application's life, which uvicorn keeps
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OF_ONE_CALLER = {**HEADERS, "Cache-Control": "no-store"}  # results, states and accounts
log = logging.getLogger("api")


class Refused(Exception):
    """The body is not read any further."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.title)
        self.error = error


class Body:
    """Counts one request's body."""

    def __init__(self, receive: Receive, limit: int, incoming: Incoming, kind: Kind) -> None:
        self._receive, self._limit, self._incoming = receive, limit, incoming
        self._count = incoming.begin(self._give_way, kind.in_memory)
        self._values = 0 if kind.is_json else None
        self._start = time.monotonic()
        self._waited = 0.0
        self._size = 0  # without what a Content-Encoding hides
        self._waiting: asyncio.Timeout | None = None
        self._gives_way = False
        self.done = False
        self.is_broken_off = False  # its sender has gone
        self.refused: Refused | None = None

    def refuse(self, error: ApiError) -> Refused:
        self.refused = Refused(error)
        return self.refused

    def check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        if length and "transfer-encoding" in headers:  # a proxy may go by the other one: RFC 9112, 6.1
            detail = "got Content-Length and Transfer-Encoding, expected one of them"
            raise self.refuse(ApiError(400, "invalid_body", "Invalid body", detail, {"Connection": "close"}))
        # Python refuses to read a number of thousands of digits.
        if length.isdecimal() and (len(length) > LENGTH_DIGITS or int(length) > self._limit):
            raise self._too_large()

    def grow(self, size: int) -> None:
        """Count bytes that come of undoing a Content-Encoding."""
        if not self._incoming.receive(self._count, size, self.done):
            raise self._no_room()

    def book(self, size: int) -> None:
        """Count bytes of a file that is fetched for the request."""
        if not self._incoming.fetch(self._count, size):
            raise self._no_room()

    def forget(self) -> None:
        self._incoming.end(self._count)

    async def __call__(self) -> Message:
        if self.done:
            return await self._receive()
        message = await self._next()
        if message["type"] != "http.request":
            self.done = self.is_broken_off = True
            return message
        self.done = not message.get("more_body", False)
        has_room = self._incoming.receive(self._count, len(message.get("body", b"")), self.done)
        size = self._size = self._size + len(message.get("body", b""))
        if size > self._limit:
            raise self._too_large()
        if not has_room:
            raise self._no_room()
        self._count_values(message.get("body", b""))
        if not self.done and self._waited > CHUNK_SECONDS and size < SLOWEST * self._waited:
            raise self._too_slow(f"got {size} bytes in {self._waited:.0f} s, expected {SLOWEST} a second")
        return message

    def _count_values(self, part: bytes) -> None:
        if self._values is None:
            return
        self._values += count_values(part)
        try:
            check_count(self._values, MAX_VALUES_ANYWHERE)
        except ApiError as error:
            raise self.refuse(error) from None

    async def _next(self) -> Message:
        """The next part, within the times that it may take."""
        start = time.monotonic()
        left = self._start + BODY_SECONDS - start
        seconds = 0.0 if self._gives_way else min(CHUNK_SECONDS, left)
        try:
            async with asyncio.timeout(max(0.0, seconds)) as self._waiting:
                return await self._receive()
        except TimeoutError:
            self.done = True  # nothing left to drop
            if self._gives_way:
                raise self._too_slow("many uploads come in and this one was the slowest") from None
            if left <= CHUNK_SECONDS:
                raise self._too_slow(f"got no complete body in {BODY_SECONDS:.0f} s") from None
            raise self._too_slow(f"got nothing for {CHUNK_SECONDS:.0f} s") from None
        finally:
            self._waiting = None
            self._waited += time.monotonic() - start

    def _give_way(self) -> None:
        self._gives_way = True
        if self._waiting is not None:
            self._waiting.reschedule(0.0)

    def _no_room(self) -> Refused:
        detail = "got more uploads at once than the server has room for; try again later"
        return self.refuse(ApiError(503, "server_busy", "Server busy", detail, {"Retry-After": "10"}))

    def _too_large(self) -> Refused:
        limit = f"{self._limit / 2**20:.0f} MB" if self._limit >= 2**20 else f"{self._limit} bytes"
        detail = f"got a larger body, expected at most {limit}"
        return self.refuse(ApiError(413, "file_too_large", "Request too large", detail))

    def _too_slow(self, what: str) -> Refused:
        return self.refuse(ApiError(408, "request_timeout", "Request too slow", f"{what}; send it again"))

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
    proxies : tells who a caller is.
    incoming : bounds all bodies together.
    end_waiting : refuses requests that wait; the server calls it when it is told to end (`connections.Server`).
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: Callable[[str, Headers], int],
        answered: Callable[[str, int, str | None], None],
        *,
        hosts: Hosts,
        proxies: Proxies,
        incoming: Incoming,
        end_waiting: Callable[[], None],
    ) -> None:
        self._end_waiting = end_waiting
        self._app, self._limit, self._answered = app, limit, answered
        self._hosts, self._proxies, self._incoming = hosts, proxies, incoming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._pass_on(scope, receive, send)
        else:
            scope.setdefault("state", {})[END_WAITING] = self._end_waiting
            await self._app(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._proxies.unwrap(scope)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        path = scope["path"]
        body = Body(receive, self._limit(path, headers), self._incoming, kind_of(path, headers))
        told = OF_ONE_CALLER if path.startswith("/v1") else HEADERS
        answer = Answer(send, body, request_id, told, is_https=scope.get("scheme") == "https")
        state = scope.setdefault("state", {})  # where the code of an error is noted
        state["grow"], state["book"] = body.grow, body.book
        try:
            if error := self._hosts.check(scope["method"], path, headers):
                raise body.refuse(error)
            body.check_length(headers)
            await self._app(scope, body, answer)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the server's end, which this request was too slow for
            body.done = True  # there is no time to drop what still comes
            body.refuse(errors.ending())
        except Exception as error:
            if body.refused is None:
                body.refuse(_unexpected(path, error, request_id))
        finally:
            body.forget()
            if answer.has_crashed and body.refused is None:
                body.refuse(_internal())
            if body.refused is not None:
                answer.has_crashed = False
                state["error_code"] = body.refused.error.code
                await answer.refuse()
            if answer.status:
                self._answered(path, answer.status, state.get("error_code"))
            elif body.is_broken_off:
                self._answered(path, errors.CLIENT_GONE, None)


def _unexpected(path: str, error: Exception, request_id: str) -> ApiError:
    """The answer to what nobody expected, which the log tells of."""
    if isinstance(error, ApiError):
        return error
    trace = None if isinstance(error, OSError) else error  # a disk's error says it all
    log.error("%s: %s: %s", path, type(error).__name__, error, exc_info=trace, extra={"request_id": request_id})
    return errors.of_storage(error) if isinstance(error, OSError) else _internal()


def _internal() -> ApiError:
    return ApiError(500, "internal_error", "Internal error", "The server's log says more")
