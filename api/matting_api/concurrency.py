"""How many photos are worked on at once, and how many requests may wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from matting_client import ServerBusy


class Turns:
    """Bounds work: `workers` at once, `queue` more in the house; whoever comes then is refused.

    Files that wait lie on disk, so memory follows `workers`.

    Attributes
    ----------
    working : requests whose photo is worked on.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self._slots = asyncio.Semaphore(workers)
        self._most, self._here, self.working = workers + queue, 0, 0

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn, or whose body still comes."""
        return self._here - self.working

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Be one of those in the house.

        Raises
        ------
        ServerBusy
            It is full.
        """
        if self._here >= self._most:
            raise ServerBusy(f"got {self._here + 1} requests at once, expected at most {self._most}; try again later")
        self._here += 1
        try:
            yield
        finally:
            self._here -= 1

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """Wait for the own turn, and hold it."""
        async with self._slots:
            self.working += 1
            try:
                yield
            finally:
                self.working -= 1
