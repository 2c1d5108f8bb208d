"""A folder outlives its server's restart: its photos wait for it together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from matting_client.cli.interruption import Interruption
from matting_client.errors import ServerBusy, ServerUnavailable

PAUSE = 0.5  # seconds between two attempts, beside those that the client waits by itself


class Outage:
    """Since when the server has been gone, and whether it is still waited for; safe to use from several threads.

    Parameters
    ----------
    patience : seconds that photos wait, beyond the client's own attempts; 0 does not wait.
    say : prints the one line that tells of it.
    interruption : after which nobody waits.
    """

    def __init__(self, patience: float, say: Callable[[str], None], interruption: Interruption) -> None:
        self._patience = patience
        self._say = say
        self._interruption = interruption
        self._lock = threading.Lock()
        self._since: float | None = None

    def wait(self, error: ServerBusy | ServerUnavailable) -> bool:
        """Pause after an attempt that has failed; whether there is to be another."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                if self._patience:
                    self._say(f"the server is {'busy' if isinstance(error, ServerBusy) else 'gone'}, waiting")
        if self.is_given_up():
            return False
        self._interruption.sleep(PAUSE)
        return not self._interruption.is_set()

    def is_given_up(self) -> bool:
        """Whether photos have waited long enough, so that no further one need be begun."""
        with self._lock:
            return self._since is not None and time.monotonic() - self._since >= self._patience

    def end(self) -> None:
        """The server has answered."""
        with self._lock:
            self._since = None
