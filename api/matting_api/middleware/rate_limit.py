"""Who may use the API, and how often."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from matting_client.system import household
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_api import errors
from matting_api.concurrency import Caller
from matting_api.middleware.guesses import Guesses
from matting_api.middleware.keys import Keys

MINUTE = 60
DAY = 86_400
MOST_CALLERS = 100_000  # that are counted at once
_GUARDED = re.compile(r"/v1(\.0)?/")


@dataclass(frozen=True)
class Taken:
    """What a request left of an allowance; of one that is not allowed, nothing was taken."""

    allowed: bool
    remaining: int
    seconds: int  # until the next span
    span: int


class Allowance:
    """`most` requests or photos of each caller in each span of `seconds`, counted from the epoch; 0 for no limit.

    The time is that of the system's clock when the process began, and runs on by itself: a clock that is set forth or
    back renews nothing.
    """

    def __init__(self, most: int, seconds: int, clock: Callable[[], float] | None = None) -> None:
        self.most = most
        self._seconds = seconds
        self._clock = clock or steady_clock()
        self._span = 0
        self._counts = Counter[str]()

    def left(self, caller: str) -> int:
        """What a caller may still take."""
        self._begin_span()
        return max(0, self.most - self._counts[caller])

    def _begin_span(self) -> float:
        """The time, at which what was counted in the span before is forgotten."""
        now = self._clock()
        span = int(now // self._seconds)
        if span != self._span:  # all spans end together
            self._span = span
            self._counts.clear()
        return now

    def take(self, caller: str, count: int = 1) -> Taken:
        """Count a request, or some photos: all of them or none."""
        now = self._begin_span()
        left = max(1, math.ceil((self._span + 1) * self._seconds - now))
        if self._counts[caller] + count > self.most:
            return Taken(False, self.most - self._counts[caller], left, self._span)
        self._counts[caller] += count
        if len(self._counts) > MOST_CALLERS:  # those who asked least are forgotten
            self._counts = Counter(dict(self._counts.most_common(MOST_CALLERS // 2)))
        return Taken(True, self.most - self._counts[caller], left, self._span)

    def give_back(self, caller: str, count: int, span: int) -> None:
        """Count what was taken in a span as not taken; one that is over needs nothing."""
        self._begin_span()
        if span == self._span:
            self._counts[caller] -= count
            if self._counts[caller] <= 0:  # nothing is left to count, or it was forgotten
                del self._counts[caller]


def steady_clock() -> Callable[[], float]:
    """Seconds since the epoch as the system's clock had them at first, and as they run on by themselves."""
    begin = time.time() - time.monotonic()
    return lambda: begin + time.monotonic()


class Bill:
    """What a request takes of its caller's `quota`: photos, which are given back unless it succeeds."""

    def __init__(self, quota: Allowance, caller: str) -> None:
        self._quota = quota
        self._caller = caller
        self._taken = Counter[int]()  # photos by span: midnight may come in between

    def take(self, photos: int) -> None:
        """Count so many photos in all. Raises ApiError, 402, where fewer are left of the day."""
        if not self._quota.most:
            return
        before = self._taken.total()
        taken = self._quota.take(self._caller, photos - before)
        if not taken.allowed:
            left = f"the {taken.remaining + before} that are left of {self._quota.most} a day"
            detail = f"photos: got {photos}, expected at most {left}; try again in {taken.seconds} s"
            later = {"Retry-After": str(taken.seconds)}
            raise errors.ApiError(402, "insufficient_credits", "Daily quota used up", detail, later)
        self._taken[taken.span] += photos - before

    def give_back(self) -> None:
        """The request made nothing new."""
        for span, photos in self._taken.items():
            self._quota.give_back(self._caller, photos, span)
        self._taken.clear()

    def settle(self, status: int) -> None:
        """The request is answered: what a success has taken stays taken."""
        if status >= 300:
            self.give_back()
        self._taken.clear()


class Gate:
    """ASGI middleware before the photo endpoints: keys first, then rate and quota; no body is read for a refusal.

    Parameters
    ----------
    app : what answers; finds the caller, and the bill, which has one photo, in the request's state.
    keys : accepted keys; none for an open API, whose callers are told apart by their address.
    rate, quota : requests of a caller in a minute, and photos in a day.
    guesses : refuses who tries keys.
    keys_file : where keys are from; read again when it changes.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: Iterable[str],
        rate: Allowance,
        quota: Allowance,
        guesses: Guesses,
        keys_file: Path | None = None,
    ) -> None:
        self._app = app
        self._guesses = guesses
        self._rate = rate
        self._quota = quota
        self._keys = Keys(keys, keys_file)
        self._is_open = not frozenset(keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or not _GUARDED.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        added: dict[str, str] = {}

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers[name] = value
            await send(message)

        try:
            name = await self._identify(request)
            bill = Bill(self._quota, name)
            if request.method == "POST":
                self._count(name, added)
                bill.take(1)
        except errors.ApiError as error:
            await errors.response(request, error)(scope, receive, send_on)
            return
        host, port = scope.get("client") or ("", 0)
        request.state.caller = Caller(name, f"{host}:{port}")
        request.state.bill = bill

        async def send_billed(message: Message) -> None:
            if message["type"] == "http.response.start":
                bill.settle(message["status"])
            await send_on(message)

        try:
            await self._app(scope, receive, send_billed)
        finally:
            bill.give_back()  # where nothing was answered

    async def _identify(self, request: Request) -> str:
        """What stands for the caller: the key's digest, or the address where there are no keys."""
        address = household(request.client.host if request.client else None)
        if self._is_open:
            return address
        given = self._keys.given(request.headers)
        digest = self._keys.find(given)
        is_guess = bool(given)
        if is_guess and await self._guesses.judge(address, digest or "", digest is not None) and digest is not None:
            return digest
        raise errors.ApiError(403, "auth_failed", "API key invalid", "expected a valid key in the X-Api-Key header")

    def _count(self, caller: str, headers: dict[str, str]) -> None:
        """Count a request, note its headers, and refuse it when it is one too many in a minute."""
        if not self._rate.most:
            return
        taken = self._rate.take(caller)
        headers["X-RateLimit-Limit"] = str(self._rate.most)
        headers["X-RateLimit-Remaining"] = str(taken.remaining)
        headers["X-RateLimit-Reset"] = str(int(time.time()) + taken.seconds)
        if not taken.allowed:
            detail = f"got more than {self._rate.most} requests in a minute; try again in {taken.seconds} s"
            later = {"Retry-After": str(taken.seconds)}
            raise errors.ApiError(429, "rate_limit_exceeded", "Rate limit exceeded", detail, later)
