"""What there is of a job: segments of encoded frames in a folder beside the result."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matting_client.errors import OutputError


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
    """The folder of a job's segments; another job's remains are removed.

    Parameters
    ----------
    target : the result.
    key : everything that the bytes depend on.
    """

    def __init__(self, target: Path, key: dict[str, Any]) -> None:
        self.folder = target.with_name(f".{target.name[:200]}.matting")
        self._suffix = target.suffix.lower()
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        sign = self.folder / "job"
        try:
            if not sign.is_file() or sign.read_text(encoding="ascii") != digest:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True)
                sign.write_text(digest, encoding="ascii")
        except OSError as error:
            raise OutputError(
                target, problem=f"cannot be written ({error.strerror})", remedy="choose another -o"
            ) from None

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
