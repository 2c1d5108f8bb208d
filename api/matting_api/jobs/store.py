"""Jobs of one kind: a folder for each, and a queue on disk that forgets none when the process is killed."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from matting_client import OptionError, ServerBusy
from persistqueue import Empty, SQLiteAckQueue
from persistqueue.serializers import json as json_serializer

from matting_api.errors import ApiError, as_reason, of_storage
from matting_api.jobs.job import DONE, FAILED, NOTE, OVER, QUEUED, WORKING, Cancelled, Job
from matting_api.tempdir import private_folder

POLL_SECONDS = 0.5  # between looks at whether it is time to end
FREE_BYTES = 2 * 2**30  # of the disk, that new jobs leave to others
MOST_STARTS = 5  # of a job that ends the process again and again and does not get on
log = logging.getLogger("jobs")


class JobStore:
    """The jobs of one kind, worked on one after the other.

    Parameters
    ----------
    folder : where they lie, for this process alone; what was not done is taken up again. None for a private temporary
        folder, with which they end.
    most : jobs, those among them that wait to be fetched.
    kept_seconds : from a job's arrival on.
    work : does a job; raises `Cancelled` soon after `job.stop` is set, and ApiError or MattingError when it fails.
    over : told of every job that is over, at least once.

    Raises
    ------
    OptionError
        The folder cannot be used.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        most: int,
        kept_seconds: float,
        work: Callable[[Job], None],
        over: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self._most, self.kept_seconds, self._work, self._over = most, kept_seconds, work, over
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._house = ExitStack()
        self._closing = threading.Event()
        self._queue: SQLiteAckQueue | None = None
        self._folder: Path | None = None
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        if folder is not None:
            self._open(folder)

    def new_folder(self) -> Path:
        """A folder for a job's files.

        Raises
        ------
        ServerBusy
            As many jobs are here as may be.
        ApiError
            507: the disk is nearly full.
        """
        self.expire()
        with self._lock:
            if len(self._jobs) >= self._most:
                raise ServerBusy("", f"{self._most + 1} jobs at once", f"at most {self._most}", "try again later")
            if self._folder is None:
                self._open(self._house.enter_context(private_folder()))
            assert self._folder is not None
            folder = self._folder / secrets.token_urlsafe(16)
        if shutil.disk_usage(folder.parent).free < FREE_BYTES:
            raise of_storage(OSError(errno.ENOSPC, ""))
        folder.mkdir(mode=0o700)
        return folder

    def find(self, mark: str) -> Job | None:
        """The job that was sent with this mark; None for "", or without one."""
        with self._lock:
            return self._marked(mark)

    def add(self, folder: Path, order: dict[str, Any], total: int | None, mark: str = "") -> Job:
        """Queue the job whose files lie in a folder of `new_folder`, unless there is one with the same mark.

        Raises
        ------
        ServerBusy
            As of `new_folder`.
        """
        job = Job(folder.name, folder, order, total, mark)
        job.save()
        with self._lock:
            if twin := self._marked(mark):
                shutil.rmtree(folder, ignore_errors=True)
                return twin
            if len(self._jobs) >= self._most:
                raise ServerBusy("", f"{self._most + 1} jobs at once", f"at most {self._most}", "try again later")
            self._jobs[job.name] = job
        assert self._queue is not None
        self._queue.put(job.name)
        return job

    def _marked(self, mark: str) -> Job | None:
        return next((job for job in self._jobs.values() if mark and job.mark == mark), None)

    def get(self, name: str) -> Job:
        """A job by its name.

        Raises
        ------
        ApiError
            There is none, or its time is over.
        """
        self.expire()
        with self._lock:
            if name in self._jobs:
                return self._jobs[name]
        raise ApiError(404, "not_found", "No such job", "got an id of no job here; results are kept for a time only")

    def remove(self, name: str) -> None:
        """Cancel a job, or forget its result. Raises ApiError as of `get`."""
        self.get(name)
        self._forget(name)

    def expire(self) -> None:
        """Remove what is past its time."""
        limit = time.time() - self.kept_seconds
        with self._lock:
            old = [name for name, job in self._jobs.items() if job.created < limit]
        for name in old:
            self._forget(name)

    def close(self) -> None:
        """Stop; jobs in a folder of their own are taken up again by the next process."""
        self._closing.set()
        for job in list(self._jobs.values()):
            job.stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._house.close()

    def _open(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._house.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            reason = "is in use by another server" if isinstance(error, BlockingIOError) else f"{error.strerror}"
            raise OptionError("--jobs-folder", problem=f"{folder}: {reason}", remedy="name another folder") from None
        self._folder = folder
        # What a killed process had begun is the queue's again.
        self._queue = SQLiteAckQueue(str(folder), multithreading=True, serializer=json_serializer)
        self._load(folder, self._queue)
        self._thread.start()

    def _load(self, folder: Path, queue: SQLiteAckQueue) -> None:
        for path in folder.iterdir():
            if path.is_dir():
                try:
                    job = Job(path.name, path, **json.loads((path / NOTE).read_bytes()))
                except (OSError, ValueError, TypeError):  # its upload was not complete
                    shutil.rmtree(path, ignore_errors=True)
                    continue
                if job.state not in OVER:
                    job.state = QUEUED
                self._jobs[job.name] = job
        waiting = {entry["data"] for entry in queue.queue()}
        for job in sorted(self._jobs.values(), key=lambda each: each.created):
            if job.state not in OVER and job.name not in waiting:
                queue.put(job.name)  # the process was killed between its note and its place in the queue

    def _run(self) -> None:
        queue = self._queue
        assert queue is not None
        while not self._closing.is_set():
            try:
                item = queue.get(timeout=POLL_SECONDS, raw=True)
            except Empty:
                continue
            with self._lock:
                job = self._jobs.get(item["data"])
            if job is not None:
                self._do(job)
            if job is None or job.state in OVER or not self._closing.is_set():
                queue.ack(id=item["pqid"])
                queue.clear_acked_data(keep_latest=0)

    def _do(self, job: Job) -> None:
        """Work on a job, unless that was done before the process was killed."""
        try:
            if job.state not in OVER:
                self._begin(job)
                self._work(job)
                job.state = DONE
        except Cancelled:
            job.starts -= 1  # it did not end the process
            if self._is_here(job):
                job.save()
        except Exception as error:
            job.error, job.state = as_reason(error), FAILED
        if self._is_here(job) and job.state in OVER:
            job.save()
            self._over(job)
        elif not self._is_here(job):
            shutil.rmtree(job.folder, ignore_errors=True)

    def _begin(self, job: Job) -> None:
        job.starts += 1
        if job.starts > MOST_STARTS:
            detail = f"the server ended {MOST_STARTS} times while it worked on this job, which did not get on"
            raise ApiError(500, "internal_error", "Internal error", detail)
        job.started, job.state = time.time(), WORKING
        job.save()

    def _is_here(self, job: Job) -> bool:
        with self._lock:
            return self._jobs.get(job.name) is job

    def _forget(self, name: str) -> None:
        with self._lock:
            job = self._jobs.pop(name, None)
        if job is not None:
            job.stop.set()
            if job.state != WORKING:  # else whoever works on it does so
                shutil.rmtree(job.folder, ignore_errors=True)
