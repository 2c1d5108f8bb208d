"""No command replaces a file that it reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from matting_client.errors import OptionError


def identity(path: str | os.PathLike[str]) -> tuple[object, ...]:
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
    here = identity(target)
    for source in sources:
        if source is not None and identity(source) == here:
            raise OptionError(
                f"{option} {target}",
                problem=f"would replace {Path(source)}, which is read",
                remedy="choose another name",
                option=option.strip("-"),
            )
