"""The folder that `matting watch` waits at: which photos are whole and due, and where failed ones go."""

from __future__ import annotations

import math
import os
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from matting_client.cli.folders import Listing, list_folder
from matting_client.cli.inputs import Found, Job, Photo, pair_with_results
from matting_client.system import cut

FAILED = "failed"  # folder within that of the results
DOUBT = 10  # times `settle` that a photo which fails must not have changed: a copy may have stalled
PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".download")  # names of files that are still being written
State = tuple[int, int]  # a file's size in bytes and date in ns: another one tells that it has changed


@dataclass
class Inbox:
    """A folder whose photos are waited for.

    Parameters
    ----------
    folder, out : where photos come and results go.
    settle : seconds that a file must not have changed.

    Attributes
    ----------
    left_out : lines on what the last look has found first that is not worked on.
    """

    folder: Path
    out: Path
    format: str
    recursive: bool
    settle: float
    left_out: list[str] = field(default_factory=list)
    _listed: list[Path] = field(default_factory=list)  # by the last look
    _jobs: list[Job] = field(default_factory=list)  # of these
    _is_first: bool = True  # look: of what is there, only dates are known
    _seen: dict[Path, tuple[State, float]] = field(default_factory=dict)
    _done: dict[Path, tuple[Path, State]] = field(default_factory=dict)  # the result, and what it was made of
    _stuck: dict[Path, State] = field(default_factory=dict)  # failed, and could not be moved
    _doubted: dict[Path, State] = field(default_factory=dict)  # failed, and may not be whole yet
    _others: dict[tuple[Path, str], float] = field(default_factory=dict)  # left out: when seen first, inf once told
    _is_hidden_told: bool = False

    def due(self, check: Callable[[], None] = lambda: None) -> list[Job]:
        """Whole photos without a result, and those that have changed since theirs was made.

        Parameters
        ----------
        check : called for each file; what it raises ends the look.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        listing = list_folder(self.folder, self.recursive, self.out, check)
        self.left_out = list(self._news(listing).lines(self.folder))
        if listing.photos != self._listed:
            self._listed, self._jobs = listing.photos, self._plan(listing.photos)
        due = []
        for job in self._jobs:
            check()
            if self._is_due(job):
                due.append(job)
        self._is_first = False
        return due

    def _plan(self, paths: list[Path]) -> list[Job]:
        """Every photo and its result; what is known of others, which are gone, is forgotten."""
        photos = [Photo(path, path.parent.relative_to(self.folder)) for path in paths if not _is_partial(path)]
        for known in (self._seen, self._done, self._stuck, self._doubted):
            for path in known.keys() - {photo.path for photo in photos}:
                del known[path]
        return (
            pair_with_results(Found(photos, single=False, left_out=[]), f"{self.out}/", self.format) if photos else []
        )

    def done(self, job: Job) -> None:
        """Take note that a photo that was due has its result: it is due again when it is another than it was then."""
        assert job.source is not None and job.target is not None
        self._done[job.source] = job.target, self._seen[job.source][0]

    def gives_time(self, job: Job) -> float | None:
        """Leave a photo that failed where it is, as it may not be whole yet.

        Returns
        -------
        Seconds from its last change to the next attempt; None when that is over, or the photo has changed since.
        """
        assert job.source is not None
        patience = DOUBT * self.settle
        if not self._is_settled(job.source, self.settle) or self._is_settled(job.source, patience):
            return None
        self._doubted[job.source] = self._seen[job.source][0]
        return patience

    def put_aside(self, job: Job) -> Path | None:
        """Move a photo that failed out of the way; None when it has changed since, and so gets another chance.

        Raises
        ------
        OSError
            It cannot be moved: it stays, and is not due again before it has changed.
        """
        assert job.source is not None
        if not self._is_settled(job.source, self.settle):
            return None
        self._stuck[job.source] = self._seen[job.source][0]
        place = _free(self.out / FAILED / job.source.relative_to(self.folder))
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{cut(place.name)}.part")  # another disk may be full, or end in the middle
        try:
            shutil.move(job.source, part)
            part.rename(place)
        except OSError:
            if job.source.exists():
                part.unlink(missing_ok=True)
            raise
        del self._stuck[job.source]
        return place

    def _is_due(self, job: Job) -> bool:
        assert job.source is not None
        is_settled = self._is_settled(job.source, self.settle)
        if job.source not in self._seen or self._is_done(job) or not is_settled:  # its state counts from the first look
            return False
        state = self._seen[job.source][0]
        if self._doubted.get(job.source) == state and not self._is_settled(job.source, DOUBT * self.settle):
            return False
        return self._stuck.get(job.source) != state

    def _is_done(self, job: Job) -> bool:
        """Whether the result is there, and of the photo as it is.

        Where this process has not made it, dates tell.
        """
        assert job.source is not None and job.target is not None
        if job.clash:  # what is there is another photo's
            return False
        state = self._seen[job.source][0]
        try:
            result = job.target.stat()
            if not stat.S_ISREG(result.st_mode):
                return False
            if self._done.get(job.source, (None,))[0] != job.target:
                if result.st_mtime_ns < self._changed_ns(job.source.stat()):
                    return False
                self._done[job.source] = job.target, state
        except OSError:
            return False
        return self._done[job.source][1] == state

    def _changed_ns(self, photo: os.stat_result) -> int:
        """When a photo was changed; of one that came after the first look when it came, if a copy keeps an older date.

        The date that a photo has may be that of a camera which is ahead; that of its inode is this machine's.
        """
        if os.name == "nt":  # where a file has the date of its making instead
            return photo.st_mtime_ns if self._is_first else max(photo.st_mtime_ns, photo.st_ctime_ns)
        return min(photo.st_mtime_ns, photo.st_ctime_ns) if self._is_first else photo.st_ctime_ns

    def _news(self, listing: Listing) -> Listing:
        """What is left out and was not told before, once it has settled: a file may still grow."""
        now = time.monotonic()
        present: dict[tuple[Path, str], float] = {}

        def is_new(path: Path, kind: str = "") -> bool:
            since = present[path, kind] = self._others.get((path, kind), now)
            if now - since < self.settle:
                return False
            present[path, kind] = math.inf
            return True

        news = Listing(
            no_pictures=[each for each in listing.no_pictures if not _is_partial(each[0]) and is_new(*each)],
            folders=[path for path in listing.folders if is_new(path)],
            unreadable=[each for each in listing.unreadable if is_new(*each)],
            hidden=0 if self._is_hidden_told else listing.hidden,  # copies in work are: those would be told for ever
        )
        self._others = present
        self._is_hidden_told |= listing.hidden > 0
        return news

    def _is_settled(self, path: Path | None, seconds: float) -> bool:
        """Whether a file has been the same for so long; by this process's clock, not by the file's."""
        assert path is not None
        try:
            found = path.stat()
        except OSError:
            return False
        state = (found.st_size, found.st_mtime_ns)
        known = self._seen.get(path)
        if known is None or known[0] != state:
            self._seen[path] = state, time.monotonic()
            return False
        return time.monotonic() - known[1] >= seconds


def _is_partial(path: Path) -> bool:
    return path.suffix.lower() in PARTIAL


def _free(path: Path) -> Path:
    """The path, or with a number in its name if it is taken: cameras give a name again and again."""
    free = path
    number = 2
    while free.exists():
        free = path.with_name(f"{cut(path.stem)}-{number}{path.suffix}")
        number += 1
    return free
