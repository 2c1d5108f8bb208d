"""Where results may go: no command replaces a file that it reads, or writes pixels to a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from matting_client.errors import OptionError


def file_identity(path: str | os.PathLike[str]) -> tuple[object, ...]:
    """What is the same for all names of one file, links among them, whether it is there or not; raises no OSError."""
    try:
        found = Path(path).stat()
    except OSError:
        return (os.path.realpath(path),)
    return found.st_dev, found.st_ino


def check_target(option: str, target: str | os.PathLike[str], sources: Iterable[str | os.PathLike[str] | None]) -> None:
    """Refuse a result's name that is one of `sources`; None among them is standard input, or nothing.

    Raises
    ------
    OptionError
    """
    here = file_identity(target)
    for source in sources:
        if source is not None and file_identity(source) == here:
            raise OptionError(
                f"{option} {target}",
                problem=f"would replace {Path(source)}, which is read",
                remedy="choose another name",
                option=option.strip("-"),
            )


def check_writable(option: str, target: Path) -> None:
    """Refuse a result whose folder, or where that is to be made, cannot be written to, before all work is done for it.

    Raises
    ------
    OptionError
    """
    folder = next(each for each in target.absolute().parents if each.exists())
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):  # on a disk that is read-only root may not either
        raise OptionError(
            f"{option} {target.parent}",
            problem=f"cannot be written to ({folder} is read-only for you)",
            remedy="choose another folder",
            option=option.strip("-"),
        )


def check_standard_output(remedy: str) -> None:
    """Refuse to write a result to a terminal, or to nowhere.

    Raises
    ------
    OptionError
    """
    if sys.__stdout__ is None:
        raise OptionError("standard output", "it closed", "a file or a pipe", remedy)
    if sys.stdout.isatty():
        raise OptionError("standard output", "a terminal", "a file or a pipe", remedy)
