"""Many photos at once, each with its own state; one that fails never stops the others."""

from __future__ import annotations

import csv
import io
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matting_client import Options

MOST = 50  # photos in a batch
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
COLUMNS = ("photo", "state", "file", "width", "height", "model_ms", "reason")


@dataclass
class Item:
    """One photo of a batch.

    Attributes
    ----------
    number : within the batch; does not change.
    name : of the visitor's file.
    path : of the upload; None when it never arrived.
    result, thumbnail : paths, once it is done.
    options : what the result was made with.
    """

    number: int
    name: str
    path: str | None
    state: str = WAITING
    reason: str = ""
    result: str = ""
    thumbnail: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    options: Options | None = None

    def fail(self, reason: str) -> None:
        """It did not work."""
        self.state, self.reason, self.result = FAILED, reason, ""


@dataclass
class Batch:
    """The photos of one visitor, in the order they came; may be used from several threads."""

    items: dict[int, Item] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: int = 0

    def add(self, files: list[tuple[str, str | None, str]]) -> list[str]:
        """Take (name, path, reason why it did not arrive); returns the names that there was no room for."""
        with self._lock:
            room = max(0, MOST - len(self.items))
            for name, path, reason in files[:room]:
                self._last += 1
                item = self.items[self._last] = Item(self._last, name, path)
                if path is None:
                    item.fail(reason)
        return [name for name, _, _ in files[room:]]

    def claim(self, options: Options) -> list[Item]:
        """What is to be done, taken by the caller alone: new, to be retried, or made with other options."""
        with self._lock:
            found = [item for item in self.items.values() if _is_due(item, options)]
            for item in found:
                item.state, item.options, item.thumbnail, item.result = WAITING, options, "", ""
        return found

    def retry(self, number: int) -> None:
        """Let a photo that failed wait again."""
        with self._lock:
            item = self.items.get(number)
            if item is not None and item.state == FAILED:
                item.state, item.reason, item.options = WAITING, "", None

    def discard(self, number: int) -> None:
        """Forget a photo."""
        with self._lock:
            self.items.pop(number, None)

    def listed(self) -> list[Item]:
        """The photos as they are now."""
        with self._lock:
            return list(self.items.values())

    def counts(self) -> dict[str, int]:
        """How many there are, in all and in each state."""
        states = [item.state for item in self.listed()]
        return {"all": len(states), **{state: states.count(state) for state in (WAITING, RUNNING, DONE, FAILED)}}

    def zipped(self) -> bytes | None:
        """The results with a manifest; None while nothing is done."""
        items = self.listed()
        done = [item for item in items if item.state == DONE and Path(item.result).is_file()]
        if not done:
            return None
        names = _unique([Path(item.result).name for item in done])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # pictures do not get smaller
            for item, name in zip(done, names, strict=True):
                archive.write(item.result, name)
            archive.writestr("manifest.csv", manifest(items, dict(zip([i.number for i in done], names, strict=True))))
        return buffer.getvalue()


def _is_due(item: Item, options: Options) -> bool:
    if item.state == WAITING:
        return item.options is None  # otherwise another run has it
    return item.state == DONE and item.options != options


def manifest(items: list[Item], names: dict[int, str]) -> str:
    """A CSV of all photos, with the name in the archive of those that are done."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for item in items:
        file = names.get(item.number, "")
        size: tuple[Any, ...] = (item.width, item.height, round(1000 * item.seconds)) if file else ("", "", "")
        rows.writerow([_plain(item.name), item.state, _plain(file), *size, _plain(item.reason)])
    return "\ufeff" + text.getvalue()  # so that spreadsheets read Chinese names


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _unique(names: list[str]) -> list[str]:
    """Names with a number where they would be the same."""
    out: list[str] = []
    taken: set[str] = set()
    for name in names:
        path, count, chosen = Path(name), 1, name
        while chosen.lower() in taken:
            count += 1
            chosen = f"{path.stem}-{count}{path.suffix}"
        taken.add(chosen.lower())
        out.append(chosen)
    return out
