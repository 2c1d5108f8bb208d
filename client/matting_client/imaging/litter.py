"""What systems put beside photos, and nobody means."""

from __future__ import annotations

from pathlib import PurePath

FILES = ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r")  # of Windows, and of a Mac
FOLDERS = ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information")  # of stores and disks, too


def is_litter(path: PurePath) -> bool:
    """Whether a file or folder is none that somebody means: hidden, or known by its name, or in such a folder."""
    parts = [part.lower() for part in path.parts]
    return path.name.lower() in FILES or any(part in FOLDERS or _is_hidden(part) for part in parts)


def _is_hidden(part: str) -> bool:
    return part.startswith(".") and part != ".."
