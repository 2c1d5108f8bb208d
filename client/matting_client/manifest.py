"""What came of each of many photos, as a CSV for people and their spreadsheets."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from matting_client.errors import OutputError

COLUMNS = ("photo", "state", "file", "width", "height", "model_ms", "found", "uncertainty", "reason")
DONE = "done"
FAILED = "failed"
BYTE_ORDER_MARK = "\ufeff"  # so that spreadsheets read Chinese names
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # begins what spreadsheets calculate, in wide letters, too


@dataclass(frozen=True)
class Entry:
    """One photo.

    Attributes
    ----------
    state : "done", "failed", or whatever else a photo can be in.
    file : of the result; "" without one, and then what follows means nothing.
    width, height : of the result in pixels.
    seconds : that the model took.
    found : whether there was a subject.
    uncertainty : how doubtful the result is.
    reason : why it failed, or what was said of its result.
    """

    photo: str
    state: str
    file: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    found: bool = True
    uncertainty: float = 0.0
    reason: str = ""

    def row(self) -> list[str]:
        """Its cells, in the order of `COLUMNS`."""
        facts = [""] * 5
        if self.file:
            found = "yes" if self.found else "no"
            model_ms = str(round(1000 * self.seconds))
            facts = [str(self.width), str(self.height), model_ms, found, f"{self.uncertainty:.4f}"]
        return [_plain(self.photo), self.state, _plain(self.file), *facts, _plain(self.reason)]


class Manifest:
    """A file that gets a row as soon as a photo is done or has failed; a context manager.

    Parameters
    ----------
    path : of the file.
    goes_on : add to the rows that are there.

    Raises
    ------
    OutputError
        It cannot be written, also from `add`.
    """

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not (goes_on and path.is_file() and path.stat().st_size)
            # Names need not be UTF-8.
            self._file = path.open("w" if is_new else "a", encoding="utf-8", errors="backslashreplace", newline="")
            if not is_new and not _ends_with_a_line(path):
                self._file.write("\r\n")
        except OSError as error:
            raise self._failed(error) from None
        self._rows = csv.writer(self._file)
        if is_new:
            self._file.write(BYTE_ORDER_MARK)
            try:
                self._write(COLUMNS)
            except OutputError:
                self._close()
                raise

    def add(self, entry: Entry) -> None:
        """Write a row at once."""
        self._write(entry.row())

    def _write(self, cells: Sequence[str]) -> None:
        try:
            self._rows.writerow(cells)
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        """Close the file; a row that could not be written was told when it was added."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(self._path, problem=f"cannot be written ({error.strerror})", remedy="name another file")


def _ends_with_a_line(path: Path) -> bool:
    """Whether a file's last row is whole, and not cut off where the disk was full or the machine went out."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
