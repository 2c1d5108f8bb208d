"""What there is of a job: segments of encoded frames in a folder beside the result."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from matting_client.errors import OutputError
from matting_client.system import cut

log = logging.getLogger("video")


@dataclass(frozen=True)
class Segment:
    """Encoded frames, their ticks, and the state behind them."""

    video: Path
    ticks: Path
    state: Path

    def read_ticks(self) -> list[int]:
        """The frames' ticks."""
        ticks: list[int] = json.loads(self.ticks.read_text(encoding="utf-8"))
        return ticks


class Workplace:
    """The folder of a job's segments; another job's remains are removed. A context manager, as only one may work there.

    Parameters
    ----------
    target : the result.
    key : everything that the bytes depend on.

    Raises
    ------
    OutputError
        It cannot be written, or another process is at work on it.
    """

    def __init__(self, target: Path, key: dict[str, Any]) -> None:
        self.folder = target.with_name(f".{cut(target.name)}.matting")
        self._suffix = target.suffix.lower()
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        sign = self.folder / "job"
        try:
            self._place = _locked(self.folder)
            if not sign.is_file() or sign.read_text(encoding="ascii") != digest:
                for path in self.folder.iterdir():
                    path.unlink()
                sign.write_text(digest, encoding="ascii")
        except BlockingIOError:
            raise OutputError(
                target, problem="another command is at work on it", remedy="wait for it, or write elsewhere"
            ) from None
        except OSError as error:
            raise OutputError(
                target, problem=f"cannot be written ({error.strerror})", remedy="write elsewhere"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._place)  # and with it the lock

    def segment(self, number: int) -> Segment:
        """The files of a segment."""
        stem = f"{number:06d}"
        return Segment(*(self.folder / f"{stem}{suffix}" for suffix in (self._suffix or ".end", ".json", ".npz")))

    def complete(self) -> list[Segment]:
        """Segments that are there, from the first on without a gap. The video is written last."""
        found: list[Segment] = []
        while (segment := self.segment(len(found))).video.is_file():
            found.append(segment)
        return found

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _locked(folder: Path) -> int:
    """The folder, opened and locked for as long as it is open; made where it is missing.

    Raises
    ------
    BlockingIOError
        Another process has it.
    OSError
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(place)
            if os.path.samestat(os.fstat(place), folder.stat()):
                return place
        except FileNotFoundError:  # whoever had it has just removed it
            pass
        except BaseException:
            os.close(place)
            raise
        os.close(place)


def _lock(place: int) -> None:
    """Lock an open folder where its file system can: NFS locks only what is open for writing, which no folder is."""
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        log.info("no lock to be had: %s", error)
