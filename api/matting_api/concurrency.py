"""Whose photo is worked on next: bounded, and fair between callers."""

from __future__ import annotations

import asyncio
import math
import time
from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from matting_api.errors import ApiError, server_ending

MOST_FLOWS = 10_000  # callers that are remembered; beyond, those served longest ago are forgotten
LONGEST_WAIT = 120  # seconds for Retry-After
FIRST_GUESS = 0.3  # seconds a photo may take, before one has shown it
RECENT = 10  # turns that say how long one takes
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Caller:
    """Who asks: a key or an address, and the connection, by which callers behind one address are told apart."""

    name: str
    connection: str = ""


class _Tags:
    """Start tags of start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996), where each turn costs 1.

    A flow's next turn starts after its last one, or now if it was idle: the lowest tag is the flow that had least. One
    that was refused is not idle, it waits elsewhere: its next turn starts when it would have.
    """

    def __init__(self) -> None:
        self._now = 0
        self._ends: dict[str, int] = {}
        self._refused: dict[str, int] = {}

    def begin(self, start: int) -> None:
        """Let the turn with this tag be the one that is worked on."""
        self._now = max(self._now, start)

    def next_start(self, flow: str) -> int:
        return self._refused.get(flow, max(self._now, self._ends.get(flow, 0)))

    def take(self, flow: str) -> int:
        start = self.next_start(flow)
        self._refused.pop(flow, None)
        self._ends.pop(flow, None)
        _remember(self._ends, flow, start + 1)
        return start

    def give_back(self, flow: str) -> None:
        if flow in self._ends:
            self._ends[flow] -= 1

    def refuse(self, flow: str) -> None:
        if flow not in self._refused:
            _remember(self._refused, flow, self.next_start(flow))


def _remember(flows: dict[str, _Value], flow: str, value: _Value) -> None:
    flows[flow] = value  # the last of the dict, which is in the order of use
    if len(flows) > MOST_FLOWS:
        del flows[next(iter(flows))]


@dataclass(order=True)
class _Request:
    start: int  # among those of its caller
    number: int  # in the order in which they came
    caller: Caller = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class _Queue:
    """Requests of one caller that wait."""

    def __init__(self) -> None:
        self.starts: deque[int] = deque()  # among all callers, ascending; the first is for whichever request is next
        self.requests: list[_Request] = []  # sorted
        self.connections = _Tags()


class Turns:
    """Bounds work: `workers` at once, `places` more may wait; each caller's turn comes as often as any other's.

    When all places are taken, who had the most turns gives way to who had fewer.

    Attributes
    ----------
    working : requests whose photo is worked on.
    waiting : complete requests that wait for their turn.
    """

    def __init__(self, workers: int, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._places = places
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._callers = _Tags()
        self._mean_seconds = FIRST_GUESS
        self._timed = 0
        self._count = 0
        self._away: dict[str, float] = {}  # callers that were refused, and when they are to come again
        self._is_closed = False
        self.working = 0
        self.waiting = 0

    def expected_wait(self) -> int:
        """Whole seconds until those who wait now have had their turn."""
        seconds = (self.waiting + self.working) * self._mean_seconds / self._workers
        return min(LONGEST_WAIT, max(1, math.ceil(seconds)))

    @asynccontextmanager
    async def work(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for the caller's turn, and hold it.

        Raises
        ------
        ApiError
            503: all places are taken, by callers who had no more turns than this one; or the service ends, and it would
            have to wait.
        """
        await self._wait(caller)
        start = self._clock()
        try:
            yield
        finally:
            self._note(self._clock() - start)
            self._pass_on()

    def close(self) -> None:
        """Refuse those who wait, and from now on whoever would have to: the service ends before their turn comes."""
        self._is_closed = True
        for request in [each for queue in self._queues.values() for each in queue.requests]:
            self._remove(request)
            if not request.turn.done():
                request.turn.set_exception(server_ending())

    def _note(self, seconds: float) -> None:
        self._timed = min(self._timed + 1, RECENT)
        self._mean_seconds += (seconds - self._mean_seconds) / self._timed

    async def _wait(self, caller: Caller) -> None:
        if self.working < self._workers:  # then nobody waits
            self._callers.begin(self._callers.take(caller.name))
            self.working += 1
            return
        if self._is_closed:
            raise server_ending()
        if self.waiting >= self._places:
            self._make_room(caller)
        request = self._add(caller)
        try:
            await request.turn
        except asyncio.CancelledError:
            if request.turn.cancelled():
                self._remove(request)
            elif request.turn.exception() is None:  # the turn had come
                self._pass_on()
            raise

    def _add(self, caller: Caller) -> _Request:
        queue = self._queues.setdefault(caller.name, _Queue())
        queue.starts.append(self._callers.take(caller.name))
        self._count += 1
        turn = asyncio.get_running_loop().create_future()
        request = _Request(queue.connections.take(caller.connection), self._count, caller, turn)
        insort(queue.requests, request)
        self.waiting += 1
        return request

    def _remove(self, request: _Request) -> None:
        """Take back what a request that has had no turn was given."""
        name = request.caller.name
        queue = self._queues.get(name)
        if queue is None or request not in queue.requests:
            return  # it was taken out while it did not know yet that it was cancelled
        queue.requests.remove(request)
        queue.starts.pop()
        queue.connections.give_back(request.caller.connection)
        self._callers.give_back(name)
        self.waiting -= 1
        if not queue.requests:
            del self._queues[name]

    def _make_room(self, caller: Caller) -> None:
        most = max(self._queues, key=lambda name: self._queues[name].starts[-1], default=caller.name)
        queue = self._queues.get(most)
        if queue is not None and queue.starts[-1] <= self._callers.next_start(caller.name):
            # Nobody had more turns than this caller: perhaps another connection of its own.
            own = self._queues.get(caller.name)
            is_last = own is None or own.requests[-1].start <= own.connections.next_start(caller.connection)
            queue = None if is_last else own
        if queue is None:
            raise self._busy(caller)
        given_up = queue.requests[-1]
        self._remove(given_up)
        if not given_up.turn.done():
            given_up.turn.set_exception(self._busy(given_up.caller))

    def _pass_on(self) -> None:
        """End one turn, and begin that of the caller who had least."""
        self.working -= 1
        while self._queues:
            request = self._take()
            if not request.turn.done():  # nobody cancelled it
                self.working += 1
                request.turn.set_result(None)
                return

    def _take(self) -> _Request:
        name = min(self._queues, key=lambda each: self._queues[each].starts[0])
        queue = self._queues[name]
        self._callers.begin(queue.starts.popleft())
        request = queue.requests.pop(0)
        queue.connections.begin(request.start)
        if not queue.requests:
            del self._queues[name]
        self.waiting -= 1
        return request

    def _busy(self, caller: Caller) -> ApiError:
        self._callers.refuse(caller.name)
        wait = self._send_away(caller.name)
        detail = f"got more requests than the {self._places} that may wait; try again in {wait} s"
        return ApiError(503, "server_busy", "Server busy", detail, {"Retry-After": str(wait)})

    def _send_away(self, name: str) -> int:
        """Seconds after which a caller is to come again: one after the other, as places become free."""
        now = self._clock()
        while self._away and (first := next(iter(self._away.items())))[1] <= now:
            del self._away[first[0]]
        self._away.pop(name, None)
        free = (len(self._away) + 1) * self._mean_seconds / self._workers
        wait = min(self.expected_wait(), max(1, math.ceil(free)))
        _remember(self._away, name, now + wait)
        return wait
