"""Sizes and speed of request bodies.

They are counted while they come in, so that a request that is too large never fills memory or disk, whether or not it
tells its length.
"""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from matting_api.errors import ApiError
from matting_api.middleware.incoming import Incoming, Kind
from matting_api.request.texts import MAX_VALUES_ANYWHERE, check_count, count_values

CHUNK_SECONDS = 30.0  # a body that stays silent for so long is given up
BODY_SECONDS = 300.0  # and so is one that is not complete by then; of more than BODY_BYTES it has longer in proportion
BODY_BYTES = 256 * 2**20
SLOWEST = 4096  # bytes a second; one that is slower over all of its time (beyond CHUNK_SECONDS) is given up, too
# After a refusal what still comes is dropped, or the answer would be lost: for so long, and not beyond such a silence.
DRAIN_SECONDS = 5.0
DRAIN_SILENCE_SECONDS = 0.5
LENGTH_DIGITS = 20  # of any size in bytes


class Refused(Exception):
    """The body is not read any further."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.title)
        self.error = error


class Body:
    """Counts one request's body."""

    def __init__(self, receive: Receive, limit: int, incoming: Incoming, kind: Kind) -> None:
        self._receive = receive
        self._limit = limit
        self._incoming = incoming
        self._count = incoming.begin(self._give_way, kind.in_memory)
        self._values = 0 if kind.is_json else None
        self._start = time.monotonic()
        self._seconds = BODY_SECONDS * max(1.0, limit / BODY_BYTES)
        self._waited = 0.0
        self._size = 0  # without what a Content-Encoding hides
        self._waiting: asyncio.Timeout | None = None
        self._gives_way = False
        self.done = False
        self.is_announced = False
        self.is_broken_off = False  # its sender has gone
        self.refused: Refused | None = None

    def refuse(self, error: ApiError) -> Refused:
        self.refused = Refused(error)
        return self.refused

    def check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        self.is_announced = length not in ("", "0") or "transfer-encoding" in headers
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
        left = self._start + self._seconds - start
        seconds = 0.0 if self._gives_way else min(CHUNK_SECONDS, left)
        try:
            async with asyncio.timeout(max(0.0, seconds)) as self._waiting:
                return await self._receive()
        except TimeoutError:
            self.done = True  # nothing left to drop
            if self._gives_way:
                raise self._too_slow("many uploads come in and this one was the slowest") from None
            if left <= CHUNK_SECONDS:
                raise self._too_slow(f"got no complete body in {self._seconds:.0f} s") from None
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
        end = time.monotonic() + DRAIN_SECONDS
        dropped = 0
        while not self.done and dropped <= max(self._limit, 2**20) and (left := end - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self._receive(), min(left, DRAIN_SILENCE_SECONDS))
            except TimeoutError:
                return
            self.done = message["type"] != "http.request" or not message.get("more_body", False)
            dropped += len(message.get("body", b""))
