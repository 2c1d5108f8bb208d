"""What request bodies may take while they come in, of all requests together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_BODIES = 256  # on the way at once
DISK_BYTES = 4 * 2**30  # of all files of requests that are not answered yet
MEMORY_BYTES = 256 * 2**20  # the same of JSON and urlencoded forms, which lie in memory
YOUNG_SECONDS = 5.0  # so long nobody has to give way


@dataclass(eq=False)
class Body:
    """A body on its way."""

    give_up: Callable[[], None]  # called when it has to give way
    started: float
    in_memory: bool
    size: int = 0


class Incoming:
    """Bodies on their way, bounded in number and bytes.

    When there are too many, the slowest one gives way: however many slow senders there are, they keep nobody out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._coming: set[Body] = set()
        self._bytes = {True: 0, False: 0}

    def __len__(self) -> int:
        return len(self._coming)

    def begin(self, give_up: Callable[[], None], in_memory: bool) -> Body:
        """Note a request; it counts as soon as it has a body that is not complete."""
        return Body(give_up, self._clock(), in_memory)

    def receive(self, body: Body, size: int, is_last: bool) -> bool:
        """Count a part of a body, and say whether there is room for it."""
        body.size += size
        self._bytes[body.in_memory] += size
        if is_last:
            self._coming.discard(body)
        elif body not in self._coming:
            if len(self._coming) >= MOST_BODIES and not self._make_room():
                return False
            self._coming.add(body)
        return self._bytes[body.in_memory] <= (MEMORY_BYTES if body.in_memory else DISK_BYTES)

    def end(self, body: Body) -> None:
        """Forget a request that is answered."""
        self._coming.discard(body)
        self._bytes[body.in_memory] -= body.size
        body.size = 0

    def _make_room(self) -> bool:
        now = self._clock()
        old = [body for body in self._coming if now - body.started > YOUNG_SECONDS]
        if not old:
            return False
        slowest = min(old, key=lambda body: body.size / (now - body.started))
        self._coming.discard(slowest)
        slowest.give_up()
        return True
