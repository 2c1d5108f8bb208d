"""The private folder of uploads and results: gone when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matting_client import OptionError
from matting_client.serving import temporary_folder

PREFIX = "unet-matting-page-"
UNLOCKED_SECONDS = 60.0  # longer than it takes to lock a new folder


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that only this user reads; those of processes that were killed are removed first.

    A folder is locked as long as its process lives, and the lock vanishes with the process.

    Raises
    ------
    OptionError
        No temporary folder can be written to.
    """
    try:
        folder, lock = _new_folder()
    except OSError as error:
        where = os.environ.get("TMPDIR", "/tmp")
        reason = error.strerror or str(error)
        raise OptionError(
            f"TMPDIR={where}", problem=f"cannot be written to ({reason})", remedy="name another folder in TMPDIR"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _new_folder() -> tuple[Path, int]:
    """A new folder, and its lock's open file."""
    root = temporary_folder().resolve()
    for old in root.glob(f"{PREFIX}*"):
        _remove_if_orphan(old)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            os.close(lock)
            raise
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, lock


def _remove_if_orphan(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return  # gone meanwhile, or not ours
    try:
        status = os.fstat(handle)
        if status.st_uid == os.getuid() and time.time() - status.st_mtime > UNLOCKED_SECONDS:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        pass  # its process lives
    finally:
        os.close(handle)
