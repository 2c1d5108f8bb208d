"""Who may use the API, and how often."""

from __future__ import annotations

import hmac
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from matting_client import OptionError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_api import errors
from matting_api.concurrency import Caller
from matting_api.middleware.guesses import Guesses
from matting_api.middleware.proxies import household

MINUTE, DAY = 60, 86_400
MOST_CALLERS = 100_000  # that are counted at once
_GUARDED = re.compile(r"/v1(\.0)?/")
_KEY = re.compile(r"[\x21-\x7e]{16,200}")


def read_keys(text: str, source: str) -> frozenset[str]:
    """Keys from lines or words; a # begins a remark.

    Raises
    ------
    OptionError
        A key is shorter than 16 characters or has strange ones. It names `source` and the line, never the key.
    """
    keys = set()
    for number, line in enumerate(text.splitlines(), 1):
        for word in line.partition("#")[0].replace(",", " ").split():
            if not _KEY.fullmatch(word):
                raise OptionError(
                    f"{source}, line {number}",
                    f"a key of {len(word)} characters",
                    "16 to 200 of ASCII",
                    "make one with: openssl rand -hex 24",
                )
            keys.add(word)
    if not keys:
        raise OptionError(source, "no key", "one a line")
    return frozenset(keys)


def load_keys(path: Path) -> frozenset[str]:
    """Keys from a file.

    Raises
    ------
    OptionError
        It cannot be read, or as of `read_keys`.
    """
    try:
        return read_keys(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(path, problem=f"cannot be read as text ({error})", remedy="check the path") from None


class Keys:
    """Finds the key of a request, in a time that says nothing of how near a guess came."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]

    @staticmethod
    def given(headers: Headers) -> str:
        """The key of a request, which comes as X-Api-Key or as a Bearer token; empty without one."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")

    def find(self, given: str) -> str | None:
        """What stands for a key; None for one that is not known."""
        digest = sha256(given.encode("latin-1")).digest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]  # all of them, always
        return digest.hex() if any(matches) else None


@dataclass(frozen=True)
class Taken:
    """What a request left of an allowance."""

    allowed: bool
    remaining: int
    seconds: int  # until the next span


class Allowance:
    """`most` requests of each caller in each span of `seconds`, counted from the epoch; 0 for no limit.

    The time is that of the system's clock when the process began, and runs on by itself: a clock that is set forth or
    back renews nothing.
    """

    def __init__(self, most: int, seconds: int, clock: Callable[[], float] | None = None) -> None:
        self.most, self._seconds, self._clock = most, seconds, clock or _steady_clock()
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

    def take(self, caller: str) -> Taken:
        """Count a request."""
        now = self._begin_span()
        left = max(1, math.ceil((self._span + 1) * self._seconds - now))
        if self._counts[caller] >= self.most:
            return Taken(False, 0, left)
        self._counts[caller] += 1
        if len(self._counts) > MOST_CALLERS:  # those who asked least are forgotten
            self._counts = Counter(dict(self._counts.most_common(MOST_CALLERS // 2)))
        return Taken(True, self.most - self._counts[caller], left)


def _steady_clock() -> Callable[[], float]:
    begin = time.time() - time.monotonic()
    return lambda: begin + time.monotonic()


class Gate:
    """ASGI middleware before the photo endpoints: keys first, then rate and quota; no body is read for a refusal.

    Parameters
    ----------
    app : what answers; finds the caller in the request's state.
    keys : accepted keys; none for an open API, whose callers are told apart by their address.
    rate, quota : photos of a caller in a minute and in a day.
    guesses : refuses who tries keys.
    """

    def __init__(self, app: ASGIApp, keys: Iterable[str], rate: Allowance, quota: Allowance, guesses: Guesses) -> None:
        self._app, self._guesses = app, guesses
        self._rate, self._quota = rate, quota
        self._keys = Keys(keys)
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
            if request.method == "POST":
                self._count(name, added)
        except errors.ApiError as error:
            await errors.response(request, error)(scope, receive, send_on)
            return
        host, port = scope.get("client") or ("", 0)
        request.state.caller = Caller(name, f"{host}:{port}")
        await self._app(scope, receive, send_on)

    async def _identify(self, request: Request) -> str:
        """What stands for the caller: the key's digest, or the address where there are no keys."""
        address = household(request.client.host if request.client else "")
        if self._is_open:
            return address
        given = self._keys.given(request.headers)
        digest = self._keys.find(given)
        is_guess = bool(given)
        if is_guess and await self._guesses.judge(address, digest or "", digest is not None) and digest is not None:
            return digest
        raise errors.ApiError(403, "auth_failed", "API key invalid", "expected a valid key in the X-Api-Key header")

    def _count(self, caller: str, headers: dict[str, str]) -> None:
        """Count a request, note its headers, and refuse it when it is one too many."""
        if self._rate.most:
            taken = self._rate.take(caller)
            headers["X-RateLimit-Limit"] = str(self._rate.most)
            headers["X-RateLimit-Remaining"] = str(taken.remaining)
            headers["X-RateLimit-Reset"] = str(int(time.time()) + taken.seconds)
            if not taken.allowed:
                detail = f"got more than {self._rate.most} requests in a minute; try again in {taken.seconds} s"
                later = {"Retry-After": str(taken.seconds)}
                raise errors.ApiError(429, "rate_limit_exceeded", "Rate limit exceeded", detail, later)
        if self._quota.most:
            taken = self._quota.take(caller)
            if not taken.allowed:
                detail = f"got more than {self._quota.most} requests in a day; try again in {taken.seconds} s"
                later = {"Retry-After": str(taken.seconds)}
                raise errors.ApiError(402, "insufficient_credits", "Daily quota used up", detail, later)
