"""The one person of an ID photo: the photo put upright, the head found, and what of them a frame shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from matting_client.cutout import Cutout
from matting_client.errors import NoFace
from matting_client.idsizes import Frame
from matting_client.processing.head import SOLID, Head, find_head, no_face
from matting_client.processing.upright import QUARTERS, rotated
from matting_client.types import Alpha, Mask, Picture

LEAST_TILT = 2.0  # degrees from which a head is levelled; less is within the detector's error
LYING = 45.0  # degrees from which another quarter turn is nearer to upright


@dataclass(frozen=True, eq=False, repr=False)
class Person:
    """A photo of one person on its new background with the eyes on one line.

    Attributes
    ----------
    picture : (H, W, 3).
    ends : (H, W), 1 where the subject is cut by an edge of the photo.
    """

    picture: Picture
    ends: Mask
    head: Head

    def is_complete_in(self, frame: Frame) -> bool:
        """Whether the body reaches the frame's lower edge, and nothing of it is cut off within the frame."""
        slack = _slack(frame)
        return frame.bottom <= self.head.floor + slack and not self._is_cut_within(frame, slack)

    def has_whole_head_in(self, frame: Frame) -> bool:
        """Whether the frame shows the head from crown to chin, and the photo itself cuts nothing of it off there."""
        slack = _slack(frame)
        shown = min(frame.bottom, len(self.ends))
        if frame.top > self.head.crown + slack or shown < self.head.chin - slack:
            return False
        beside = frame._replace(top=max(frame.top, self.head.crown - 2 * slack), bottom=self.head.chin)
        return not self._is_cut_within(beside, slack)

    def _is_cut_within(self, frame: Frame, slack: float) -> bool:
        """Whether the photo ends where the subject is, further from the frame's edges than `slack`."""
        rows = slice(max(0, round(frame.top + slack)), max(0, round(frame.bottom - slack)))
        columns = slice(max(0, round(frame.left + slack)), max(0, round(frame.right - slack)))
        return bool(self.ends[rows, columns].any())


def upright(plain: Cutout, colour: tuple[int, int, int]) -> Person:
    """The person of a cutout, whose photo is turned by quarters if it lies, and then as far as the head is tilted."""
    quarters, head = _stood_up(plain.rgb, plain.alpha)
    picture, rgb, pha = (rotated(each, -quarters) for each in (plain.render(), plain.rgb, plain.alpha))
    inside = np.full(pha.shape, 255, np.uint8)
    if abs(head.tilt) >= LEAST_TILT:
        size = pha.shape[::-1]
        turn = cv2.getRotationMatrix2D((head.middle, head.eyes), head.tilt, 1.0)
        picture = cv2.warpAffine(picture, turn, size, flags=cv2.INTER_CUBIC, borderValue=colour)
        rgb = cv2.warpAffine(rgb, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        pha = cv2.warpAffine(pha, turn, size, flags=cv2.INTER_LINEAR)
        inside = cv2.warpAffine(inside, turn, size, flags=cv2.INTER_LINEAR)
        head = find_head(rgb, pha)
    core = cv2.erode(inside, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return Person(picture, ((pha >= SOLID) & (core < 255)).view(np.uint8), head)


def _stood_up(rgb: Picture, pha: Alpha) -> tuple[int, Head]:
    """By how many quarters counterclockwise a photo lies turned, and the head in it once it is turned back.

    The detector finds a face that lies in two of five photos, with much tilt, and one upside down never: each of 83
    validation portraits has a face of little tilt in the upright orientation alone.
    """
    standing: dict[int, Head] = {}
    for quarters in range(QUARTERS):
        try:
            head = find_head(rotated(rgb, -quarters), rotated(pha, -quarters))
        except NoFace:
            continue
        if abs(head.tilt) <= LYING:
            standing[quarters] = head
        if 0 in standing:
            break
    if not standing:
        raise no_face()
    return min(standing.items(), key=lambda each: abs(each[1].tilt))


def _slack(frame: Frame) -> float:
    """Pixels by which edges may miss each other unseen."""
    return max(3.0, 0.01 * (frame.bottom - frame.top))
