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
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from matting_client import OptionError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matting_api import errors

MINUTE, DAY = 60, 86_400
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
                    f"{source}, line {number}: got a key of {len(word)} characters, expected 16 to 200 of ASCII; make "
                    "one with: openssl rand -hex 24"
                )
            keys.add(word)
    if not keys:
        raise OptionError(f"{source}: got no key, expected one a line")
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
        raise OptionError(f"{path}: cannot be read as text ({error}); check the path") from None


class Keys:
    """Finds the key of a request, in a time that says nothing of how near a guess came."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [sha256(key.encode()).digest() for key in keys]

    def find(self, headers: Headers) -> str | None:
        """What stands for the caller's key, or None. It comes as X-Api-Key or as a Bearer token."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        digest = sha256(given.encode("latin-1")).digest()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]  # all of them, always
        return digest.hex() if any(matches) else None


@dataclass(frozen=True)
class Taken:
    """What a request left of an allowance."""

    allowed: bool
    remaining: int
    resets: int  # Unix time


class Allowance:
    """`most` requests of each caller in each span of `seconds`, counted from the epoch; 0 for no limit."""

    def __init__(self, most: int, seconds: int, clock: Callable[[], float] = time.time) -> None:
        self.most, self._seconds, self._clock = most, seconds, clock
        self._span, self._counts = 0, Counter[str]()

    def take(self, caller: str) -> Taken:
        """Count a request."""
        span = int(self._clock() // self._seconds)
        if span != self._span:  # all spans end together, so there is nothing else to forget
            self._span, self._counts = span, Counter()
        resets = (span + 1) * self._seconds
        if self._counts[caller] >= self.most:
            return Taken(False, 0, resets)
        self._counts[caller] += 1
        return Taken(True, self.most - self._counts[caller], resets)


class Gate:
    """ASGI middleware before the photo endpoints: keys first, then rate and quota; no body is read for a refusal.

    Parameters
    ----------
    app : what answers.
    keys : accepted keys; none for an open API, whose callers are told apart by their address.
    rate : photos of a caller in a minute; 0 for no limit.
    quota : photos of a caller in a day; 0 for no limit.
    """

    def __init__(self, app: ASGIApp, keys: Iterable[str], rate: int, quota: int) -> None:
        self._app = app
        self._keys = Keys(keys)
        self._is_open = not frozenset(keys)
        self.rate, self.quota = Allowance(rate, MINUTE), Allowance(quota, DAY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or not _GUARDED.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        caller = _address(request) if self._is_open else self._keys.find(request.headers)
        if caller is None:
            error = errors.ApiError(
                403, "auth_failed", "API key invalid", "expected a valid key in the X-Api-Key header"
            )
            await errors.response(request, error)(scope, receive, send)
            return
        added: dict[str, str] = {}
        error_or_none = self._count(caller, added) if request.method == "POST" else None

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers[name] = value
            await send(message)

        if error_or_none is not None:
            await errors.response(request, error_or_none)(scope, receive, send_on)
        else:
            await self._app(scope, receive, send_on)

    def _count(self, caller: str, headers: dict[str, str]) -> errors.ApiError | None:
        """Count a request, note its headers, and say whether it is one too many."""
        if self.rate.most:
            taken = self.rate.take(caller)
            headers["X-RateLimit-Limit"] = str(self.rate.most)
            headers["X-RateLimit-Remaining"] = str(taken.remaining)
            headers["X-RateLimit-Reset"] = str(taken.resets)
            if not taken.allowed:
                headers["Retry-After"] = _wait(taken)
                detail = f"got more than {self.rate.most} requests in a minute; try again in {_wait(taken)} s"
                return errors.ApiError(429, "rate_limit_exceeded", "Rate limit exceeded", detail)
        if self.quota.most:
            taken = self.quota.take(caller)
            if not taken.allowed:
                headers["Retry-After"] = _wait(taken)
                detail = f"got more than {self.quota.most} requests in a day; try again in {_wait(taken)} s"
                return errors.ApiError(402, "insufficient_credits", "Daily quota used up", detail)
        return None


def _wait(taken: Taken) -> str:
    return str(max(1, math.ceil(taken.resets - time.time())))


def _address(request: Request) -> str:
    """The caller's address; of IPv6 the half that is one house's."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return address.exploded[:19] if isinstance(address, IPv6Address) else host
