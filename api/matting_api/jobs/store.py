"""Jobs of one kind: a folder for each, and a queue on disk that forgets none when the process is killed."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matting_client import OptionError
from persistqueue import Empty, SQLiteAckQueue
from persistqueue.serializers import json as json_serializer

from matting_api.errors import ApiError, as_reason, no_such_job, too_many_jobs
from matting_api.jobs import disk
from matting_api.jobs.job import DONE, FAILED, OVER, WORKING, Cancelled, Job
from matting_api.jobs.rounds import keep_going
from matting_api.jobs.shelf import LEAST_SECONDS, load_jobs, lock_folder, new_id
from matting_api.tempdir import private_folder

POLL_SECONDS = 0.5  # between looks at whether it is time to end
TIDY_SECONDS = 60.0  # between looks at what is past its time
AGAIN_SECONDS = 10.0  # until an end that could not be written down is tried again
MOST_STARTS = 5  # of a job that ends the process again and again and does not get on
log = logging.getLogger("jobs")


@dataclass
class _Ended:
    """A job that is over, or gone, and its place in the queue; `again`: `time.monotonic()` for the next attempt."""

    job: Job | None
    place: int
    again: float = 0.0


class JobStore:
    """The jobs of one kind, worked on one after the other.

    Parameters
    ----------
    folder : where they lie, for this process alone; what was not done is taken up again. None for a private temporary
        folder, with which they end.
    most : jobs, those among them that wait to be fetched.
    kept_seconds : from a job's arrival on; one that waits or is worked on stays.
    work : does a job; raises `Cancelled` soon after `job.stop` is set, and ApiError or MattingError when it fails.
    over : told of every job that is over, at least once.
    clear : removes what nobody fetches of a job that is over; may be called several times.

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
        clear: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self._most, self.kept_seconds = most, kept_seconds
        self._work, self._over, self._clear = work, over, clear
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._ended: list[_Ended] = []
        self._house = ExitStack()
        self._closing = threading.Event()
        self._queue: SQLiteAckQueue | None = None
        self._folder: Path | None = None
        self._threads: list[threading.Thread] = []
        if folder is not None:
            self._open_given(folder)

    def new_folder(self) -> Path:
        """A folder for a job's files.

        Raises
        ------
        ApiError
            503: as many jobs are here as may be, or the disk cannot be used; 507: it is nearly full.
        """
        self.expire()
        with self._lock:
            self._check_places()
            if self._folder is None:
                self._open_private()
            assert self._folder is not None
            folder = self._folder / new_id()
        disk.check_space(folder.parent)
        with disk.storage_errors():
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
        ApiError
            As of `new_folder`; the job is not queued.
        """
        job = Job(folder.name, folder, order, total, mark, until=time.monotonic() + self.kept_seconds)
        job.save()
        with self._lock:
            if twin := self._marked(mark):
                shutil.rmtree(folder, ignore_errors=True)
                return twin
            self._check_places()
            assert self._queue is not None
            with disk.storage_errors():
                self._queue.put(job.name)  # whoever takes it out looks for the job, and waits for the lock
            self._jobs[job.name] = job
        return job

    def _marked(self, mark: str) -> Job | None:
        return next((job for job in self._jobs.values() if mark and job.mark == mark), None)

    def _check_places(self) -> None:
        if len(self._jobs) >= self._most:
            now = time.monotonic()
            raise too_many_jobs(self._most, [job.until - now for job in self._jobs.values() if job.state in OVER])

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
        raise no_such_job()

    def remove(self, name: str) -> None:
        """Cancel a job, or forget its result. Raises ApiError as of `get`."""
        self.get(name)
        self._forget(name)

    def expire(self) -> None:
        """Remove what is over and past its time."""
        now = time.monotonic()
        with self._lock:
            old = [name for name, job in self._jobs.items() if job.state in OVER and job.until < now]
        for name in old:
            self._forget(name)

    def count(self, state: str) -> int:
        """How many jobs are in a state."""
        return sum(job.state == state for job in list(self._jobs.values()))

    def close(self) -> None:
        """Stop; jobs in a folder of their own are taken up again by the next process."""
        self._closing.set()
        for job in list(self._jobs.values()):
            job.stop.set()
        for thread in self._threads:
            thread.join()
        self._house.close()

    def _open_given(self, folder: Path) -> None:
        try:
            with ExitStack() as stack:
                self._open(folder, stack)
        except OptionError:
            raise
        except (OSError, sqlite3.Error, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if isinstance(error, BlockingIOError):
                reason = "is in use by another server"
            raise OptionError("--jobs-folder", problem=f"{folder}: {reason}", remedy="name another folder") from None

    def _open_private(self) -> None:
        try:
            with ExitStack() as stack:
                self._open(stack.enter_context(private_folder()), stack)
        except (OSError, sqlite3.Error, OptionError) as error:
            raise disk.disk_failure(error) from None

    def _open(self, folder: Path, stack: ExitStack) -> None:
        """Take a folder up, and begin; what fails leaves nothing open."""
        stack.callback(os.close, lock_folder(folder))
        # What a killed process had begun is the queue's again.
        queue = SQLiteAckQueue(str(folder), multithreading=True, serializer=json_serializer)
        self._jobs = load_jobs(folder, self.kept_seconds)
        waiting = {entry["data"] for entry in queue.queue()}
        for job in sorted(self._jobs.values(), key=lambda each: each.created):
            if job.state not in OVER and job.name not in waiting:
                queue.put(job.name)  # the process was killed between its note and its place in the queue
        for name, each in (("jobs' time", self._tidy), ("jobs", partial(self._round, queue))):
            thread = threading.Thread(target=keep_going, args=(each, self._closing, name), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._queue, self._folder = queue, folder
        self._house.enter_context(stack.pop_all())

    def _tidy(self) -> None:
        if not self._closing.wait(TIDY_SECONDS):
            self.expire()

    def _round(self, queue: SQLiteAckQueue) -> None:
        """Do the next job, if there is one."""
        self._settle(queue)
        try:
            item = queue.get(block=False, raw=True)
        except Empty:
            queue.put_event.wait(POLL_SECONDS)  # the queue's own wait follows the wall clock
            queue.put_event.clear()
            return
        with self._lock:
            job = self._jobs.get(item["data"])
        if job is not None:
            self._do(job)
        if job is None or job.state in OVER or not self._is_here(job):  # else the next process goes on with it
            self._ended.append(_Ended(job, item["pqid"]))
            self._settle(queue)

    def _settle(self, queue: SQLiteAckQueue) -> None:
        """Write down which jobs are over; where that fails it is tried again, and holds up no other job."""
        for ended in [each for each in self._ended if each.again <= time.monotonic()]:
            try:
                if ended.job is not None:
                    self._end(ended.job)
                queue.ack(id=ended.place)
                queue.clear_acked_data(keep_latest=0)
                self._ended.remove(ended)
            except Exception as error:
                log.error("a job's end cannot be written down now: %s", error, exc_info=not ended.again)
                ended.again = time.monotonic() + AGAIN_SECONDS

    def _do(self, job: Job) -> None:
        """Work on a job, unless that was done before the process was killed."""
        if job.state in OVER:
            return
        try:
            self._begin(job)
            self._work(job)
            state = DONE
        except Cancelled:
            job.starts -= 1  # it did not end the process
            if self._is_here(job):
                job.save()
            return
        except Exception as error:
            job.error, state = as_reason(error), FAILED
            log.warning("job %s failed: %s", job.name, job.error["detail"])
        job.until = max(job.until, time.monotonic() + min(self.kept_seconds, LEAST_SECONDS))
        job.state = state

    def _begin(self, job: Job) -> None:
        job.starts += 1
        if job.starts > MOST_STARTS:
            detail = f"the server ended {MOST_STARTS} times while it worked on this job, which did not get on"
            raise ApiError(500, "internal_error", "Internal error", detail)
        job.started, job.state = time.monotonic(), WORKING
        job.save()

    def _end(self, job: Job) -> None:
        """Write down that a job is over, unless nobody wants to know."""
        if self._is_here(job):
            job.save()
            if not job.told:
                self._over(job)
                job.told = True
            self._clear(job)
        if not self._is_here(job):  # also where it was forgotten meanwhile
            shutil.rmtree(job.folder, ignore_errors=True)

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
