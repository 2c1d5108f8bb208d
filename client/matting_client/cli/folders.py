"""The photos of a folder: told by their content, and what of the folder is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass, field
from pathlib import Path

from matting_client.imaging import formats

MOST_NAMED = 5  # files that a line on what was left out names


@dataclass
class Listing:
    """What a folder holds.

    Attributes
    ----------
    photos : pictures, and files that are called like one, by name.
    no_pictures : other files, and how each is called.
    folders : subfolders that hold files and were not looked through.
    hidden : how many files were passed over because their names begin with a dot.
    """

    photos: list[Path] = field(default_factory=list)
    no_pictures: list[tuple[Path, str]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    hidden: int = 0

    def lines(self, folder: Path) -> Iterator[str]:
        """What was left out, for people."""
        if self.no_pictures:
            yield f"{folder}: left out {_counted(self.no_pictures, 'file')}: " + _named(
                [f"{path.relative_to(folder)} ({kind})" for path, kind in self.no_pictures]
            )
        if self.folders:
            names = _named([f"{path.relative_to(folder)}/" for path in self.folders])
            yield f"{folder}: left out {_counted(self.folders, 'folder')}, which --recursive takes: {names}"
        if self.hidden:
            yield f"{folder}: left out {self.hidden} hidden {'file' if self.hidden == 1 else 'files'}"


def list_folder(folder: Path, recursive: bool = False, without: Path | None = None) -> Listing:
    """The photos of a folder.

    Parameters
    ----------
    folder : whose files are wanted.
    recursive : its subfolders' files, too.
    without : a subfolder that is passed over, where results go.

    Raises
    ------
    OSError
        It cannot be read.
    """
    found = Listing()
    _look_through(folder, recursive, without.resolve() if without else None, found)
    return found


def _look_through(folder: Path, recursive: bool, without: Path | None, found: Listing) -> None:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):  # hidden, or what macOS keeps beside a file
            found.hidden += path.is_file()
        elif path.is_dir():
            if path.is_symlink() or path.resolve() == without:
                continue
            if recursive:
                _look_through(path, recursive, without, found)
            elif any(each.is_file() for each in path.iterdir()):
                found.folders.append(path)
        elif path.is_file():
            kind = _other_kind(path)
            if kind is None:
                found.photos.append(path)
            else:
                found.no_pictures.append((path, kind))


def _other_kind(path: Path) -> str | None:
    """None for a picture, and for what is called like one: if it is none, its own error tells why."""
    if path.suffix.lower() in formats.SUFFIXES:
        return None
    try:
        with path.open("rb") as file:
            head = file.read(formats.HEAD)
    except OSError:
        return None  # whoever reads it says why it cannot be read
    if formats.is_readable(formats.sniff(head)):
        return None
    return formats.describe(head).replace("no known picture format", "no picture")


def _counted(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _named(names: list[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
