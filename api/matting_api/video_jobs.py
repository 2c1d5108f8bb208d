"""Clips that are cut out in the background: one at a time, a few waiting, results kept for an hour."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from matting_client import MattingError, Options, ServerBusy
from matting_client.video.background import Background
from matting_client.video.pipeline import Plan
from matting_client.video.reader import VideoFile

from matting_api.errors import ApiError, bad_request
from matting_api.tempdir import private_folder

MOST_JOBS = 8  # in the house, results that wait to be fetched among them
MOST_FRAMES = 20_000  # of a clip: 11 minutes at 30 a second
KEPT_SECONDS = 3600.0  # from the upload on
QUEUED, WORKING, DONE, FAILED, CANCELLED = "queued", "working", "done", "failed", "cancelled"


class Cancelled(Exception):
    """Nobody wants the result any more."""


@dataclass(frozen=True)
class Order:
    """What a visitor wants of a clip: `suffix` is .webm, .mov or .mp4."""

    suffix: str
    options: Options
    background: Background


@dataclass
class VideoJob:
    """A clip on its way.

    Attributes
    ----------
    frames : how many there are, as far as is known.
    done : how many are cut out.
    error : why it failed.
    """

    name: str
    folder: Path
    order: Order
    frames: int | None
    state: str = QUEUED
    done: int = 0
    error: MattingError | None = None
    created: float = field(default_factory=time.time)
    started: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def source(self) -> Path:
        """The uploaded clip."""
        return self.folder / "source"

    @property
    def result(self) -> Path:
        """The result, once it is complete."""
        return self.folder / f"cutout{self.order.suffix}"

    @property
    def rate(self) -> float | None:
        """Frames a second so far."""
        if not self.started or not self.done:
            return None
        return self.done / max(1e-3, time.time() - self.started)


class VideoJobs:
    """The clips of one process.

    Parameters
    ----------
    convert : makes the file of a clip and calls back after every frame; see `Service.make_clip`.
    """

    def __init__(self, convert: Callable[[Plan, Path, Callable[[], None]], None]) -> None:
        self._convert = convert
        self._lock = threading.Lock()
        self._jobs: dict[str, VideoJob] = {}
        self._pool = ThreadPoolExecutor(1, "video")
        self._house = ExitStack()
        self._folder: Path | None = None

    def new_folder(self) -> Path:
        """A folder for an upload, in the process's private one.

        Raises
        ------
        ServerBusy
            As many clips are here as may be.
        """
        self.expire()
        with self._lock:
            if len(self._jobs) >= MOST_JOBS:
                raise ServerBusy("", f"{MOST_JOBS + 1} clips at once", f"at most {MOST_JOBS}", "try again later")
            if self._folder is None:
                self._folder = self._house.enter_context(private_folder())
            folder = self._folder / secrets.token_urlsafe(16)
        folder.mkdir()
        return folder

    def add(self, folder: Path, order: Order) -> VideoJob:
        """Queue the clip that lies in a folder as `source`.

        Raises
        ------
        InputError, ApiError
            It cannot be used; its folder is removed.
        """
        try:
            clip = VideoFile(folder / "source", name="video_file").clip
            if clip.count is not None and clip.count > MOST_FRAMES:
                detail = f"got about {clip.count} frames, expected at most {MOST_FRAMES}; send a part of the clip"
                raise ApiError(413, "file_too_large", "Clip too long", detail)
            job = VideoJob(folder.name, folder, order, clip.count)
            with self._lock:
                if len(self._jobs) >= MOST_JOBS:
                    raise ServerBusy("", f"{MOST_JOBS + 1} clips at once", MOST_JOBS, "try again later")
                self._jobs[job.name] = job
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._pool.submit(self._work, job).add_done_callback(_raise_unexpected)
        return job

    def get(self, name: str) -> VideoJob:
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
        raise ApiError(404, "not_found", "No such clip", "got an id of no clip here; results are kept for an hour")

    def remove(self, name: str) -> None:
        """Cancel a job, or forget its result. Raises ApiError as of `get`."""
        self.get(name)
        self._forget(name)

    def expire(self) -> None:
        """Remove what is older than an hour."""
        limit = time.time() - KEPT_SECONDS
        with self._lock:
            old = [name for name, job in self._jobs.items() if job.created < limit]
        for name in old:
            self._forget(name)

    def _forget(self, name: str) -> None:
        with self._lock:
            job = self._jobs.pop(name, None)
        if job is not None:
            job.stop.set()
            if job.state != WORKING:  # else whoever works on it does so
                shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """Stop everything and remove the files."""
        with self._lock:
            jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            job.stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._house.close()

    def _work(self, job: VideoJob) -> None:
        if job.stop.is_set():
            shutil.rmtree(job.folder, ignore_errors=True)
            return
        job.started, job.state = time.time(), WORKING

        def step() -> None:
            job.done += 1
            if job.stop.is_set():
                raise Cancelled
            if job.done > MOST_FRAMES:
                raise bad_request(
                    "invalid_parameter", "Clip too long", f"got more than {MOST_FRAMES} frames; send a part"
                )

        try:
            plan = Plan(VideoFile(job.source, name="video_file"), job.order.options, job.order.background)
            self._convert(plan, job.result, step)
            job.state = DONE
            job.source.unlink(missing_ok=True)
        except Cancelled:
            job.state = CANCELLED
        except MattingError as error:
            job.error, job.state = error, FAILED
        except ApiError as error:
            job.error, job.state = MattingError("", problem=error.detail), FAILED
        if job.stop.is_set():
            shutil.rmtree(job.folder, ignore_errors=True)


def _raise_unexpected(future: Future[None]) -> None:
    if not future.cancelled():
        future.result()


def seconds_left(job: VideoJob) -> float | None:
    """Seconds until a job is done, at its rate so far."""
    rate = job.rate
    if job.state != WORKING or rate is None or job.frames is None:
        return None
    return max(0, job.frames - job.done) / rate
