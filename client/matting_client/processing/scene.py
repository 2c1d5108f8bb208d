"""Put the subject into another scene: where it stands, the scene's blur, its light on the subject, a shadow.

Colours are (h, w, 3) and alpha (h, w), both uint8, unless said otherwise; float pictures are in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from matting_client.errors import OptionError
from matting_client.notes import Note
from matting_client.processing.crop import Box, subject_box
from matting_client.processing.edge import pixels
from matting_client.types import Float, Picture

MAX_SIDE = 6000  # pixels of the longer side of a background, which is the result's size
MAX_BLUR = 40.0  # sigma in pixels at a 1024 px short side
# How far the scene may move the subject's brightness and each of its colours, so that a face stays a face.
MOST_EXPOSURE = 1.6
MOST_CAST = 1.3
NORM = 4  # of the mean that tells the light's colour: between the plain mean, 1, and the brightest pixel, infinity
GAMMA = 2.2
KNEE = 0.85  # where bright colours begin to be rolled off
# The shadow on the ground: its length as a share of the subject's height, how far it leans, its depth.
SHADOW_LENGTH = 0.22
MOST_LEAN = 1.6
SHADOW_DEPTH = 0.75


@dataclass(frozen=True)
class Scene:
    """Where and how the subject stands in the background.

    Parameters
    ----------
    x : 0..1 of the background's width, the middle of the subject.
    y : 0..1.5 of the background's height, the lowest point of the subject.
    scale : 0.05..2, how much of the background's height or width the subject fills, whichever it fills more of.
    blur : 0..40 px at a 1024 px short side: sigma of a Gaussian over the background.
    light : 0..1, how much the subject takes on the scene's brightness and colour.
    shadow : 0..1, how dark its shadow on the ground is; a subject that the photo cuts off below stands on no ground.

    Raises
    ------
    OptionError
        A value is out of range.
    """

    x: float = 0.5
    y: float = 1.0
    scale: float = 0.85
    blur: float = 0.0
    light: float = 0.5
    shadow: float = 0.5

    def __post_init__(self) -> None:
        ranges = {"x": (0, 1), "y": (0, 1.5), "scale": (0.05, 2), "blur": (0, MAX_BLUR), "light": (0, 1)}
        for name, (low, high) in {**ranges, "shadow": (0, 1)}.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(name, repr(value), f"{low} to {high:g}")


@dataclass(frozen=True, eq=False, repr=False)
class _Placed:
    """The subject at its size in the scene: colours, alpha (both float), and where its corner lies."""

    fgr: Float
    pha: Float
    left: int
    top: int


def compose_scene(fgr: Picture, pha: Picture, background: Picture, scene: Scene) -> Picture:
    """Subject (H, W, 3), (H, W) in a background (h, w, 3): a picture (h, w, 3) of the background's size.

    The order is that of the light: the background is blurred, the shadow falls on it, the subject stands before both.
    """
    bgr = blur(background, scene.blur).astype(np.float32) / 255
    box = subject_box(pha)
    if box is not None:
        placed = _place(fgr, pha, box, bgr.shape[:2], scene)
        placed = _Placed(
            harmonise(placed.fgr, placed.pha, _around(bgr, placed), scene.light), placed.pha, placed.left, placed.top
        )
        if scene.shadow > 0 and has_ground(pha, box):
            bgr = (
                bgr
                * (1 - SHADOW_DEPTH * scene.shadow * ground_shadow(placed.pha, bgr, placed.left, placed.top))[..., None]
            )
        _over(placed, bgr)
    out: Picture = np.rint(np.clip(bgr, 0, 1) * 255).astype(np.uint8)
    return out


def scene_notes(pha: Picture, shape: tuple[int, ...], scene: Scene) -> tuple[Note, ...]:
    """What to know of a subject (H, W) in a scene of a shape (h, w)."""
    box = subject_box(pha)
    if box is None:
        return ()
    height, width = _drawn_size(box, shape, scene)
    left, top = _corner(height, width, shape, scene)
    is_inside = top < shape[0] and top + height > 0 and left < shape[1] and left + width > 0
    return () if is_inside else (Note("scene_outside"),)


def limited(picture: Picture, side: int = MAX_SIDE) -> Picture:
    """A picture whose longer side is at most `side` px."""
    height, width = limited_size(picture.shape, side)
    if (height, width) == picture.shape[:2]:
        return picture
    small: Picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return small


def limited_size(shape: tuple[int, ...], side: int = MAX_SIDE) -> tuple[int, int]:
    """Height and width of what `limited` makes of a picture of a shape (H, W, ...)."""
    scale = min(1.0, side / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def blur(picture: Picture, amount: float) -> Picture:
    """Gaussian of `amount` pixels at a 1024 px short side, as of a lens that is focused on the subject."""
    sigma = pixels(amount, picture.shape)
    if sigma < 0.3:
        return picture
    # Wide Gaussians are the same at a reduced size, and much faster there.
    factor = max(1, int(sigma // 3))
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_REFLECT)
    out: Picture = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) if factor > 1 else soft
    return out


def has_ground(pha: Picture, box: Box) -> bool:
    """Whether the subject ends above the photo's lower edge, so that it can stand on something."""
    return box.bottom < pha.shape[0] - max(1, round(0.005 * pha.shape[0]))


def harmonise(fgr: Float, pha: Float, around: Float, strength: float) -> Float:
    """Give the subject the light of a scene.

    The colour of the scene's light is estimated with a Minkowski mean (Finlayson and Trezzi, "Shades of Gray and Colour
    Constancy", 2004), and laid on the subject channel by channel (von Kries); its exposure goes half the way towards
    the scene's. The subject is taken to be in neutral light, as cameras balance it: its own colours say nothing of it.

    Parameters
    ----------
    fgr, pha : (h, w, 3) and (h, w) of the subject, float.
    around : (n, m, 3) float picture of the scene around it.
    strength : 0..1; 0 changes nothing.

    Returns
    -------
    (h, w, 3) float.
    """
    weight = float(pha.sum())
    if strength == 0 or weight < 1:
        return fgr
    linear = fgr**GAMMA
    scene = np.clip(around, 1e-3, 1) ** GAMMA
    cast = (scene**NORM).mean((0, 1)) ** (1 / NORM)
    cast = np.clip(cast / cast.mean(), 1 / MOST_CAST, MOST_CAST)
    own = max(float((linear.mean(2) * pha).sum()) / weight, 1e-3)
    exposure = np.clip(np.sqrt(scene.mean() / own), 1 / MOST_EXPOSURE, MOST_EXPOSURE)
    gain = ((cast * exposure) ** (strength / GAMMA)).astype(np.float32)
    lit = fgr * gain
    # What would become brighter than white is rolled off, or bright skin would lose its drawing.
    out: Float = (
        np.where(lit > KNEE, 1 - (1 - KNEE) * np.exp(-(lit - KNEE) / (1 - KNEE)), lit) if gain.max() > 1 else lit
    )
    return out.astype(np.float32)


def ground_shadow(pha: Float, bgr: Float, left: int, top: int) -> Float:
    """Where the ground is dark, (h, w) in 0..1: the subject's outline laid down, sharp at its feet and soft far away.

    It leans away from the brighter side of the scene.

    Parameters
    ----------
    pha : (n, m) alpha of the subject at its size in the scene.
    bgr : (h, w, 3) scene.
    left, top : corner of `pha` in the scene.
    """
    height, width = bgr.shape[:2]
    tall = pha.shape[0]
    foot = top + pha.shape[0]
    grey = bgr.mean(2)
    half = (width + 1) // 2  # of a single column it is the whole: no side is brighter
    light = float(grey[:, -half:].mean() - grey[:, :half].mean())
    lean = float(np.clip(-8 * light, -MOST_LEAN, MOST_LEAN)) * SHADOW_LENGTH
    # A point h above the foot falls at x + lean h and at SHADOW_LENGTH h behind the foot.
    matrix = np.array([[1, -lean, left + lean * tall], [0, SHADOW_LENGTH, foot - SHADOW_LENGTH * tall]], np.float32)
    cast = cv2.warpAffine(pha, matrix, (width, height), flags=cv2.INTER_LINEAR)
    near = cv2.GaussianBlur(cast, (0, 0), max(0.6, 0.006 * tall))
    far = cv2.GaussianBlur(cast, (0, 0), max(1.0, 0.03 * tall))
    distance = np.clip((foot - np.arange(height, dtype=np.float32)) / max(1.0, SHADOW_LENGTH * tall), 0, 1)[:, None]
    shadow: Float = (near * (1 - distance) + far * distance) * (1 - 0.6 * distance)
    return np.maximum(shadow, _contact(pha, (height, width), left, foot))


def _contact(pha: Float, shape: tuple[int, int], left: int, foot: int) -> Float:
    """The dark line below what touches the ground."""
    tall = pha.shape[0]
    band = pha[-max(1, round(0.03 * tall)) :].max(0)
    matrix = np.array([[1, 0, left], [0, 1, foot - max(1, round(0.012 * tall))]], np.float32)
    flat = np.repeat(band[None], max(2, round(0.02 * tall)), axis=0)
    laid = cv2.warpAffine(flat, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)
    out: Float = cv2.GaussianBlur(laid, (0, 0), max(0.8, 0.012 * tall))
    return out


def _place(fgr: Picture, pha: Picture, box: Box, canvas: tuple[int, ...], scene: Scene) -> _Placed:
    """Scale the subject; colours are averaged by their alpha, so that no edge is darkened."""
    height, width = _drawn_size(box, canvas, scene)
    inside = slice(box.top, box.bottom), slice(box.left, box.right)
    how = cv2.INTER_AREA if height < box.height else cv2.INTER_CUBIC
    weight = pha[inside].astype(np.float32) / 255
    mixed = fgr[inside].astype(np.float32) * (weight[..., None] / 255)
    alpha: Float = np.clip(cv2.resize(weight, (width, height), interpolation=how), 0, 1)
    colour = cv2.resize(mixed, (width, height), interpolation=how) / np.maximum(alpha, 1e-3)[..., None]
    return _Placed(np.clip(colour, 0, 1), alpha, *_corner(height, width, canvas, scene))


def _drawn_size(box: Box, canvas: tuple[int, ...], scene: Scene) -> tuple[int, int]:
    """Height and width of the subject in a scene of the shape `canvas`."""
    zoom = scene.scale * min(canvas[0] / box.height, canvas[1] / box.width)  # a wide subject fills the width
    return max(1, round(box.height * zoom)), max(1, round(box.width * zoom))


def _corner(height: int, width: int, canvas: tuple[int, ...], scene: Scene) -> tuple[int, int]:
    """Left and top of a subject of this size."""
    return round(scene.x * canvas[1] - width / 2), round(scene.y * canvas[0]) - height


def _around(bgr: Float, placed: _Placed) -> Float:
    """A reduced picture of the scene where the subject stands, half its size further on every side."""
    height, width = placed.pha.shape
    y0, y1 = max(0, placed.top - height // 2), min(bgr.shape[0], placed.top + height + height // 2)
    x0, x1 = max(0, placed.left - width // 2), min(bgr.shape[1], placed.left + width + width // 2)
    part = bgr[y0:y1, x0:x1] if y0 < y1 and x0 < x1 else bgr
    out: Float = cv2.resize(part, (64, 64), interpolation=cv2.INTER_AREA)
    return out


def _over(placed: _Placed, bgr: Float) -> None:
    """Lay the subject over the scene, in place, as far as it lies within."""
    height, width = placed.pha.shape
    y0, y1 = max(0, placed.top), min(bgr.shape[0], placed.top + height)
    x0, x1 = max(0, placed.left), min(bgr.shape[1], placed.left + width)
    if y0 >= y1 or x0 >= x1:
        return
    seen = slice(y0 - placed.top, y1 - placed.top), slice(x0 - placed.left, x1 - placed.left)
    alpha = placed.pha[seen][..., None]
    bgr[y0:y1, x0:x1] = placed.fgr[seen] * alpha + bgr[y0:y1, x0:x1] * (1 - alpha)
