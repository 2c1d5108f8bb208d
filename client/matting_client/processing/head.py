"""A person's head in a photo: crown, eyes and chin, from the face and from the alpha above it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matting_client.errors import NoFace, SeveralFaces
from matting_client.processing.crop import subject_box
from matting_client.processing.faces import Face, find_faces
from matting_client.types import Alpha, Image

SOLID = 128  # alpha from which a pixel counts as the subject
SMALLER = 0.4  # of the largest face: a smaller one is a print or a passer-by
CROWN = (0.85, 1.35)  # from eyes to crown, as a share of from eyes to chin: heads without and with high hair
ASIDE = 0.25  # turn from which a head faces aside: 120 studio photos from the front have .10 at most
NARROW = 0.25  # of the face's width: narrower than this, it is a single hair


@dataclass(frozen=True)
class Head:
    """Rows of crown, eyes, chin and of where the body ends below, and the column of the middle, in the photo's pixels.

    Attributes
    ----------
    tilt : degrees by which the eyes' line is turned, clockwise.
    turn : how far the head is turned aside, as of `Face`.
    """

    crown: float
    eyes: float
    chin: float
    middle: float
    floor: float
    tilt: float = 0.0
    turn: float = 0.0

    @property
    def is_aside(self) -> bool:
        """Whether the head is turned aside."""
        return abs(self.turn) >= ASIDE

    @property
    def height(self) -> float:
        """Crown to chin."""
        return self.chin - self.crown


def find_head(rgb: Image, pha: Alpha) -> Head:
    """The head of the one person in a photo (H, W, 3) with its alpha (H, W).

    Raises
    ------
    NoFace
    SeveralFaces
    """
    face = _only_face(rgb, pha)
    eyes = face.middle
    reach = face.chin - eyes.y
    highest = CROWN[1] * reach
    lowest = CROWN[0] * reach
    crown = eyes.y - min(max(eyes.y - _crown(pha, face), lowest), highest)
    return Head(crown, eyes.y, face.chin, eyes.x, _floor(pha, face), face.tilt, face.turn)


def _only_face(rgb: Image, pha: Alpha) -> Face:
    box = subject_box(pha)
    height, width = pha.shape
    found = [
        face
        for face in (find_faces(rgb, box) if box else [])
        if pha[min(max(0, int(face.middle.y)), height - 1), min(max(0, int(face.middle.x)), width - 1)] >= SOLID
    ]
    if not found:
        raise no_face()
    count = sum(face.size >= SMALLER * found[0].size for face in found)
    if count > 1:
        raise SeveralFaces("", f"a photo with {count} faces", "one person alone")
    return found[0]


def no_face() -> NoFace:
    """The error of a photo in which nobody faces the camera."""
    return NoFace("", "a photo in which no face was found", "one person who faces the camera")


def _crown(pha: Alpha, face: Face) -> int:
    """The row where the subject begins above a face, followed upwards from its eyes."""
    left, right = max(0, round(face.left)), max(1, round(face.right))
    above = (pha[: max(1, round(face.middle.y)), left:right] >= SOLID).sum(1) >= NARROW * (right - left)
    gaps = np.flatnonzero(~above)
    return int(gaps[-1]) + 1 if len(gaps) else 0


def _floor(pha: Alpha, face: Face) -> float:
    """The row down to which the body below a face reaches."""
    left, right = max(0, round(face.middle.x - face.size)), max(1, round(face.middle.x + face.size))
    solid = pha[:, left:right] >= SOLID
    ends = len(pha) - solid[::-1].argmax(0)[solid.any(0)]
    ends = ends[ends > face.chin]
    return float(np.percentile(ends, 10)) if len(ends) else face.chin
