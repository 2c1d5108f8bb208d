"""Whether processes have ended that this one has not started."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil


def still_running(processes: Iterable[psutil.Process], seconds: float = 60.0) -> list[psutil.Process]:
    """Those that run after so many seconds at the most.

    The entry of an ended one does not count: who adopts orphans should collect them, but the first process of many a
    container never does.
    """
    left = list(processes)
    end = time.monotonic() + seconds
    while (left := [each for each in left if _runs(each)]) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
