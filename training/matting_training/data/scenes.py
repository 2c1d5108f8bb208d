"""Scenes of several subjects, or of one that is hard to find, made of cut-outs whose alpha is exact.

Every scene is a pair of layers: what stays, (S, S, 4) uint8 straight colours with alpha, and the background behind it,
(S, S, 3). What a scene teaches is in `SCENES`; how often each is drawn is the configuration's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from matting_client.processing import PAD_RGB
from numpy.random import Generator

from matting_training.data.placing import View, touched_borders
from matting_training.types import Array

Scene = tuple[Array, Array]
SCENES = {
    "group": "two to fifteen people beside and before each other: all stay",
    "held": "a person with a thing at a hand or before the body: both stay",
    "row": "two to eight things beside each other: all stay",
    "small": "a subject of a fifth to two fifths of the frame",
    "furnished": "a person before things that are not held: only the person stays",
    "crowd": "a person before smaller people: only the one in front stays",
    "alike": "a subject on a ground of its own colour: white on white, dark on dark",
    "moving": "a subject blurred by its motion, and its alpha with it",
}


@dataclass(frozen=True)
class Cast:
    """Where scenes take their parts from: each call draws one, (H, W, 4) with alpha or (S, S, 3)."""

    subject: Callable[[], Array]  # any
    person: Callable[[], Array]
    people: Callable[[int], list[Array]]  # so many, most of them from one set, so that they fit together
    thing: Callable[[], Array]
    background: Callable[[], Array]


def composite_over(top: Array, below: Array) -> Array:
    """Straight-alpha `top` over `below`, both (S, S, 4), by Porter and Duff's rule."""
    x, y, width, height = cv2.boundingRect(top[..., 3])
    out = below.copy()
    part = np.s_[y : y + height, x : x + width]
    a = top[part][..., 3:].astype(np.float32) / 255
    b = below[part][..., 3:].astype(np.float32) / 255 * (1 - a)
    alpha = a + b
    colour = (top[part][..., :3] * a + below[part][..., :3] * b) / np.maximum(alpha, 1e-4)
    out[part] = np.rint(np.dstack([np.where(alpha > 0, colour, below[part][..., :3]), alpha * 255])).astype(np.uint8)
    return out


def flatten(top: Array, below: Array) -> Array:
    """(S, S, 4) over a picture (S, S, 3)."""
    opaque = np.dstack([below, np.full(below.shape[:2], 255, np.uint8)])
    flat: Array = composite_over(top, opaque)[..., :3]
    return np.ascontiguousarray(flat)


def subject_box(pha: Array) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a subject; of the whole picture where there is none."""
    x, y, width, height = cv2.boundingRect((pha > 127).astype(np.uint8))
    return (x, y, x + width, y + height) if width and height else (0, 0, pha.shape[1], pha.shape[0])


def stand_subject(
    rng: Generator, subject: Array, size: int, *, at: tuple[float, float], height: float, turn: float = 4.0
) -> Array:
    """A subject as a layer (size, size, 4).

    Parameters
    ----------
    subject : (H, W, 4).
    at : x of its middle and y of its lower end, in pixels of the layer. One that was cut by its photo's lower border
        goes at least as far down as the layer's, so that nobody floats with a straight cut.
    height : of the subject, in pixels; pixels are never more than doubled.
    turn : standard deviation of its tilt in degrees.
    """
    left, top, right, bottom = subject_box(subject[..., 3])
    scale = min(height / (bottom - top), 2.0)
    angle = np.deg2rad(rng.normal(0, turn))
    flip = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array([[np.cos(angle) * flip, -np.sin(angle)], [np.sin(angle) * flip, np.cos(angle)]])
    lifted = abs(np.sin(angle)) * (right - left) / 2  # the higher end of a tilted cut, over its middle
    foot = max(at[1], size + 2.0 + scale * (4 + lifted)) if touched_borders(subject[..., 3])[3] else at[1]
    offset = np.array([at[0], foot]) - linear @ np.array([(left + right) / 2, bottom])
    view = View(np.column_stack([linear, offset]).astype(np.float32), size)
    return view.warp(np.ascontiguousarray(subject), (*PAD_RGB, 0), float(scale))


def _empty(size: int) -> Array:
    return np.zeros((size, size, 4), np.uint8)


def group(rng: Generator, cast: Cast, size: int) -> Scene:
    """People side by side; the more, the smaller. Some stand behind others, some are cut by the frame."""
    count = int(rng.integers(2, 5) if rng.random() < 0.6 else rng.integers(4, 16))
    rows = 1 if count < 6 else 2
    height = size * rng.uniform(0.5, 1.0) * (1.2 - 0.1 * min(count, 6))
    base = size * rng.uniform(0.85, 1.1)
    layer = _empty(size)
    people = cast.people(count)
    places = rng.permutation(count)
    for order, (person, k) in enumerate(zip(people, places, strict=True)):
        is_behind = rows == 2 and order < count // 2
        x = size * ((k + 0.5) / count + rng.uniform(-0.35, 0.35) / count)
        foot = base + size * rng.uniform(-0.06, 0.06)
        if is_behind:
            foot -= height * 0.35
        layer = composite_over(
            stand_subject(rng, person, size, at=(x, foot), height=height * rng.uniform(0.85, 1.1)), layer
        )
    return layer, cast.background()


def row(rng: Generator, cast: Cast, size: int) -> Scene:
    """Things beside each other, on one line; half of the rows show one thing several times."""
    count = int(rng.integers(2, 9))
    same = cast.thing() if rng.random() < 0.5 else None
    base = size * rng.uniform(0.6, 0.95)
    layer = _empty(size)
    for k in range(count):
        x = size * (k + 0.5 + rng.uniform(-0.2, 0.2)) / count
        thing = cast.thing() if same is None else same
        left, top, right, bottom = subject_box(thing[..., 3])
        width = size / count * rng.uniform(0.6, 1.15)
        height = min(width * (bottom - top) / (right - left), size * 0.85)
        layer = composite_over(stand_subject(rng, thing, size, at=(x, base), height=height, turn=3), layer)
    return layer, cast.background()


def _front(rng: Generator, cast: Cast, size: int) -> Array:
    """A person large in the frame."""
    at = (size * rng.uniform(0.3, 0.7), size * rng.uniform(0.9, 1.05))
    return stand_subject(rng, cast.person(), size, at=at, height=size * rng.uniform(0.65, 1.05), turn=6)


def held(rng: Generator, cast: Cast, size: int) -> Scene:
    """A person and a thing that overlap where hands are: beside the middle of the body, or before it."""
    person = _front(rng, cast, size)
    left, top, right, bottom = subject_box(person[..., 3])
    bottom = min(bottom, size)
    y = int(np.clip(top + (bottom - top) * rng.uniform(0.35, 0.7), 0, size - 1))
    inside = np.flatnonzero(person[y, :, 3] > 127)
    if not len(inside):
        return person, cast.background()
    edge = inside[0] if rng.random() < 0.5 else inside[-1]
    x = float(edge) if rng.random() < 0.6 else float(rng.choice(inside))
    thing = cast.thing()
    high = (right - left) * rng.uniform(0.25, 0.8)
    at = (x, y + high * rng.uniform(0.3, 0.7))
    layer = stand_subject(rng, thing, size, at=at, height=high, turn=25)
    return (composite_over(layer, person) if rng.random() < 0.8 else composite_over(person, layer)), cast.background()


def small(rng: Generator, cast: Cast, size: int) -> Scene:
    """One subject far away."""
    height = size * rng.uniform(0.2, 0.42)
    at = (size * rng.uniform(0.2, 0.8), size * rng.uniform(0.45, 0.95))
    return stand_subject(rng, cast.subject(), size, at=at, height=height), cast.background()


def _behind(rng: Generator, bgr: Array, layers: list[Array]) -> Array:
    for layer in layers:
        bgr = flatten(layer, bgr)
    if rng.random() < 0.5:  # out of focus
        bgr = cv2.GaussianBlur(bgr, (0, 0), rng.uniform(0.8, 5) * bgr.shape[0] / 512).astype(np.uint8)
    return bgr


def furnished(rng: Generator, cast: Cast, size: int) -> Scene:
    """A person; the things of the room behind belong to the background."""
    layers = [
        stand_subject(
            rng, cast.thing(), size, height=size * rng.uniform(0.12, 0.5),
            at=(size * rng.uniform(0, 1), size * rng.uniform(0.4, 1.05)),
        )
        for _ in range(int(rng.integers(1, 6)))
    ]  # fmt: skip
    return _front(rng, cast, size), _behind(rng, cast.background(), layers)


def crowd(rng: Generator, cast: Cast, size: int) -> Scene:
    """A person; those behind are at most a third as tall and belong to the background."""
    front = _front(rng, cast, size)
    _, top, _, bottom = subject_box(front[..., 3])
    tall = (bottom - top) * rng.uniform(0.15, 0.33)
    layers = [
        stand_subject(
            rng, person, size, height=tall * rng.uniform(0.8, 1.2), at=(size * rng.uniform(0, 1), size * 0.75)
        )
        for person in cast.people(int(rng.integers(1, 9)))
        if not touched_borders(person[..., 3])[3]
    ]
    return front, _behind(rng, cast.background(), layers)


def alike(rng: Generator, cast: Cast, size: int) -> Scene:
    """A subject on a smooth ground of nearly the colour of its outline."""
    at = (size * rng.uniform(0.4, 0.6), size * rng.uniform(0.8, 1.0))
    layer = stand_subject(rng, cast.subject(), size, at=at, height=size * rng.uniform(0.4, 0.9))
    pha = layer[..., 3]
    inner = cv2.erode(pha, np.ones((5, 5), np.uint8), borderValue=255)
    rim = (pha > 250) & (inner < 250)
    colour = np.median(layer[rim][:, :3], 0) if rim.any() else np.full(3, 255.0)
    corners = np.clip(colour + rng.normal(0, 10, 3) + rng.normal(0, 12, (2, 2, 1)), 0, 255).astype(np.float32)
    ground = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR)
    return layer, np.rint(np.clip(ground, 0, 255)).astype(np.uint8)


def moving(rng: Generator, cast: Cast, size: int) -> Scene:
    """A subject smeared along a line of up to a twentieth of the frame; the camera stands still."""
    layer = _front(rng, cast, size)
    length = max(3, int(size * rng.uniform(0.01, 0.05))) | 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length // 2)
    ends = [tuple(int(v) for v in np.rint(length // 2 + sign * reach)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    weight = layer[..., 3:].astype(np.float32)
    smeared = cv2.filter2D(np.dstack([layer[..., :3] * (weight / 255), weight]), -1, kernel / kernel.sum())
    colour = smeared[..., :3] / np.maximum(smeared[..., 3:] / 255, 1e-3)
    return np.rint(np.clip(np.dstack([colour, smeared[..., 3]]), 0, 255)).astype(np.uint8), cast.background()


MAKERS: dict[str, Callable[[Generator, Cast, int], Scene]] = {
    "group": group, "held": held, "row": row, "small": small, "furnished": furnished, "crowd": crowd,
    "alike": alike, "moving": moving,
}  # fmt: skip


def texture(rng: Generator, picture: Array, size: int) -> Array:
    """A close look at a part of a background: a pattern without any subject."""
    side = max(8, int(min(picture.shape[:2]) * rng.uniform(0.06, 0.2)))
    y, x = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
    patch = picture[y : y + side, x : x + side]
    if rng.random() < 0.5:  # mirrored, as wallpaper and cloth repeat
        patch = np.hstack([patch, patch[:, ::-1]])
        patch = np.tile(np.vstack([patch, patch[::-1]]), (int(rng.integers(1, 4)), int(rng.integers(1, 4)), 1))
    resized: Array = cv2.resize(np.ascontiguousarray(patch), (size, size), interpolation=cv2.INTER_LINEAR)
    return resized


def turned(rng: Generator, fgr: Array, bgr: Array) -> Scene:
    """Both layers on a side or on their head."""
    quarters = int(rng.integers(1, 4))
    return np.ascontiguousarray(np.rot90(fgr, quarters)), np.ascontiguousarray(np.rot90(bgr, quarters))
