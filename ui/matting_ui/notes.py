"""What there is to know of a photo or an ID photo, in the visitor's language."""

from __future__ import annotations

from collections.abc import Iterable

from matting_client.notes import Note


def note_lines(notes: Iterable[Note], words: dict[str, str]) -> list[str]:
    """Each note as the page tells it."""
    return [f"⚠ {words[f'note_{note.code}'].format(**note.values)}" for note in notes]
