"""A closed loop: so many callers, each sending its next photo when it has the last one's answer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Load:
    """What a load of some seconds showed: photos a second, and the seconds that every photo took."""

    concurrency: int
    rate: float
    latencies: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """Seconds within which `share` (0..100) per cent of the photos were done."""
        return float(np.percentile(self.latencies, share))


def call_from_threads(call: Callable[[int], object], concurrency: int, seconds: float) -> Load:
    """Call with the caller's number from `concurrency` threads for so many seconds, after one unmeasured round.

    The rate counts what is done while all callers are at it: from the end of the first round to the deadline.
    """
    barrier = threading.Barrier(concurrency + 1)
    spans: list[list[tuple[float, float]]] = [[] for _ in range(concurrency)]
    errors: list[BaseException] = []

    def caller(number: int) -> None:
        try:
            call(number)
            barrier.wait()
            deadline = time.perf_counter() + seconds
            while (start := time.perf_counter()) < deadline:
                call(number)
                spans[number].append((start, time.perf_counter()))
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=caller, args=(number,), daemon=True) for number in range(concurrency)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        barrier.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    if errors:
        raise next((e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0])
    done = sorted(end for own in spans for _, end in own)
    counted = [end for end in done if end <= begin + seconds]
    # From the first to the last answer, so that neither the start nor a half-done photo at the end counts.
    rate = (len(counted) - 1) / (counted[-1] - counted[0]) if len(counted) > 2 else len(done) / (done[-1] - begin)
    return Load(concurrency, rate, tuple(end - start for own in spans for start, end in own))
