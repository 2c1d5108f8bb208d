"""Keeps photos and alphas between two moves of a slider, within a bound of memory and time."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from matting_client import Cutout
from matting_client.types import Alpha

from matting_ui.preview import Preview


@dataclass(frozen=True, eq=False)
class Kept:
    """A cutout, its small copy that previews are made from, the photo's name without a suffix, model and source."""

    full: Cutout
    small: Preview
    stem: str
    model: str = ""  # that was asked
    source: str = ""  # stands for the photo and its visitor

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.full.nbytes + self.small.nbytes

    def corrected(self, raw: Alpha) -> Kept:
        """The same photo with another alpha (H, W)."""
        return replace(self, full=replace(self.full, raw=raw), small=self.small.corrected(raw))


class Store:
    """The most recently used cutouts by an unguessable key.

    Parameters
    ----------
    max_bytes : of all of them; the one used longest ago goes first, the newest always stays.
    seconds : a cutout is dropped when it was not used for so long.
    """

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self.seconds = seconds
        self._kept: OrderedDict[str, tuple[float, Kept]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, kept: Kept) -> str:
        """Keep a cutout; returns its key."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[key] = (time.monotonic(), kept)
            self._trim()
        return key

    def replace(self, key: str, kept: Kept) -> bool:
        """Keep another cutout under a key; returns whether there still was one."""
        with self._lock:
            found = key in self._kept
            if found:
                self._kept[key] = (time.monotonic(), kept)
            return found

    def get(self, key: str | None) -> Kept | None:
        """The cutout of a key, None when it is gone."""
        with self._lock:
            self._trim()
            found = self._kept.pop(key, None) if key else None
            if found is None or key is None:
                return None
            self._kept[key] = (time.monotonic(), found[1])
            return found[1]

    def of(self, source: str) -> list[tuple[str, Kept]]:
        """Keys and cutouts of one photo of one visitor, the one used last at the end."""
        with self._lock:
            self._trim()
            return [(key, kept) for key, (_, kept) in self._kept.items() if kept.source == source]

    def drop(self, key: str | None) -> None:
        """Forget a cutout."""
        with self._lock:
            self._kept.pop(key or "", None)

    def sweep(self) -> None:
        """Drop what is past its time, though nobody asks."""
        with self._lock:
            self._trim()

    def _trim(self) -> None:
        oldest_allowed = time.monotonic() - self.seconds
        size = sum(kept.nbytes for _, kept in self._kept.values())
        while self._kept:
            used, kept = next(iter(self._kept.values()))
            if used >= oldest_allowed and (size <= self._max_bytes or len(self._kept) == 1):
                return
            self._kept.popitem(last=False)
            size -= kept.nbytes
