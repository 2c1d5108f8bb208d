"""Who tries keys and passwords one after the other is slowed down and then refused for a while."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from matting_api.errors import ApiError

MOST_ENTRIES = 10_000  # beyond, those used longest ago are forgotten
FORGET_SECONDS = 3600.0  # after a failure nothing is held against anyone for longer
ADDRESS_FAILURES, NAME_FAILURES = 10, 30  # before the first refusal
ADDRESS_LOCK, NAME_LOCK = 900.0, 60.0  # longest one, in seconds; names of others are locked by strangers, so for less
DELAY_SECONDS = 0.5  # before each answer to a failure
log = logging.getLogger("api")


@dataclass
class _Record:
    failures: int = 0
    last: float = 0.0
    locked_until: float = 0.0


class _Lock:
    """Counts failures of addresses, or of names; each one beyond `free` doubles the time of a lock, up to `longest`."""

    def __init__(self, free: int, longest: float, clock: Callable[[], float]) -> None:
        self._free = free
        self._longest = longest
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def left(self, who: str) -> float:
        """Seconds of a lock that are left."""
        record = self._records.get(who)
        return max(0.0, record.locked_until - self._clock()) if record else 0.0

    def fail(self, who: str) -> float:
        """Count a failure; returns the seconds of the lock that it leads to."""
        now = self._clock()
        record = self._records.setdefault(who, _Record())
        self._records.move_to_end(who)
        if now - record.last > FORGET_SECONDS:
            record.failures = 0
        record.failures += 1
        record.last = now
        if len(self._records) > MOST_ENTRIES:
            self._records.popitem(last=False)
        if record.failures <= self._free:
            return 0.0
        seconds = min(self._longest, 2.0 ** min(30, record.failures - self._free - 1))
        record.locked_until = now + seconds
        return seconds


class Guesses:
    """Decides on attempts to show that one may use something.

    Parameters
    ----------
    kind : "key" or "password", for the metrics and the log.
    count : told the kind and "failed" or "locked" of every attempt that is refused.

    Notes
    -----
    Who once succeeded from an address is never locked out there, whatever others do.
    """

    def __init__(
        self, kind: str, count: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kind = kind
        self._count = count
        self._addresses = _Lock(ADDRESS_FAILURES, ADDRESS_LOCK, clock)
        self._names = _Lock(NAME_FAILURES, NAME_LOCK, clock)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def judge(self, address: str, name: str, is_right: bool) -> bool:
        """Whether an attempt succeeds; a wrong one is answered late.

        Parameters
        ----------
        address : where it came from.
        name : whose password it is, or what stands for a key that is right; empty for a wrong key.

        Raises
        ------
        ApiError
            429: there were too many wrong ones.
        """
        if is_right and (address, name) in self._known:
            self._known.move_to_end((address, name))
            return True
        left = max(self._addresses.left(address), self._names.left(name) if name else 0.0)
        if left > 0:
            self._count(self._kind, "locked")
            seconds = str(math.ceil(left))
            detail = f"got too many wrong ones; try again in {seconds} s"
            raise ApiError(429, "too_many_attempts", "Too many attempts", detail, {"Retry-After": seconds})
        if is_right:
            self._known[(address, name)] = None
            if len(self._known) > MOST_ENTRIES:
                self._known.popitem(last=False)
            return True
        self._count(self._kind, "failed")
        locks = (self._addresses.fail(address), self._names.fail(name) if name else 0.0)
        if max(locks) > 0:
            log.warning("wrong %ss from %s: refused for %.0f s", self._kind, address, max(locks))
        await asyncio.sleep(DELAY_SECONDS)
        return False
