"""Threads that nothing ends but their owner."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds after a round that failed; doubled with each further one
log = logging.getLogger("jobs")


def keep_going(one_round: Callable[[], None], stop: threading.Event, what: str) -> None:
    """Call a function again and again until `stop` is set, whatever it raises.

    Parameters
    ----------
    what : for the log.
    """
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            one_round()
            pause = FIRST_PAUSE
        except Exception:
            log.exception("%s: a round failed; the next begins in %.0f s", what, pause)
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
