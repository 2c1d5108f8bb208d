"""Whose turn is next."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from matting_api import concurrency
from matting_api.concurrency import Caller, Turns
from matting_api.errors import ApiError


class House:
    """Requests that are worked on until they are told to end."""

    def __init__(self, workers: int, places: int) -> None:
        self.now = 0.0
        self.turns = Turns(workers, places, lambda: self.now)
        self.served: list[str] = []
        self.refused: list[str] = []
        self.working: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, name: str, connection: str = "") -> asyncio.Task[None]:
        task = asyncio.create_task(self._ask(Caller(name, connection)))
        self.tasks.append(task)
        for _ in range(3):
            await asyncio.sleep(0)
        return task

    async def _ask(self, caller: Caller) -> None:
        try:
            async with self.turns.work(caller):
                self.served.append(caller.name + caller.connection)
                end = asyncio.Event()
                self.working.append(end)
                await end.wait()
        except ApiError as error:
            assert error.status == 503
            self.refused.append(caller.name + caller.connection)

    async def finish(self, count: int = 1, seconds: float = 0.0) -> None:
        for _ in range(count):
            self.now += seconds
            self.working.pop(0).set()
            for _ in range(5):
                await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))  # type: ignore[arg-type]


def test_callers_take_turns_however_much_one_of_them_asks() -> None:
    async def test() -> None:
        house = House(1, 20)
        for _ in range(10):
            await house.come("greedy")
        for name in "ab":
            for _ in range(3):
                await house.come(name)
        await house.finish(9)
        assert Counter(house.served[1:10]) == {"greedy": 3, "a": 3, "b": 3}
        await house.finish(7)
        assert house.served[10:] == ["greedy"] * 6
        assert (house.turns.working, house.turns.waiting) == (0, 0)

    run(test)


def test_when_it_is_full_who_had_most_gives_way() -> None:
    async def test() -> None:
        house = House(1, 4)
        for _ in range(5):
            await house.come("greedy")
        await house.come("a")
        assert house.refused == ["greedy"]
        await house.come("greedy")  # it has more than its share already
        assert house.refused == ["greedy", "greedy"]
        await house.come("b")
        await house.come("c")
        assert house.refused == ["greedy"] * 4
        await house.finish(5)
        assert Counter(house.served) == {"greedy": 2, "a": 1, "b": 1, "c": 1}

    run(test)


@pytest.mark.parametrize("by_connection", [False, True])
def test_sixty_callers_for_twelve_places_get_the_same(by_connection: bool) -> None:
    """Each comes again as soon as it was served or refused, as different callers and as connections of one."""

    async def test() -> None:
        house = House(2, 10)
        names = [("one", f":{number}") if by_connection else (f"caller {number}", "") for number in range(60)]
        pending: dict[tuple[str, str], asyncio.Task[None]] = {}
        for _ in range(360):
            for name in names:
                if name not in pending or pending[name].done():
                    pending[name] = await house.come(*name)
            await house.finish()
        counts = Counter(house.served)
        assert len(counts) == 60 and max(counts.values()) <= 2 * min(counts.values())
        for task in house.tasks:
            task.cancel()

    run(test)


def test_the_wait_that_is_told_is_the_one_that_is_expected() -> None:
    async def test() -> None:
        house = House(2, 8)
        for _ in range(60):  # until it knows that each takes 6 s
            await house.come("a")
            await house.finish(seconds=6)
        assert house.turns.expected_wait() == 1
        for number in range(10):
            await house.come(f"first {number}")
        assert house.turns.expected_wait() == 30  # 10 requests of 6 s for 2 workers
        told = [await refusal(house, f"caller {number}") for number in range(12)]
        assert told == ["3", "6", "9", "12", "15", "18", "21", "24", "27", "30", "30", "30"]  # one place every 3 s
        assert await refusal(house, "caller 0") == "30"  # who comes too early is the last
        house.now += 120
        assert await refusal(house, "caller 20") == "3"  # nobody counts on those who have not come
        await house.finish(10)

    run(test)


async def refusal(house: House, name: str) -> str:
    with pytest.raises(ApiError) as caught:
        async with house.turns.work(Caller(name)):
            pass
    return caught.value.headers["Retry-After"]


def test_who_leaves_while_waiting_leaves_no_trace() -> None:
    async def test() -> None:
        house = House(1, 8)
        await house.come("a")
        waiting = [await house.come("b") for _ in range(4)]
        for task in waiting[:3]:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert house.turns.waiting == 1
        await house.come("c")
        await house.finish(2)
        assert house.served == ["a", "b", "c"]  # the three that left have cost b nothing
        task = house.tasks[-1]
        waiting = [await house.come("d")]
        house.working.pop(0).set()
        await asyncio.sleep(0)
        waiting[0].cancel()  # its turn has come, and it does not know yet
        await asyncio.gather(task, *waiting, return_exceptions=True)
        assert (house.turns.working, house.turns.waiting) == (0, 0)

    run(test)


def test_callers_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "MOST_FLOWS", 50)

    async def test() -> None:
        house = House(1, 8)
        for number in range(500):
            await house.come(f"stranger {number}")
            await house.finish()
        assert len(house.turns._callers._ends) <= 50

    run(test)


class Skipping(selectors.DefaultSelector):
    """Lets time pass at once when nobody has anything to do."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


def test_the_end_refuses_those_who_wait_and_whoever_would_have_to() -> None:
    async def test() -> None:
        house = House(1, 5)
        for name in ("a", "b", "b"):
            await house.come(name)
        house.turns.close()
        await house.come("c")
        assert (house.turns.waiting, house.turns.working, sorted(house.refused)) == (0, 1, ["b", "b", "c"])
        await house.finish()
        await house.come("d")  # there is a place at work
        assert house.served == ["a", "d"]
        await house.finish()

    run(test)


def turns_of(callers: int, places: int, seconds: float) -> list[int]:
    """Let many callers ask again and again, and wait as long as they are told to; returns how often each was served."""
    time = Skipping()
    loop = asyncio.SelectorEventLoop(time)
    loop.time = lambda: time.now  # type: ignore[method-assign]
    chance = random.Random(1)
    had: Counter[int] = Counter()

    async def ask(index: int, turns: Turns) -> None:
        while time.now < seconds:
            await asyncio.sleep(chance.uniform(0.01, 0.03))
            try:
                async with turns.work(Caller(str(index), str(index))):
                    await asyncio.sleep(chance.uniform(0.1, 0.2))
                had[index] += 1
            except ApiError as error:
                await asyncio.sleep(float(error.headers["Retry-After"]))

    async def everybody() -> None:
        turns = Turns(2, places, lambda: time.now)
        await asyncio.gather(*(ask(index, turns) for index in range(callers)))

    try:
        loop.run_until_complete(everybody())
    finally:
        loop.close()
    return [had[index] for index in range(callers)]


@pytest.mark.parametrize(("callers", "places"), [(200, 64), (64, 32)])
def test_those_who_do_not_fit_in_get_as_many_turns_in_a_minute(callers: int, places: int) -> None:
    """Before refusals were remembered, some of 200 had fourteen turns and others none."""
    had = turns_of(callers, places, 60.0)
    assert max(had) <= 2 * min(had), Counter(had)
