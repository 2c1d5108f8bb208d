"""Folders in which files are made ready before they replace others, gone afterwards even if a process was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def staging_folder(place: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `place`, which is made where it is missing; what killed processes left there goes first.

    A folder in use is locked, and the system unlocks it however its process ends.

    Raises
    ------
    OSError
        Nothing can be written there.
    """
    place.mkdir(parents=True, exist_ok=True)
    for left in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError), _locked(left):  # another process works in it, or has just removed it
            shutil.rmtree(left)
    made = tempfile.TemporaryDirectory(dir=place, prefix=prefix, ignore_cleanup_errors=True)
    with made as folder, _locked(Path(folder)):
        yield Path(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def check_writable(folder: Path) -> None:
    """Make a folder where it is missing, and refuse one that nothing can be written into.

    Raises
    ------
    OSError
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
