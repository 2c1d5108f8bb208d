"""Whose turn it is: visitors take turns, however much one of them sends, and nobody fills the queue alone."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence

SIZE = 32  # calls that may wait in all
OF_ONE = 8  # of one visitor
OF_ADDRESS = 24  # of all visitors at one address, for whoever deletes the cookie looks like a new one
REMEMBERED = 4096  # visitors whose last turn is known

Caller = tuple[str, str]  # address and visitor


class Turns:
    """Round robin: first the address that was served longest ago, within it the visitor, within it who came first.

    An address is served before another one's second turn, so a crowd behind one address shares what one address gets.
    """

    def __init__(self) -> None:
        self._count = 0
        self._last: OrderedDict[str, int] = OrderedDict()

    def next(self, waiting: Sequence[Caller]) -> int:
        """Index of the caller whose turn it is."""
        return _first(list(enumerate(waiting)), self._last)

    def serve(self, caller: Caller) -> None:
        """Note that a caller has had a turn."""
        self._count += 1
        for name in caller:
            self._last[name] = self._count
            self._last.move_to_end(name)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def place(self, waiting: Sequence[Caller], new: Caller) -> int:
        """Place of one more call among those that wait: 1 for the one that is next."""
        left = list(enumerate([*waiting, new]))
        last = dict(self._last)
        for place in range(1, len(left) + 1):
            index = _first(left, last)
            if index == len(waiting):
                return place
            caller = next(each for number, each in left if number == index)
            left = [each for each in left if each[0] != index]
            last.update(dict.fromkeys(caller, self._count + place))
        raise AssertionError("a call is always served in the end")


def _first(waiting: Sequence[tuple[int, Caller]], last: dict[str, int]) -> int:
    index, _ = min(waiting, key=lambda each: (last.get(each[1][0], 0), last.get(each[1][1], 0), each[0]))
    return index


def refusal_reason(waiting: Sequence[Caller], caller: Caller) -> tuple[str, int] | None:
    """Why one more call of a caller cannot wait: a text's key and the number that may; None when it can."""
    addresses = Counter(address for address, _ in waiting)
    visitors = Counter(visitor for _, visitor in waiting)
    if visitors[caller[1]] >= OF_ONE:
        return "busy_own", OF_ONE
    if addresses[caller[0]] >= OF_ADDRESS:
        return "busy_address", OF_ADDRESS
    return ("busy_full", SIZE) if len(waiting) >= SIZE else None
