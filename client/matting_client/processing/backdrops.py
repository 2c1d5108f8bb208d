"""Backgrounds that need no file: the photo's own, out of focus, and gradients and scenes that are drawn."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from matting_client.processing.crop import Window
from matting_client.types import Alpha, Float, Image

BLUR = "blur"  # the photo's own background
BLUR_SHARE = 1 / 40  # of the longer side: the width of the Gaussian where nothing else is said
ENOUGH = 6.4  # pixels of the Gaussian: the blurred picture has no detail that a larger one would keep
DRAWN_SIDE = 1600  # pixels of the longer side of what is drawn; all of it is soft
SEED = 7
# Deep inside the subject the colours come from further away: times the Gaussian's width, and how much that counts.
WIDER = ((1, 1.0), (4, 1e-3), (16, 1e-6))
FAINT = np.float32(1e-12)
NOTHING = np.float32(1e-20)
Size = tuple[int, int]  # (height, width)


def blur_around(rgb: Image, pha: Alpha, sigma: float | None = None, cover: Alpha | None = None) -> Image:
    """A photo's background out of focus, without the subject's colours.

    The mean of what is not the subject, weighted by the distance.

    Parameters
    ----------
    rgb, pha : photo (H, W, 3) and its alpha (H, W).
    sigma : pixels of the photo; by default a fortieth of its longer side.
    cover : (H, W) transparency that the photo had before: what nobody sees does not count.

    Returns
    -------
    (h, w, 3) of the photo's shape, smaller where no detail is lost.
    """
    sigma = max(0.5, BLUR_SHARE * max(pha.shape) if sigma is None else sigma)
    scale = min(1.0, ENOUGH / sigma)
    height, width = (max(1, round(side * scale)) for side in pha.shape)

    def reduced(picture: Image) -> Image:
        small: Image = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        return small

    # The subject counts where there is nothing else in the whole photo.
    around = (255 - cv2.dilate(reduced(pha), np.ones((3, 3), np.uint8))) / np.float32(255) + FAINT
    if cover is None:
        weight = around
        colours = reduced(rgb) * around[..., None]
    else:
        weight = around * (reduced(cover) / np.float32(255))
        colours = reduced(cv2.multiply(rgb, cv2.merge([cover] * 3), scale=1 / 255)) * around[..., None]
    total = np.zeros(colours.shape, np.float32)
    share = np.full((*weight.shape, 1), NOTHING)
    for times, counts in WIDER:
        total += counts * cv2.GaussianBlur(colours, (0, 0), sigma * scale * times)
        share += counts * cv2.GaussianBlur(weight, (0, 0), sigma * scale * times)[..., None]
    blurred: Image = np.clip(np.rint(total / share), 0, 255).astype(np.uint8)
    return blurred


def window_behind(backdrop: Image, shape: tuple[int, ...], window: Window) -> Image:
    """What of a soft picture (h, w, 3) that lies behind all of a photo of (H, W) is seen through a window.

    Returns
    -------
    (n, m, 3) of the window's shape, at most 1600 px along its longer side. Beyond the photo its border goes on.
    """
    if window.is_whole(shape):
        return backdrop
    scale = min(1.0, DRAWN_SIDE / max(window.size))
    size = max(1, round(window.size[0] * scale)), max(1, round(window.size[1] * scale))
    zoom_x, zoom_y = backdrop.shape[1] / shape[1], backdrop.shape[0] / shape[0]
    step_x, step_y = window.width * zoom_x / size[0], window.height * zoom_y / size[1]
    left, top = window.left * zoom_x + step_x / 2 - 0.5, window.top * zoom_y + step_y / 2 - 0.5
    matrix = np.array([[step_x, 0, left], [0, step_y, top]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen: Image = cv2.warpAffine(backdrop, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return seen


def draw_backdrop(name: str, shape: Size) -> Image:
    """One of `DRAWN` in the shape of a photo (H, W), its longer side at most 1600 px: (h, w, 3)."""
    scale = min(1.0, DRAWN_SIDE / max(shape))
    height, width = (max(1, round(side * scale)) for side in shape)
    picture: Image = np.clip(np.rint(DRAWN[name]((height, width))), 0, 255).astype(np.uint8)
    return picture


def fitted_backdrop(name: str, size: Size) -> Image:
    """One of `DRAWN` of exactly this size, (H, W, 3)."""
    picture: Image = cv2.resize(draw_backdrop(name, size), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return picture


def _gradient(size: Size, *colours: str) -> Float:
    """From the first colour above to the last one below."""
    stops = np.array([[int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in colours], np.float32)
    down = np.linspace(0, len(stops) - 1, size[0])
    column = np.stack([np.interp(down, np.arange(len(stops)), stops[:, channel]) for channel in range(3)], axis=-1)
    out: Float = np.repeat(column[:, None], size[1], axis=1).astype(np.float32)
    return out


def _places(size: Size) -> tuple[Float, Float]:
    """Rows and columns in 0..1, (H, 1) and (1, W)."""
    rows = np.linspace(0, 1, size[0], dtype=np.float32)[:, None]
    return rows, np.linspace(0, 1, size[1], dtype=np.float32)[None]


def _studio(size: Size) -> Float:
    """A grey wall, lit in its middle, that runs into the floor."""
    rows, columns = _places(size)
    light = np.exp(-(((columns - 0.5) / 0.55) ** 2 + ((rows - 0.42) / 0.6) ** 2))
    floor = np.clip((rows - 0.8) / 0.2, 0, 1)
    grey: Float = 176 + 70 * light + 10 * floor
    return grey[..., None] * np.array([0.99, 1.0, 1.01], np.float32)


def _room(size: Size) -> Float:
    """A warm wall with the light of a window on it, and a floor of boards."""
    rows, columns = _places(size)
    out = _gradient(size, "#f4ebe0", "#eadccb", "#e2d0ba")
    slant = columns - 0.25 * rows
    window = ((slant > 0.1) & (slant < 0.42) & (np.abs(slant - 0.26) > 0.012) & (rows > 0.08) & (rows < 0.58)) * 1.0
    out += 14 * cv2.GaussianBlur(window.astype(np.float32), (0, 0), 0.012 * max(size))[..., None]
    edge = 0.76
    depth = np.clip((rows - edge) / (1 - edge), 0, 1)
    boards = np.abs(((columns - 0.5) / (0.35 + depth) * 9) % 1 - 0.5) < 0.03
    floor = _gradient(size, "#8a6242", "#b98a60", "#c99a6e") - 22 * boards[..., None]
    mixed: Float = np.where((rows > edge)[..., None], floor, out)
    soft: Float = cv2.GaussianBlur(mixed, (0, 0), max(0.6, 0.002 * max(size))).astype(np.float32)
    return soft


def _lights(size: Size) -> Float:
    """Lights of a city at night, far out of focus."""
    out = _gradient(size, "#10142b", "#1c2145", "#2b2340")
    random = np.random.default_rng(SEED)
    unit = max(size)
    for _ in range(70):
        radius = max(1, int(random.uniform(0.012, 0.04) * unit))
        x, y = int(random.uniform(0, size[1])), int(random.normal(0.55, 0.18) * size[0])
        colour = random.uniform((200, 130, 60), (255, 210, 160)) if random.random() < 0.75 else (120, 160, 235)
        light = np.asarray(colour, np.float32) * random.uniform(0.12, 0.4)
        left, top = max(0, x - radius), max(0, y - radius)
        part = out[top : y + radius + 1, left : x + radius + 1]
        if part.size:
            disc = cv2.circle(np.zeros(part.shape[:2], np.uint8), (x - left, y - top), radius, 1, -1)
            part += disc[..., None] * light
    soft: Float = cv2.GaussianBlur(out, (0, 0), max(0.6, 0.003 * unit)).astype(np.float32)
    return soft


def _meadow(size: Size) -> Float:
    """A sky, hills and grass."""
    rows, columns = _places(size)
    out = _gradient(size, "#7fb2e5", "#b9d8f2", "#e8f1f5", "#e8f1f5")
    hills = (("#9db8a6", 0.52, 0.05, 5.0, 0.4), ("#7da77a", 0.6, 0.04, 8.0, 2.1), ("#6a9a50", 0.68, 0.02, 4.0, 4.0))
    for colour, height, swing, waves, shift in hills:
        outline = height + swing * np.sin(waves * columns + shift)
        inside = cv2.GaussianBlur((rows > outline).astype(np.float32), (0, 0), max(0.6, 0.004 * max(size)))[..., None]
        out = out * (1 - inside) + _gradient(size, colour, colour) * inside
    grass = np.random.default_rng(SEED).normal(0, 26, size).astype(np.float32)
    grass = cv2.GaussianBlur(grass, (0, 0), 0.002 * max(size) + 0.3, sigmaY=0.008 * max(size) + 0.3)
    meadow: Float = out + (3 * grass * np.clip((rows - 0.66) * 4, 0, 1))[..., None]
    return meadow


DRAWN: dict[str, Callable[[Size], Float]] = {
    "studio": _studio,
    "dawn": lambda size: _gradient(size, "#fbe3d0", "#f3b7b5", "#8f9fd8"),
    "mint": lambda size: _gradient(size, "#eefaf5", "#9fd8c4"),
    "room": _room,
    "lights": _lights,
    "meadow": _meadow,
}
BACKDROPS = (BLUR, *DRAWN)
