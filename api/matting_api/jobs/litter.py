"""What systems put beside photos, and nobody means."""

from __future__ import annotations

from pathlib import PurePosixPath

_FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"}  # of Windows, and of a Mac
_FOLDERS = {"__macosx", "@eadir"}  # of a Mac, and of Synology's stores


def is_litter(path: PurePosixPath) -> bool:
    """Whether a file is none that somebody means: hidden, or known by its name."""
    name = path.name.lower()
    return name.startswith(".") or name in _FILES or not _FOLDERS.isdisjoint(part.lower() for part in path.parts)
