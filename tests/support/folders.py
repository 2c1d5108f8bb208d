"""Folders that others remove while somebody looks into them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def coming_and_going(top: Path) -> Iterator[None]:
    """A folder with two more in each other, which a thread makes and removes again and again."""
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            (top / "upload" / "digest").mkdir(parents=True)
            shutil.rmtree(top)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(come_and_go)
        try:
            yield
        finally:
            ended.set()
        other.result()
