"""Results that are also kept in a folder, where the owner of the server asks for it with `--outputs`."""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from matting_client import OptionError
from matting_ui.filenames import portable

from matting_api.jobs.disk import leaves_room

SWEEP_SECONDS = 600.0  # between two looks for what is too old
TOLD_SECONDS = 60.0  # between two lines of the log about results that cannot be kept, of which there may be hundreds
ROOMY = 0.9  # of the bytes that may be there, after the oldest were removed
# What is removed when its time is over: files named by `new_name`, and what a process that was killed was writing.
_OURS = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}-.+", re.DOTALL)
_PART_OF_OURS = re.compile(r"\.matting-output-[0-9a-f]{16}\.part")
_PART_SECONDS = 3600.0
log = logging.getLogger("outputs")


class Outputs:
    """A folder of results, named by their time and their photo, of which the oldest go.

    Only files that bear such a name are counted and removed; whatever else lies in the folder stays.

    Parameters
    ----------
    folder : made if it does not exist.
    most_bytes : of all results; the oldest give way.
    most_seconds : a result is removed when it is older, by the machine's date.
    count : told of every result whether it was kept.

    Raises
    ------
    OptionError
        The folder cannot be made or written to.
    """

    def __init__(self, folder: Path, most_bytes: int, most_seconds: float, count: Callable[[bool], None]) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._count = count
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._lost, self._told = 0, -math.inf  # results since the last line about them, and when that was
        self._mode = _checked(folder)
        self._bytes = self._sweep()
        self._sweeper = threading.Thread(target=self._keep_sweeping, name="outputs", daemon=True)
        self._sweeper.start()

    def keep(self, data: bytes, stem: str, ending: str) -> None:
        """Keep a result; one that cannot be kept is logged and counted, for its caller gets it all the same.

        Parameters
        ----------
        data : the file's bytes.
        stem : of the photo's name, as a stranger gave it.
        ending : of ours: "-cutout.png".
        """
        self._keep(stem, ending, lambda part: _write(part, data), lambda: len(data))

    def keep_file(self, path: Path) -> None:
        """Keep a copy of a file, as `keep` does."""
        self._keep(path.stem, path.suffix, lambda part: _copy(path, part), lambda: path.stat().st_size)

    def close(self) -> None:
        """Stop looking for what is too old."""
        self._stop.set()
        self._sweeper.join()

    def _keep(self, stem: str, ending: str, write: Callable[[Path], None], measure: Callable[[], int]) -> None:
        part = _new_part(self._folder)
        try:
            if not leaves_room(self._folder, measure()):  # for uploads and jobs, which may lie on the same disk
                raise OSError(errno.ENOSPC, "the disk is nearly full, and the rest is for uploads and jobs")
            write(part)
            part.chmod(self._mode)
            size = part.stat().st_size
            part.rename(self._folder / new_name(stem, ending))  # when it is whole
        except OSError as error:
            self._tell(error.strerror or str(error))
            self._count(False)
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return
        self._count(True)
        with self._lock:
            self._bytes += size
            if self._bytes > self._most_bytes:
                self._try_to_sweep()

    def _tell(self, reason: str) -> None:
        """Log that a result cannot be kept, unless that was said just now."""
        now = time.monotonic()
        with self._lock:
            self._lost += 1
            if now < self._told + TOLD_SECONDS:
                return
            lost, self._lost, self._told = self._lost, 0, now
        more = f", {lost} since the last such line" if lost > 1 else ""
        log.error("%s: a result cannot be kept (%s)%s", self._folder, reason, more)

    def _keep_sweeping(self) -> None:
        while not self._stop.wait(SWEEP_SECONDS):
            with self._lock:
                self._try_to_sweep()

    def _try_to_sweep(self) -> None:
        """Sweep; a folder that cannot be read now is looked at again the next time."""
        try:
            self._bytes = self._sweep()
        except OSError as error:
            log.error("%s: cannot be looked through for old results (%s)", self._folder, error.strerror or error)

    def _sweep(self) -> int:
        """Remove what is too old or too much; returns the bytes of what stays."""
        now = time.time()
        kept: list[tuple[float, int, Path]] = []
        for path, status in _results(self._folder):
            too_old = now - status.st_mtime > self._most_seconds
            is_part = bool(_PART_OF_OURS.fullmatch(path.name))
            if too_old or (is_part and now - status.st_mtime > _PART_SECONDS):
                _remove(path)
            elif not is_part:
                kept.append((status.st_mtime, status.st_size, path))
        kept.sort(reverse=True)
        total = sum(size for _, size, _ in kept)
        # Room for more, lest every result be followed by a look at all of them.
        most = self._most_bytes if total <= self._most_bytes else ROOMY * self._most_bytes
        while total > most and len(kept) > 1:  # the newest always stays
            _, size, path = kept.pop()
            _remove(path)
            total -= size
        return total


def new_name(stem: str, ending: str) -> str:
    """A name that no other result has, and that every system takes: 20261128-064501-1f2e3d4c-portrait-cutout.png."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{moment}-{secrets.token_hex(4)}-{portable(stem, ending)}"


def _new_part(folder: Path) -> Path:
    return folder / f".matting-output-{secrets.token_hex(8)}.part"


def _checked(folder: Path) -> int:
    """The mode of files in a folder that can be written to: whoever reads the folder reads them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _new_part(folder)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OptionError(
            "--outputs",
            problem=f"{folder} cannot be written to by user {os.getuid()} ({error.strerror})",
            remedy=f"give the folder to that user (chown {os.getuid()}) or leave --outputs out",
        ) from None
    return stat.S_IMODE(folder.stat().st_mode) & 0o666


def _results(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """Files of ours in a folder, links never."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name) or _PART_OF_OURS.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # another process of ours was quicker
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found.append((Path(entry.path), status))
    return found


def _write(part: Path, data: bytes) -> None:
    with part.open("xb") as file:
        file.write(data)


def _copy(source: Path, part: Path) -> None:
    with source.open("rb") as origin, part.open("xb") as file:
        shutil.copyfileobj(origin, file)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.error("%s: cannot be removed (%s)", path, error.strerror)
