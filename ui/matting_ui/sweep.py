"""Removes what visitors left behind, whoever wrote it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from anyio import to_thread
from matting_client.system import give_memory_back

from matting_ui.store import Store

EVERY_SECONDS = 60.0


async def keep_sweeping(folder: Path, store: Store) -> None:
    """Remove files and kept cutouts past their time, and give free memory back, now and then, until cancelled."""
    while True:
        await to_thread.run_sync(sweep, folder, store.seconds)
        await to_thread.run_sync(store.sweep)
        await to_thread.run_sync(give_memory_back)
        await asyncio.sleep(EVERY_SECONDS)


def sweep(folder: Path, seconds: float) -> None:
    """Remove files below a folder that were written longer ago than `seconds`, and the folders that this empties."""
    oldest = time.time() - seconds
    for path in sorted(folder.rglob("*"), reverse=True):  # what a folder holds comes before it
        with suppress(OSError):  # gone already, or a folder that is not empty
            if path.lstat().st_mtime < oldest:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
