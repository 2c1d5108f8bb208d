"""Removes what visitors left behind, whoever wrote it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from anyio import to_thread
from matting_client.system import give_memory_back

from matting_ui.gradio_patches import forget_progress
from matting_ui.store import Store

EVERY_SECONDS = 60.0


async def keep_sweeping(folder: Path, store: Store, waiting: Callable[[], list[Path]]) -> None:
    """Remove files and kept cutouts past their time, and give free memory back, now and then, until cancelled.

    What calls that are `waiting` will work on stays.
    """
    broom = Broom(folder, store.seconds)
    while True:
        freshen(*await to_thread.run_sync(waiting))
        await to_thread.run_sync(broom.sweep)
        await to_thread.run_sync(store.sweep)
        await to_thread.run_sync(give_memory_back)
        forget_progress()
        await asyncio.sleep(EVERY_SECONDS)


class Broom:
    """Removes files below a folder that have been there for `seconds`, and the folders that this empties.

    A file's age counts from when it was first seen as it is now, on a clock that nobody sets: the machine's date may
    jump, and no fresh upload goes with it.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._seen: dict[Path, tuple[int, float]] = {}  # what tells a change, and when that was first seen

    def sweep(self) -> None:
        """Look at all files, and remove those past their time."""
        now = time.monotonic()
        seen: dict[Path, tuple[int, float]] = {}
        for path in _below(self._folder):
            with suppress(OSError):  # gone already, or a folder that is not empty
                changed = path.lstat().st_mtime_ns
                before = self._seen.get(path)
                since = before[1] if before is not None and before[0] == changed else now
                seen[path] = changed, since
                if now - since >= self._seconds:
                    _remove(path)
        self._seen = seen


def freshen(*places: Path) -> None:
    """Let the time of files and folders, and of all below them, begin anew: they are still worked with."""
    for place in places:
        for path in (place, *_below(place)):
            with suppress(OSError):
                os.utime(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()


def _below(folder: Path) -> Iterator[Path]:
    """All that a folder holds, what is in a folder before the folder itself; others may remove things meanwhile."""
    for where, folders, files in os.walk(folder, topdown=False):
        yield from (Path(where, name) for name in (*files, *folders))
