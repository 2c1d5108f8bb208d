"""The folder that `matting watch` waits at: which photos are whole and due, and where failed ones go."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from matting_client.cli.folders import list_folder
from matting_client.cli.inputs import Found, Job, Photo, plan

FAILED = "failed"  # folder within that of the results
PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".download")  # names of files that are still being written


@dataclass
class Inbox:
    """A folder whose photos are waited for.

    Parameters
    ----------
    folder, out : where photos come and results go.
    settle : seconds that a file must not have changed.
    """

    folder: Path
    out: Path
    format: str
    recursive: bool
    settle: float
    _seen: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)
    _stuck: dict[Path, tuple[int, int]] = field(default_factory=dict)  # failed, and could not be moved

    def due(self) -> list[Job]:
        """Whole photos without a result.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        listing = list_folder(self.folder, self.recursive, self.out)
        paths = [path for path in listing.photos if path.suffix.lower() not in PARTIAL]
        self._seen = {path: seen for path, seen in self._seen.items() if path in paths}
        photos = [Photo(path, path.parent.relative_to(self.folder)) for path in paths]
        if not photos:
            return []
        jobs = plan(Found(photos, single=False, left_out=[]), f"{self.out}/", self.format)
        return [job for job in jobs if self._is_due(job)]

    def put_aside(self, job: Job) -> Path | None:
        """Move a photo that failed out of the way; None when it has changed since, and so gets another chance.

        Raises
        ------
        OSError
            It cannot be moved: it stays, and is not due again before it has changed.
        """
        assert job.source is not None
        if not self._is_settled(job.source):
            return None
        self._stuck[job.source] = self._seen[job.source][0]
        place = _free(self.out / FAILED / job.source.relative_to(self.folder))
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{place.name[:200]}.part")  # another disk may be full, or end in the middle
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
        if not self._is_settled(job.source) or _is_done(job):
            return False
        return self._stuck.get(job.source) != self._seen[job.source][0]

    def _is_settled(self, path: Path | None) -> bool:
        """Whether a file has been the same for long enough; by this process's clock, not by the file's."""
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
        return time.monotonic() - known[1] >= self.settle


def _is_done(job: Job) -> bool:
    assert job.source is not None and job.target is not None
    try:
        return job.target.stat().st_mtime_ns >= job.source.stat().st_mtime_ns
    except OSError:
        return False


def _free(path: Path) -> Path:
    """The path, or with a number in its name if it is taken: cameras give a name again and again."""
    free, number = path, 2
    while free.exists():
        free, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return free
