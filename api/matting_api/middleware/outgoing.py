"""Answers that wait for their readers: how long one may, and what all of them may hold in memory together."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios
import time

# A reader has to take so many bytes a second in each span of seconds; it would hold answer and connection for ever.
SLOWEST = 4096
SPAN_SECONDS = 60.0
MOST_BYTES = 512 * 2**20  # of all answers; when more wait, the slowest reader gives way
YOUNG_SECONDS = 5.0  # so long nobody has to
_AT_ONCE = struct.pack("ii", 1, 0)  # on, and for no time


class Waiting:
    """One answer of which its reader has yet to take a part."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.started = time.monotonic()
        self._transport = transport
        self._link: socket.socket = transport.get_extra_info("socket")
        self._first = self.left
        self._last = self._first + self._in_system()

    @property
    def left(self) -> int:
        """Bytes in memory that are not taken."""
        return self._transport.get_write_buffer_size()

    def is_too_slow(self) -> bool:
        """Whether less was taken than had to be since this was last asked, a span ago."""
        left = self.left + self._in_system()
        taken = self._last - left
        self._last = left
        return taken < SLOWEST * SPAN_SECONDS

    def rate(self, now: float) -> float:
        """Bytes a second that were taken."""
        return (self._first - self.left) / max(1e-3, now - self.started)

    def give_up(self) -> None:
        """Break the connection off, and forget what is left, the system's own share of it, too."""
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._transport.abort()

    def _in_system(self) -> int:
        """Bytes that the system holds: it asks for more in large steps, however steadily the reader takes them."""
        with contextlib.suppress(OSError):  # other systems than Linux do not say
            return int.from_bytes(fcntl.ioctl(self._link.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return 0


class Outgoing:
    """All answers that wait for their readers."""

    def __init__(self) -> None:
        self._waiting: set[Waiting] = set()

    def begin(self, transport: asyncio.Transport) -> Waiting:
        """Note an answer; where all hold too much, those of the slowest readers are given up."""
        waiting = Waiting(transport)
        self._make_room(waiting.left)
        self._waiting.add(waiting)
        return waiting

    def end(self, waiting: Waiting) -> None:
        """Forget an answer that is taken, or given up."""
        self._waiting.discard(waiting)

    def _make_room(self, size: int) -> None:
        now = time.monotonic()
        held = size + sum(each.left for each in self._waiting)
        old = [each for each in self._waiting if now - each.started > YOUNG_SECONDS]
        for each in sorted(old, key=lambda each: each.rate(now)):
            if held <= MOST_BYTES:
                return
            held -= each.left
            self.end(each)
            each.give_up()
