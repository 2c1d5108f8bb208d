"""Alphas of a clip that agree with each other.

Every frame's alpha is averaged with its neighbours', brought to it along the optical flow, wherever the flow is sure:
forward and backward flow cancel out, and the picture that arrives looks like the picture that is there (so nothing is
averaged across a change of shot). An edge moves with the subject beside it, whatever passes behind: flow and
confidence there are those of the subject around. Nothing is fed back from one frame's average to the next: no error can
build up, and a clip can be taken up at any frame.

Optical flow: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as OpenCV has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_client.types import Float, Picture

Pixels = TypeVar("Pixels", Picture, Float)

REACH = 2  # frames before and after that count
FLOW_SCALE = 0.5  # of the model's resolution: a quarter of the time, and as good at the edge
ROUND_TRIP = 0.25  # pixels of the flow's resolution that there and back may differ by, as a Gaussian's width
LIKENESS = 6.0  # levels of grey (0..255) that the pictures may differ by, the same
LIGHT = 15  # pixels of the flow's resolution, a box; light that changes more slowly than this does not count
NEAR = 4.0  # pixels of the flow's resolution, a Gaussian's width: how near the subject is that an edge moves with
AIR = 1e-4  # weight of what is not the subject: it counts where nothing else is near
CUT = 24.0  # mean difference of grey after the flow, 0..255: another shot begins
SAME_SHOT = 0.05  # mean confidence below which it is another shot, too: some of any two pictures fits by chance
BAND = 8  # pixels around the edge that are averaged
MIN_FLOW_SIDE = 16  # pixels; the search has no room in a smaller picture


@dataclass(frozen=True, eq=False, repr=False)
class Look:
    """A frame at the model's resolution.

    Attributes
    ----------
    rgb : (h, w, 3) uint8, without the letterbox's padding.
    pha : (h, w) uint8, the model's alpha.
    grey : (h/2, w/2) uint8 that the flow is found in.
    light : the same, smoothed, as frames are compared by.
    solid : (h/2, w/2) float32, how much each pixel counts as the subject.
    around : the same, smoothed: how much of the subject is near.
    """

    rgb: Picture
    pha: Picture
    grey: Picture = field(init=False)
    light: Float = field(init=False)
    solid: Float = field(init=False)
    around: Float = field(init=False)

    def __post_init__(self) -> None:
        if self.rgb.shape[:2] != self.pha.shape:
            raise ValueError(f"got a frame {self.rgb.shape} with an alpha {self.pha.shape}, expected the same size")
        height, width = (max(1, round(side * FLOW_SCALE)) for side in self.pha.shape)
        grey = cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY)
        reduced = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        object.__setattr__(self, "grey", reduced)
        share = cv2.resize(self.pha, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        object.__setattr__(self, "solid", share * share + np.float32(AIR))
        object.__setattr__(self, "around", cv2.GaussianBlur(self.solid, (0, 0), NEAR))
        object.__setattr__(self, "light", cv2.GaussianBlur(reduced, (3, 3), 0).astype(np.float32))

    def of_subject(self, values: Float) -> Float:
        """Values (h/2, w/2[, C]) of the subject around each pixel: their mean, weighted by how much is the subject."""
        channels = 1 if values.ndim == 2 else values.shape[2]
        total = cv2.GaussianBlur(cv2.multiply(values, cv2.merge([self.solid] * channels)), (0, 0), NEAR)
        mean: Float = cv2.divide(total, cv2.merge([self.around] * channels))
        return mean


def optical_flow(here: Look, there: Look) -> Float:
    """Where the subject at each pixel of `here` lies in `there`: (h/2, w/2, 2) offsets in pixels of that resolution."""
    if min(here.grey.shape) < MIN_FLOW_SIDE:
        return np.zeros((*here.grey.shape, 2), np.float32)
    # Few steps, but down to the last pixel: better at the edge than the medium preset, which ends at half, in its time.
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    dis.setFinestScale(0)
    return here.of_subject(dis.calc(here.grey, there.grey, None))


def _warp(picture: Pixels, flow: Float, how: int = cv2.INTER_LINEAR) -> Pixels:
    """What of `picture` arrives at each pixel along `flow`."""
    height, width = flow.shape[:2]
    places = flow.copy()
    places[..., 0] += np.arange(width, dtype=np.float32)
    places[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    out: Pixels = cv2.remap(picture, places, None, how, borderMode=cv2.BORDER_REPLICATE)
    return out


def _chained(first: Float, second: Float) -> Float:
    """The flow along `first` and from there along `second`."""
    out: Float = cv2.add(first, _warp(second, first))
    return out


def confidence(here: Look, there: Look, flow: Float, back: Float) -> Float:
    """How sure each pixel of the flow from `here` to `there` is: 0..1, (h/2, w/2); all 0 in another shot.

    Parameters
    ----------
    here, there : the frames.
    flow, back : the optical flow from one to the other, and back.
    """
    difference = cv2.subtract(here.light, _warp(there.light, flow))
    if float(np.abs(difference).mean()) > CUT:
        return np.zeros(here.grey.shape, np.float32)
    unlike = cv2.subtract(difference, cv2.blur(difference, (LIGHT, LIGHT)))
    round_trip = cv2.add(flow, _warp(back, flow))
    exponent = cv2.transform(cv2.multiply(round_trip, round_trip), np.full((1, 2), -1 / ROUND_TRIP**2, np.float32))
    sure: Float = cv2.exp(cv2.scaleAdd(cv2.multiply(unlike, unlike), -1 / LIKENESS**2, exponent))
    return here.of_subject(sure) if float(sure.mean()) > SAME_SHOT else np.zeros_like(sure)


@dataclass(frozen=True, eq=False, repr=False)
class Neighbour:
    """Another frame, the flow to it and how sure that is, both at half the model's resolution."""

    look: Look
    flow: Float
    sure: Float

    def arriving(self) -> tuple[Picture, Float]:
        """Its alpha (h, w) as it arrives here, and the weight (h, w) it deserves."""
        height, width = self.look.pha.shape
        scale = np.array([width / self.flow.shape[1], height / self.flow.shape[0]], np.float32)
        flow: Float = cv2.resize(self.flow, (width, height), interpolation=cv2.INTER_LINEAR)
        flow *= scale
        weight = cv2.resize(self.sure, (width, height), interpolation=cv2.INTER_LINEAR)
        return _warp(self.look.pha, flow, cv2.INTER_CUBIC), weight


def _edge(phas: Iterable[Picture]) -> NDArray[np.bool_]:
    """Where any of the alphas has its edge, widened."""
    kernel = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
    band: NDArray[np.bool_] = np.logical_or.reduce([cv2.dilate(pha, kernel) > cv2.erode(pha, kernel) for pha in phas])
    return band


def average(here: Look, neighbours: Sequence[Neighbour]) -> Picture:
    """Alpha (h, w) uint8 of a frame, averaged with its neighbours' in the edge band; its own alpha elsewhere."""
    total = here.pha.astype(np.float32)
    weights = np.ones_like(total)
    for neighbour in neighbours:
        pha, weight = neighbour.arriving()
        cv2.accumulateProduct(pha.astype(np.float32), weight, total)
        weights += weight
    mean = cv2.divide(total, weights, dtype=cv2.CV_8U)
    band = _edge([here.pha, *(neighbour.look.pha for neighbour in neighbours)])
    out: Picture = np.where(band, mean, here.pha)
    return out


class Window:
    """The frames around the one that is averaged, and the flows between them, each found once."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, Look]] = deque()
        self._flows: dict[tuple[int, int], Float] = {}
        self._count = 0

    def add(self, look: Look) -> None:
        """Take in the next frame, and forget those that no later frame needs."""
        for number, earlier in reversed(list(self._looks)[-REACH:]):
            self._connect(number, earlier, look)
        self._looks.append((self._count, look))
        self._count += 1
        if len(self._looks) > 2 * REACH + 1:
            gone, _ = self._looks.popleft()
            self._flows = {pair: flow for pair, flow in self._flows.items() if gone not in pair}

    def _connect(self, number: int, earlier: Look, look: Look) -> None:
        """The flows between the newest frame and an earlier one: found between neighbours, put together beyond."""
        newest = self._count
        last = self._count - 1
        if number == last:
            self._flows[newest, number] = optical_flow(look, earlier)
            self._flows[number, newest] = optical_flow(earlier, look)
        else:
            self._flows[newest, number] = _chained(self._flows[newest, last], self._flows[last, number])
            self._flows[number, newest] = _chained(self._flows[number, last], self._flows[last, newest])

    def averaged(self, number: int) -> Picture:
        """Alpha of frame `number`, averaged with those within reach that have come."""
        looks = dict(self._looks)
        here = looks[number]
        neighbours = []
        for other in range(number - REACH, number + REACH + 1):
            if other != number and other in looks:
                flow = self._flows[number, other]
                back = self._flows[other, number]
                neighbours.append(Neighbour(looks[other], flow, confidence(here, looks[other], flow, back)))
        return average(here, neighbours)
