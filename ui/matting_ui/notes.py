"""What was repaired or left out of a photo when it was read, in the visitor's language."""

from __future__ import annotations

import re

_LOST_ROWS = re.compile(r"the file is incomplete: about (?P<lost>\d+) of (?P<rows>\d+) rows missing")
_KEYS = {
    "the first of several frames was used": "note_frames",
    "the first of several pages was used": "note_pages",
    "a damaged part that holds no pixels was left out": "note_part",
    "the file is incomplete: the end missing": "note_end",
}


def told(notes: tuple[str, ...], words: dict[str, str]) -> list[str]:
    """The notes of `Origin`, each as the page tells it; one that it does not know stays as it is."""
    return [f"⚠ {_translated(note, words)}" for note in notes]


def _translated(note: str, words: dict[str, str]) -> str:
    found = _LOST_ROWS.fullmatch(note)
    if found:
        return words["note_rows"].format(**found.groupdict())
    return words[_KEYS[note]] if note in _KEYS else note
