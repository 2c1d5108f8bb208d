"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """Where to write what replaces `path` at the end; what went wrong, as on a full disk, leaves no half file."""
    part = path.with_suffix(suffix)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
