"""Many photos at once, each with its own state; one that fails never stops the others."""

from __future__ import annotations

import csv
import io
import secrets
import threading
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from matting_client import Options
from matting_client.manifest import BYTE_ORDER_MARK, COLUMNS, DONE, FAILED, Entry

from matting_ui.batch_reasons import Reason, earlier_stays, page_text
from matting_ui.filenames import unique_names

MOST = 50  # photos in a batch
WAITING = "waiting"
RUNNING = "running"


@dataclass
class Item:
    """One photo of a batch.

    Attributes
    ----------
    number : within the batch; does not change.
    name : of the visitor's file.
    path : of the upload; None when it never arrived.
    token : what the page calls a file that never arrived, and can send again.
    result, alpha, thumbnail : paths, once it is done; the alpha's where it was asked for.
    reason : why it failed, or what there is to know of the result; by language.
    seconds : that the model took.
    found : whether there was a subject.
    uncertainty : how doubtful the result is.
    options, wants_alpha : what the result was made with.
    shop : whose rules it is held against.
    is_hopeless : it failed, and would fail again: its file cannot be read.
    earlier : itself with its last result, while it is made anew: stays if that fails.
    """

    number: int
    name: str
    path: str | None
    state: str = WAITING
    reason: Reason = field(default_factory=dict)
    result: str = ""
    thumbnail: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    found: bool = True
    uncertainty: float = 0.0
    options: Options | None = None
    key: str = ""
    corrected: bytes = b""
    wants_alpha: bool = False
    alpha: str = ""
    shop: str = ""
    is_hopeless: bool = False
    token: str = ""
    earlier: Item | None = None

    def claimed(self, options: Options, wants_alpha: bool) -> Item:
        """Itself, to be made with these options."""
        self.earlier = replace(self, earlier=None) if self.state == DONE else None
        self.state = WAITING
        self.options = options
        self.wants_alpha = wants_alpha
        self.reason = {}
        self.thumbnail = self.result = self.alpha = ""
        return self

    def fail(self, reason: Reason, *, is_hopeless: bool = False) -> None:
        """It did not work; a result that there was before stays."""
        if self.earlier is not None and Path(self.earlier.result).is_file():
            earlier = replace(self.earlier, key=self.key, corrected=self.corrected, reason=earlier_stays(reason))
            vars(self).update(vars(earlier))
            return
        self.state = FAILED
        self.reason = reason
        self.thumbnail = self.result = self.alpha = ""
        self.is_hopeless = is_hopeless

    @property
    def may_go_better(self) -> bool:
        """Whether it failed, and another attempt can help: of the page, of the server, or with other settings."""
        return self.state == FAILED and (bool(self.token) or not self.is_hopeless)

    @property
    def is_in_work(self) -> bool:
        """Whether a run has it."""
        return self.state == RUNNING or (self.state == WAITING and self.options is not None)


@dataclass(frozen=True)
class Sent:
    """A visitor's file as the page tells of it: the upload's path, or the reason why there is none and a token."""

    name: str
    path: str | None
    reason: Reason = field(default_factory=dict)
    token: str = ""

    def item(self, number: int) -> Item:
        """It as a photo of a batch."""
        item = Item(number, self.name, self.path, token=self.token)
        if self.path is None:
            item.fail(self.reason, is_hopeless=True)
        return item


@dataclass
class Batch:
    """The photos of one visitor, in the order they came; may be used from several threads.

    Attributes
    ----------
    name : known to the visitor's page alone, which finds the batch again by it when it was loaded anew.
    """

    name: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    items: dict[int, Item] = field(default_factory=dict)
    changed: threading.Event = field(default_factory=threading.Event)
    edited: int = 0  # number of the photo in the editor
    wanted: tuple[Options, bool] | None = None  # what the page's settings ask for, and whether with alphas
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: int = 0
    _is_watched: bool = False

    def add(self, files: list[Sent]) -> list[str]:
        """Take files; returns the names that there was no room for."""
        with self._lock:
            room = max(0, MOST - len(self.items))
            for sent in files[:room]:
                self._last += 1
                self.items[self._last] = sent.item(self._last)
        return [sent.name for sent in files[room:]]

    def replace(self, number: int, sent: Sent) -> None:
        """Put a file that was sent again in the place of one that had not arrived."""
        with self._lock:
            item = self.items.get(number)
            if item is not None and item.path is None:
                self.items[number] = sent.item(number)
        self.changed.set()

    def forget_unsent(self) -> None:
        """Know that the page has none of the files any more that never arrived."""
        with self._lock:
            for item in self.items.values():
                item.token = ""

    def claim(self, options: Options, wants_alpha: bool = False) -> list[Item]:
        """What is to be done, taken by the caller alone: new, or made with other options."""
        with self._lock:
            self.wanted = options, wants_alpha
            due = [item for item in self.items.values() if self.is_due(item)]
            return [item.claimed(options, wants_alpha) for item in due]

    def claim_again(self, number: int, options: Options, wants_alpha: bool = False) -> list[Item]:
        """A photo that failed and may go better, taken by the caller alone; none when there is none."""
        with self._lock:
            self.wanted = options, wants_alpha
            item = self.items.get(number)
            can_try = item is not None and item.path is not None and item.may_go_better
            return [item.claimed(options, wants_alpha)] if item is not None and can_try else []

    def is_due(self, item: Item) -> bool:
        """Whether there is something to do for a photo: it is new, or of other settings."""
        return self.is_other(item) or (item.state == WAITING and not item.is_in_work)

    def is_other(self, item: Item) -> bool:
        """Whether a photo is done, with other settings than those that are wanted now."""
        return item.state == DONE and self.wanted is not None and (item.options, item.wants_alpha) != self.wanted

    def discard(self, number: int) -> None:
        """Forget a photo."""
        with self._lock:
            self.items.pop(number, None)
        self.changed.set()

    def holds(self, item: Item) -> bool:
        """Whether the photo is still wanted."""
        with self._lock:
            return self.items.get(item.number) is item

    def clear(self) -> None:
        """Forget all photos."""
        with self._lock:
            self.items.clear()
        self.changed.set()

    def listed(self) -> list[Item]:
        """The photos as they are now; one whose result was removed, after its hour, says so."""
        with self._lock:
            for item in self.items.values():
                if item.state == DONE and not Path(item.result).is_file():
                    item.fail(page_text("batch_gone"), is_hopeless=True)
            return [replace(item) for item in self.items.values()]

    def watch(self) -> bool:
        """Become the one that shows the batch, until `is_over` says so; False when somebody does so already."""
        with self._lock:
            was = self._is_watched
            self._is_watched = True
        self.changed.set()  # whoever watches has something to show
        return not was

    @property
    def is_watched(self) -> bool:
        """Whether somebody shows the batch."""
        return self._is_watched

    def is_over(self, leave: bool = False) -> bool:
        """For the one who watches: whether nothing is in work, or it wants to leave; then another may watch."""
        with self._lock:
            over = leave or not any(item.is_in_work for item in self.items.values())
            self._is_watched = not over
        return over

    def zipped(self, code: str) -> bytes | None:
        """The results with a manifest in a language; None while nothing is done."""
        items = self.listed()
        done = [item for item in items if item.state == DONE]
        if not done:
            return None
        names = unique_names([Path(item.result).name for item in done])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # pictures do not get smaller
            for item, name in zip(done, names, strict=True):
                archive.write(item.result, name)
                if item.alpha and Path(item.alpha).is_file():
                    archive.write(item.alpha, f"alpha/{Path(name).stem}.png")
            named = dict(zip([item.number for item in done], names, strict=True))
            archive.writestr("manifest.csv", manifest(items, named, code))
        return buffer.getvalue()


def count_states(items: list[Item]) -> dict[str, int]:
    """How many there are, in all and in each state."""
    states = [item.state for item in items]
    return {"all": len(states), **{state: states.count(state) for state in (WAITING, RUNNING, DONE, FAILED)}}


def manifest(items: list[Item], names: dict[int, str], code: str) -> str:
    """A CSV of all photos, with the name in the archive of those that are done, and reasons in a language."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for item in items:
        facts = item.width, item.height, item.seconds, item.found, item.uncertainty
        rows.writerow(Entry(item.name, item.state, names.get(item.number, ""), *facts, item.reason.get(code, "")).row())
    return BYTE_ORDER_MARK + text.getvalue()
