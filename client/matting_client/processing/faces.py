"""Faces in a photo: where they are, and their eyes.

The detector is MediaPipe's BlazeFace for faces near the camera (Bazarevsky et al. 2019, arXiv:1907.05047), which OpenCV
runs on squares of the photo.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import cv2
import numpy as np

from matting_client.processing.crop import Box
from matting_client.types import Float, Image

WEIGHTS = "weights/face_detection_short_range.tflite"
SIDE = 128  # pixels of the square that the detector sees
ANCHORS = ((8, 2), (16, 6))  # (stride, faces that a cell may hold) of the detector's two grids
LIKELY = 0.5  # score from which nearer looks are worth it
SURE = 0.78  # score of that look from which a find counts: 83 faces of validation photos have 0.81 and more, a cat 0.75
SAME = 0.3  # overlap, as intersection over union, from which two finds are one face
MAX_SQUARES = 16  # that a long photo is looked at in
NEARER = (1.5, 1.8, 2.2, 2.7, 3.2)  # sides of a face's box, which the nearer looks see
CHIN = 0.945  # from eyes to chin, as a share of from eyes to the box's lower edge: median of 53 portraits
_lock = threading.Lock()  # a network keeps what it computes in itself


class Point(NamedTuple):
    """Column and row in a photo, in pixels."""

    x: float
    y: float


@dataclass(frozen=True)
class Face:
    """A face in a photo, in its pixels.

    Attributes
    ----------
    left, top, right, bottom : from the forehead to the chin and from cheek to cheek, roughly.
    eyes : the left one in the picture first.
    nose : its tip.
    score : 0..1, how sure the detector is.
    """

    left: float
    top: float
    right: float
    bottom: float
    eyes: tuple[Point, Point]
    nose: Point
    score: float

    @property
    def size(self) -> float:
        """Mean side of the box."""
        return (self.right - self.left + self.bottom - self.top) / 2

    @property
    def middle(self) -> Point:
        """Middle between the eyes."""
        (x0, y0), (x1, y1) = self.eyes
        return Point((x0 + x1) / 2, (y0 + y1) / 2)

    @property
    def tilt(self) -> float:
        """Degrees by which the eyes' line is turned, clockwise."""
        (x0, y0), (x1, y1) = self.eyes
        return math.degrees(math.atan2(y1 - y0, x1 - x0))

    @property
    def turn(self) -> float:
        """How far the head is turned aside: the nose's way along the eyes' line from their middle, in eye distances."""
        (x0, y0), (x1, y1) = self.eyes
        along = (self.nose.x - self.middle.x) * (x1 - x0) + (self.nose.y - self.middle.y) * (y1 - y0)
        return along / max(1.0, (x1 - x0) ** 2 + (y1 - y0) ** 2)

    @property
    def chin(self) -> float:
        """The row where the chin of an upright face ends."""
        return self.middle.y + CHIN * (self.bottom - self.middle.y)


def find_faces(rgb: Image, within: Box | None = None) -> list[Face]:
    """Faces in a photo (H, W, 3), the largest first.

    Parameters
    ----------
    within : part of the photo to look at; the whole by default.

    Notes
    -----
    Faces of less than a seventh of the part's shorter side may be missed, as may those that lie.
    """
    height, width = rgb.shape[:2]
    part = within or Box(0, 0, width, height)
    likely = _one_each([face for square in _squares(part) for face in _look(rgb, square, LIKELY)])
    nearer = [face for face in (_look_nearer(rgb, each) for each in likely) if face and face.score >= SURE]
    return sorted(_one_each(nearer), key=lambda face: -face.size)


def _squares(part: Box) -> Iterator[Box]:
    """The whole part, and squares along its longer side, each half over the one before."""
    side = max(part.width, part.height)
    left, top = part.left - (side - part.width) // 2, part.top - (side - part.height) // 2
    yield Box(left, top, left + side, top + side)
    short = min(part.width, part.height)
    if short < 1 or side < 1.2 * short:
        return
    count = min(MAX_SQUARES, math.ceil(2 * (side - short) / short) + 1)
    for start in np.linspace(0, side - short, count).round().astype(int).tolist():
        x = part.left + (start if part.width == side else 0)
        y = part.top + (start if part.height == side else 0)
        yield Box(x, y, x + short, y + short)


def _look_nearer(rgb: Image, face: Face) -> Face | None:
    """A face as several nearer looks see it, half of them in a mirror; None where most see none.

    The points of one look are off by a pixel of the detector's, by which the tilt of the eyes is off by 2 degrees at
    the median of 59 portraits; the median of ten is off by 1.0, and by 2.5 in one of ten portraits.
    """
    width = rgb.shape[1]
    found = []
    for around in NEARER:
        square = _around(face, around)
        mirrored = square._replace(left=width - square.right, right=width - square.left)
        seen = [_mirror(each, width) for each in _look(rgb[:, ::-1], mirrored, LIKELY)]
        for view in (_look(rgb, square, LIKELY), seen):
            found += [each for each in view if abs(each.middle.x - face.middle.x) < face.size / 2][:1]
    if len(found) <= len(NEARER):
        return None
    points = np.median([(*each.eyes[0], *each.eyes[1], *each.nose) for each in found], axis=0)
    left, top, right, bottom, score = np.median(
        [(each.left, each.top, each.right, each.bottom, each.score) for each in found], axis=0
    ).tolist()
    x0, y0, x1, y1, *nose = points.tolist()
    return Face(left, top, right, bottom, (Point(x0, y0), Point(x1, y1)), Point(*nose), score)


def _mirror(face: Face, width: int) -> Face:
    (x0, y0), (x1, y1) = face.eyes
    eyes = Point(width - x1, y1), Point(width - x0, y0)
    nose = Point(width - face.nose.x, face.nose.y)
    return Face(width - face.right, face.top, width - face.left, face.bottom, eyes, nose, face.score)


def _around(face: Face, sides: float) -> Box:
    side = max(1, round(sides * face.size))
    left, top = round((face.left + face.right - side) / 2), round((face.top + face.bottom - side) / 2)
    return Box(left, top, left + side, top + side)


def _look(rgb: Image, square: Box, least: float) -> list[Face]:
    """Finds of at least a score in a square, the surest first; it may reach beyond the photo; grey is there."""
    blob = cv2.dnn.blobFromImage(_cut(rgb, square), 1 / 127.5, mean=(127.5, 127.5, 127.5))
    scores = 1 / (1 + np.exp(-np.clip(_output("classificators", blob)[:, 0], -50, 50)))
    found = np.argsort(-scores)[: int((scores >= least).sum())].tolist()
    places = _places(blob) if found else ()
    out = []
    for index in found:
        x, y, wide, high, *points = (places[index] * square.width).tolist()
        eye, other, nose = (Point(square.left + points[i], square.top + points[i + 1]) for i in (0, 2, 4))
        left, top = square.left + x - wide / 2, square.top + y - high / 2
        eyes = (eye, other) if eye.x <= other.x else (other, eye)
        out.append(Face(left, top, left + wide, top + high, eyes, nose, float(scores[index])))
    return out


def _cut(rgb: Image, square: Box) -> Image:
    """A square of the photo with the detector's number of pixels."""
    height, width = rgb.shape[:2]
    x0, x1 = max(0, square.left), min(width, square.right)
    y0, y1 = max(0, square.top), min(height, square.bottom)
    out = np.full((SIDE, SIDE, 3), 127, np.uint8)
    zoom = SIDE / max(1, square.width)
    left, right = round((x0 - square.left) * zoom), round((x1 - square.left) * zoom)
    top, bottom = round((y0 - square.top) * zoom), round((y1 - square.top) * zoom)
    if left < right and top < bottom:
        out[top:bottom, left:right] = cv2.resize(
            rgb[y0:y1, x0:x1], (right - left, bottom - top), interpolation=cv2.INTER_AREA
        )
    return out


def _places(blob: Float) -> Float:
    """What is at each of the 896 places, as shares of the square: middle, size, and six points, (896, 16)."""
    places = _output("regressors", blob) / SIDE
    middles = _anchors()
    places[:, :2] += middles
    places[:, 4:] += np.tile(middles, 6)
    return places


def _output(name: str, blob: Float) -> Float:
    """One of the detector's two outputs: OpenCV 5 refuses to give both at once."""
    with _lock:
        network = _network(name)
        network.setInput(blob)
        output: Float = network.forward(name)[0]
    return output


@lru_cache(maxsize=2)
def _network(output: str) -> cv2.dnn.Net:
    """A network for each ``output``: one that is asked for the other in turn makes its buffers anew each time."""
    data = files("matting_client").joinpath(WEIGHTS).read_bytes()
    return cv2.dnn.readNetFromTFLite(np.frombuffer(data, np.uint8))


@lru_cache(maxsize=1)
def _anchors() -> Float:
    """Middles (896, 2) of the cells that the detector's finds start from, as shares of the square."""
    grids = []
    for stride, each in ANCHORS:
        steps = (np.arange(SIDE // stride) + 0.5) * stride / SIDE
        grids.append(np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2).repeat(each, axis=0))
    middles: Float = np.concatenate(grids).astype(np.float32)
    return middles


def _one_each(finds: Sequence[Face]) -> list[Face]:
    """One find, the surest, of each face."""
    if not finds:
        return []
    boxes = [(each.left, each.top, each.right - each.left, each.bottom - each.top) for each in finds]
    kept = cv2.dnn.NMSBoxes(boxes, [each.score for each in finds], LIKELY, SAME)
    return [finds[int(index)] for index in np.asarray(kept).ravel()]
