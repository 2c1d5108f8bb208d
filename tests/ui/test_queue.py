"""Turns of the page's queue."""

from __future__ import annotations

from collections import Counter

from matting_ui.queue import OF_ADDRESS, OF_ONE, SIZE, Turns, refusal_reason


def served(turns: Turns, waiting: list[tuple[str, str]]) -> list[str]:
    """Visitors in the order of their turns."""
    order = []
    while waiting:
        caller = waiting.pop(turns.next(waiting))
        turns.serve(caller)
        order.append(caller[1])
    return order


def test_visitors_take_turns_whoever_came_first() -> None:
    waiting = [("1", "a")] * 6 + [("1", "b")] * 2 + [("1", "c")]
    assert served(Turns(), waiting) == list("abcabaaaa")


def test_whoever_was_served_last_waits() -> None:
    turns = Turns()
    turns.serve(("1", "a"))
    assert served(turns, [("1", "a"), ("1", "b")]) == ["b", "a"]


def test_addresses_take_turns_whatever_names_they_give() -> None:
    """Somebody who deletes the cookie before each call gets no more than one who keeps it."""
    waiting = [("1", f"new {number}") for number in range(8)] + [("2", "b")] * 4
    order = served(Turns(), waiting)
    assert Counter(name[0] for name in order[:8]) == {"n": 4, "b": 4}


def test_a_place_is_the_one_that_comes_true() -> None:
    for own in ("a", "b", "z"):
        turns = Turns()
        turns.serve(("1", "b"))
        waiting = [("1", "a")] * 3 + [("2", "b")] * 2 + [("1", "c")]
        place = turns.place(waiting, ("2", own))
        left = [(caller, False) for caller in waiting] + [(("2", own), True)]
        for number in range(1, len(left) + 1):
            caller, is_new = left.pop(turns.next([each for each, _ in left]))
            turns.serve(caller)
            if is_new:
                assert number == place
    assert Turns().place([], ("1", "a")) == 1


def test_nobody_fills_the_queue_alone() -> None:
    own = [("1", "a")] * OF_ONE
    assert refusal_reason(own, ("1", "a")) == ("busy_own", OF_ONE)
    assert refusal_reason(own, ("1", "b")) is None
    crowd = [("1", str(number)) for number in range(OF_ADDRESS)]
    assert refusal_reason(crowd, ("1", "new")) == ("busy_address", OF_ADDRESS)
    assert refusal_reason(crowd, ("2", "new")) is None
    assert refusal_reason([(str(number), str(number)) for number in range(SIZE)], ("x", "y")) == ("busy_full", SIZE)


def test_only_so_many_are_remembered() -> None:
    turns = Turns()
    for number in range(5000):
        turns.serve(("1", str(number)))
    assert turns.next([("1", "4999"), ("1", "0")]) == 1 and len(turns._last) <= 4096
