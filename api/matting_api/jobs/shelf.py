"""What lies in a folder of jobs when a process begins, and what in it is ours to remove."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import shutil
import time
from pathlib import Path

from matting_client import OptionError

from matting_api.jobs.job import NOTE, OVER, QUEUED, Job

LOCK, QUEUE = "lock", "data.db"  # either says that a folder is ours; the second is persist-queue's
ID_BYTES = 16
LEAST_SECONDS = 3600.0  # that a result is kept from its end on, however long its job took
# Of 22 letters in base64 the last has 2 bits only, so that hardly any name of a person's looks like an id.
_ID = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")
_OF_SYSTEM = frozenset(("lost+found",))  # an empty disk has it
MOST_TOLD = 5
log = logging.getLogger("jobs")


def new_id() -> str:
    """A job's id, which nobody can guess."""
    return secrets.token_urlsafe(ID_BYTES)


def check_ours(folder: Path) -> None:
    """Refuse a folder in which other things than jobs lie; one that is empty or not there will do.

    Raises
    ------
    OptionError
    """
    try:
        names = {path.name for path in folder.iterdir()} - _OF_SYSTEM
    except FileNotFoundError:
        return
    except OSError as error:
        problem = f"{folder}: {error.strerror}"
        raise OptionError("--jobs-folder", problem=problem, remedy="name another folder") from None
    if names and not names & {LOCK, QUEUE}:
        problem = f"{folder}: got a folder with {len(names)} things that are no jobs, expected an empty one"
        raise OptionError("--jobs-folder", problem=problem, remedy="name a folder for jobs alone")


def lock_folder(folder: Path) -> int:
    """Make a folder this process's own; returns the lock's open file.

    Raises
    ------
    OptionError
        Other things than jobs lie there.
    OSError
        It cannot be used; BlockingIOError where another process has it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_ours(folder)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def load_jobs(folder: Path, kept_seconds: float) -> dict[str, Job]:
    """The jobs in a folder by their names; uploads that were not complete are removed, all else is left.

    Parameters
    ----------
    kept_seconds : from a job's arrival on.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    jobs: dict[str, Job] = {}
    foreign = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_dir():
            continue
        if not _ID.fullmatch(path.name):
            foreign.append(path.name)
        elif (job := _read(path)) is not None:
            _set_age(job, kept_seconds)
            jobs[job.name] = job
    if foreign := [name for name in foreign if name not in _OF_SYSTEM]:
        some = ", ".join(foreign[:MOST_TOLD])
        log.warning("%s: %d folders are no jobs and are left as they are, such as %s", folder, len(foreign), some)
    return jobs


def _read(path: Path) -> Job | None:
    """The job in a folder; None where there is none, or its note cannot be read."""
    try:
        return Job.load(path)
    except FileNotFoundError:  # its upload was not complete
        shutil.rmtree(path, ignore_errors=True)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        log.error("%s: the job cannot be read and is left as it is: %s: %s", path / NOTE, type(error).__name__, error)
    return None


def _set_age(job: Job, kept_seconds: float) -> None:
    """Count a job's time on the clock of this process, whatever the wall clock did in between."""
    left = _left(kept_seconds, job.created)
    if job.state not in OVER:
        job.state = QUEUED
    else:  # its note was written last at its end
        left = max(left, _left(min(kept_seconds, LEAST_SECONDS), (job.folder / NOTE).stat().st_mtime))
    job.until = time.monotonic() + left


def _left(seconds: float, since: float) -> float:
    """Of so many seconds since a moment of the wall clock, what is left."""
    return min(max(0.0, seconds - (time.time() - since)), seconds)
