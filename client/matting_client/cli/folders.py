"""The photos of a folder: told by their content, and what of the folder is left out."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from matting_client.imaging import formats
from matting_client.imaging.litter import is_litter

MOST_NAMED = 5  # files that a line on what was left out names
LINKED_FOLDER = "a link to a folder"
_SPECIAL = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass
class Listing:
    """What a folder holds.

    Attributes
    ----------
    photos : pictures, and files that are called like one, by name.
    no_pictures : other files, links and what else has a name, and how each is called.
    folders : subfolders that hold something and were not looked through.
    unreadable : subfolders that cannot be looked through, and why.
    hidden : how many files were passed over because they are hidden, or some system's own.
    """

    photos: list[Path] = field(default_factory=list)
    no_pictures: list[tuple[Path, str]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    hidden: int = 0

    def lines(self, folder: Path) -> Iterator[str]:
        """What was left out, for people."""
        if self.no_pictures:
            yield f"{folder}: left out {counted(self.no_pictures, 'file')}: " + _named(
                [f"{path.relative_to(folder)} ({kind})" for path, kind in self.no_pictures]
            )
        if self.folders:
            names = _named([f"{path.relative_to(folder)}/" for path in self.folders])
            yield f"{folder}: left out {counted(self.folders, 'folder')}, which --recursive takes: {names}"
        if self.unreadable:
            names = _named([f"{path.relative_to(folder)}/ ({reason})" for path, reason in self.unreadable])
            yield f"{folder}: left out {counted(self.unreadable, 'folder')}, which cannot be read: {names}"
        if self.hidden:
            yield f"{folder}: left out {self.hidden} hidden or system {'file' if self.hidden == 1 else 'files'}"


def list_folder(
    folder: Path, recursive: bool = False, without: Path | None = None, check: Callable[[], None] = lambda: None
) -> Listing:
    """The photos of a folder.

    Parameters
    ----------
    folder : whose files are wanted.
    recursive : its subfolders' files, too.
    without : a subfolder that is passed over, where results go.
    check : called for each name; what it raises ends the listing.

    Raises
    ------
    OSError
        It cannot be read. A subfolder that cannot be is left out.
    """
    found = Listing()
    _look_through(folder, recursive, without.resolve() if without else None, check, found)
    return found


def _look_through(
    folder: Path, recursive: bool, without: Path | None, check: Callable[[], None], found: Listing
) -> None:
    for entry in _entries(folder):
        check()
        path = Path(entry.path)
        if is_litter(PurePath(entry.name)):
            found.hidden += entry.is_file(follow_symlinks=False)
        elif entry.is_dir(follow_symlinks=False):
            if path.resolve() == without:
                continue
            try:
                if recursive:
                    _look_through(path, recursive, without, check, found)
                elif any(not is_litter(PurePath(each.name)) for each in _entries(path)):
                    found.folders.append(path)
            except OSError as error:
                found.unreadable.append((path, error.strerror or str(error)))
        elif kind := _other_kind(entry):
            if kind != LINKED_FOLDER or path.resolve() != without:
                found.no_pictures.append((path, kind))
        else:
            found.photos.append(path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, by name; OSError where that cannot be read, or only the names can."""
    with os.scandir(folder) as entries:
        result = sorted(entries, key=lambda entry: entry.name)
    os.stat(os.path.join(folder, "."))  # noqa: PTH116, PTH118 (pathlib drops the dot, which is what needs the right)
    return result


def _other_kind(entry: os.DirEntry[str]) -> str | None:
    """None for a picture, and for what is called like one: if it is none, its own error tells why."""
    path = Path(entry.path)
    if not entry.is_file(follow_symlinks=False):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            return f"a link that cannot be followed: {error.strerror}" if entry.is_symlink() else None
        if stat.S_ISDIR(mode):
            return LINKED_FOLDER
        if not stat.S_ISREG(mode):
            return _SPECIAL.get(stat.S_IFMT(mode), "no file")
    if path.suffix.lower() in formats.SUFFIXES:
        return None
    try:
        with path.open("rb") as file:
            head = file.read(formats.HEAD)
    except OSError:
        return None  # whoever reads it says why it cannot be read
    if formats.is_readable(formats.sniff(head)):
        return None
    return formats.describe_file(head).replace("no known picture format", "no picture")


def counted(things: Sized, noun: str) -> str:
    """How many things there are: "1 file", "2 files"."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _named(names: list[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
