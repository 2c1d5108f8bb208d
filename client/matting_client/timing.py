"""How long the steps of a photo take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Timings(Mapping[str, float]):
    """Seconds of each step by its name, in the order of the steps; a value that never changes.

    >>> Timings(decode=0.25).plus(infer=0.5)
    Timings(decode=0.250, infer=0.500)
    """

    __slots__ = ("_seconds",)

    def __init__(self, **seconds: float) -> None:
        self._seconds = seconds

    def plus(self, **seconds: float) -> Timings:
        """These and further steps."""
        return Timings(**{**self._seconds, **seconds})

    def since(self, earlier: Timings) -> Timings:
        """The steps that `earlier` does not have."""
        return Timings(**{step: spent for step, spent in self.items() if step not in earlier})

    def __getitem__(self, step: str) -> float:
        return self._seconds[step]

    def __iter__(self) -> Iterator[str]:
        return iter(self._seconds)

    def __len__(self) -> int:
        return len(self._seconds)

    def __repr__(self) -> str:
        return f"Timings({', '.join(f'{step}={spent:.3f}' for step, spent in self.items())})"


class Stopwatch:
    """Takes the time of one step after the other."""

    def __init__(self, earlier: Timings | None = None) -> None:
        self.timings = earlier or Timings()

    def add(self, name: str, seconds: float) -> None:
        """Count a step that was timed elsewhere, on top of what it has taken before."""
        self.timings = self.timings.plus(**{name: self.timings.get(name, 0.0) + seconds})

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done within; a step that fails is not counted."""
        start = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - start)
