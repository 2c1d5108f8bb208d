"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """Where to write what replaces `path` at the end; what went wrong, as on a full disk, leaves no half file."""
    part = path.with_suffix(suffix)
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno and not error.filename:  # a write on a full disk has none
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def filled_whole(path: Path) -> Iterator[Path]:
    """A folder to fill that is at `path` once it is complete: half a set would be taken for one, and learnt."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
