"""What is told of a photo or a result that is no error: a code with its numbers, and the sentence for it in English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SENTENCES = {
    "frames": "the first of several frames was used",
    "pages": "the first of several pages was used",
    "part": "a damaged part that holds no pixels was left out",
    "rows": "the file is incomplete: about {lost} of {rows} rows missing",
    "end": "the file is incomplete: the end missing",
    "scene_outside": "the subject lies outside the scene; change x, y or scale",
    "no_ground": "no shadow was drawn: the subject reaches the lower edge, so that it stands on nothing; "
    "leave room below it, with crop_margin where it is cropped, or ask for drop",
    "id_head_cut": "part of the head is missing; make it smaller or move it, or take a photo that shows all of it",
    "id_aside": "the head is turned aside; take a photo that looks straight into the camera",
    "id_incomplete": "the photo does not reach the lower edge or a side of the ID photo; take one that shows more",
    "id_soft": "the photo was enlarged {times:.1f} times, so that it is soft; take a larger one, or from nearer",
    "id_unedited": "this office refuses photos whose background was changed; take one before a plain wall",
}


@dataclass(frozen=True)
class Note:
    """Something to know of a photo or a result; as a text it is an English sentence.

    Parameters
    ----------
    code : what it is about, one of `SENTENCES`; who speaks another language looks its own sentence up by it.
    values : what the sentence has numbers for.

    Examples
    --------
    >>> str(Note("rows", {"lost": 3, "rows": 80}))
    'the file is incomplete: about 3 of 80 rows missing'
    """

    code: str
    values: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return SENTENCES[self.code].format(**self.values)
