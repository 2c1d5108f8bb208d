"""The disk on which jobs lie: its free space, whole files on it, and what is said when it fails."""

from __future__ import annotations

import errno
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matting_client import MattingError, OutputError
from matting_client.imaging.encode import write

from matting_api.errors import ApiError, storage_error

FREE_BYTES = 2 * 2**30  # of the disk, that jobs and kept results leave to others
FREE_SHARE = 10  # of a small disk they leave one part in so many: a tmpfs of 2 GiB never has 2 GiB free
log = logging.getLogger("jobs")


class StorageFailed(ApiError):
    """Nothing can be kept on the disk now: 507 where it is full, else 503."""


def disk_failure(error: Exception) -> StorageFailed:
    """What callers are told of an error of the disk; the error itself, which holds paths, goes into the log."""
    log.error("the folder of jobs: %s", error)
    return _answer(_of_system(error))


@contextmanager
def storage_errors() -> Iterator[None]:
    """Around work on the jobs' own files: what the system or the queue raises, as `StorageFailed`."""
    try:
        yield
    except (OSError, sqlite3.Error, OutputError) as error:
        raise disk_failure(error) from None


def check_space(folder: Path, needed: int = 0) -> None:
    """Refuse to fill a disk.

    Parameters
    ----------
    folder : lies on the disk.
    needed : bytes that are about to be written.

    Raises
    ------
    StorageFailed
        Less than `FREE_BYTES`, or the `FREE_SHARE` of a small disk, would be left to others.
    """
    with storage_errors():
        is_roomy = leaves_room(folder, needed)
    if not is_roomy:
        raise _answer(OSError(errno.ENOSPC, ""))


def leaves_room(folder: Path, needed: int) -> bool:
    """Whether so many bytes more leave others enough of the disk. Raises OSError."""
    usage = shutil.disk_usage(folder)
    return usage.free - needed >= min(FREE_BYTES, usage.total // FREE_SHARE)


def write_file(path: Path, data: bytes) -> None:
    """Write a file that is whole or absent. Raises StorageFailed."""
    with storage_errors():
        write(path, data)


def _answer(error: OSError) -> StorageFailed:
    return storage_error(StorageFailed, error, "the server's folder of jobs")


def _of_system(error: Exception) -> OSError:
    """The system's error behind another one, as far as it is known."""
    if isinstance(error, sqlite3.Error):
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return OSError(errno.ENOSPC if full else errno.EIO, "")
    behind = error.__context__ if isinstance(error, MattingError) else error
    return behind if isinstance(behind, OSError) else OSError(errno.EIO, "")
