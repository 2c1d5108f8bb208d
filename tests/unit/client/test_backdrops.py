"""Backgrounds that need no file: the photo's own out of focus, and what is drawn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from matting_client import Cutout, OptionError, Options
from matting_client.framing import window_of
from matting_client.processing.backdrops import BACKDROPS, DRAWN, blur_around, draw_backdrop, fitted_backdrop
from skimage import data

from tests.support.portrait import lit_person


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_fills_the_photo(name: str) -> None:
    """It is the same each time, no single colour, and looks alike in another size."""
    picture = draw_backdrop(name, (90, 160))
    assert picture.shape == (90, 160, 3) and picture.dtype == np.uint8
    assert (draw_backdrop(name, (90, 160)) == picture).all() and picture.std() > 4
    large = draw_backdrop(name, (1800, 3200))
    assert large.shape == (900, 1600, 3) and fitted_backdrop(name, (1800, 3200)).shape == (1800, 3200, 3)
    small = cv2.resize(large, (16, 9), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(cv2.resize(picture, (16, 9), interpolation=cv2.INTER_AREA).astype(int) - small).mean() < 12
    assert draw_backdrop(name, (1, 1)).shape == (1, 1, 3)


def test_the_photos_own_background_holds_nothing_of_the_subject() -> None:
    photo, alpha = np.full((200, 300, 3), (20, 120, 40), np.uint8), np.zeros((200, 300), np.uint8)
    alpha[60:, 100:200] = 255
    photo[alpha > 0] = (250, 0, 0)
    for sigma in (None, 1.0, 40.0):
        blurred = blur_around(photo, alpha, sigma)
        assert np.abs(blurred.astype(int) - (20, 120, 40)).max() <= 4
    alone = blur_around(photo, np.full_like(alpha, 255))  # there is nothing else
    assert np.abs(alone[-1, alone.shape[1] // 2].astype(int) - (250, 0, 0)).max() <= 4


def test_what_was_transparent_counts_as_nothing() -> None:
    """Files keep colours where nobody sees them."""
    photo, alpha, cover = np.full((200, 300, 3), (20, 120, 40), np.uint8), *np.zeros((2, 200, 300), np.uint8)
    alpha[60:, 100:140], cover[:, :150], cover[:, 150:160] = 255, 255, 128
    photo[:, 150:160], photo[cover == 0] = (22, 118, 40), (255, 0, 255)
    cutout = Cutout(photo, alpha, Options(background="blur", foreground=False), cover=cover)
    shown = cutout.render()
    assert np.abs(shown[alpha == 0].astype(int) - (20, 120, 40)).max() <= 4
    assert (cutout.source()[:, 160:] == 255).all() and (cutout.source()[:, :150] == photo[:, :150]).all()
    nothing = Cutout(photo, 0 * alpha, Options(background="blur"), cover=0 * cover)
    assert (nothing.render() == 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {"crop": True, "crop_margin": "10px"},
        {"crop": True, "crop_margin": "500px"},
        {"scale": "40%"},
        {"scale": "90%", "position": "0% 100%"},
        {"canvas": "2000x900"},
        {"size": "80px"},
    ],
    ids=str,
)
def test_the_photos_own_background_moves_with_the_subject(options: dict[str, Any]) -> None:
    """A ramp from black to red across and to green down tells which part of the photo is behind each pixel."""
    photo, alpha = np.zeros((240, 320, 3), np.uint8), np.zeros((240, 320), np.uint8)
    photo[..., 0], photo[..., 1] = np.linspace(0, 255, 320), np.linspace(0, 255, 240)[:, None]
    alpha[90:150, 200:240] = 255
    cutout = Cutout(photo, alpha, Options(foreground=False, **options))
    shown, pha = cutout.with_options(cutout.options.with_changes(background="blur")).render(), cutout.layers()[1]
    window = window_of(cutout.options, cutout.alpha)
    across = np.clip(window.left + (np.arange(pha.shape[1]) + 0.5) / pha.shape[1] * window.width, 0, 319)
    down = np.clip(window.top + (np.arange(pha.shape[0]) + 0.5) / pha.shape[0] * window.height, 0, 239)
    behind = pha == 0
    assert behind.any()
    for channel, expected in ((0, (across / 319)[None] * 255), (1, (down / 239)[:, None] * 255)):
        off = np.abs(shown[..., channel] - np.broadcast_to(expected, pha.shape))[behind]
        assert off.mean() < 8 and off.max() < 14


def test_a_result_wider_than_opencv_warps() -> None:
    photo, alpha = np.full((2, 40_000, 3), 90, np.uint8), np.zeros((2, 40_000), np.uint8)
    alpha[:, 100:30_000] = 255
    shown = Cutout(photo, alpha, Options(background="blur", position="center", foreground=False)).render()
    assert shown.shape == photo.shape and (shown == 90).all()


@pytest.mark.parametrize("name", BACKDROPS)
def test_as_an_option(name: str) -> None:
    photo, alpha = data.astronaut(), lit_person()[1]
    made = Cutout(photo, alpha, Options(background=name, format="jpeg", foreground=False)).render()
    assert made.shape == photo.shape
    assert (made[200:500, 200:240] == photo[200:500, 200:240]).all()
    assert np.abs(made[:200, 350:].astype(int) - photo[:200, 350:]).mean() > 5
    cropped = Cutout(photo, alpha, Options(background=name, canvas="120x160")).render()
    assert cropped.shape == (160, 120, 3)


def test_no_such_background() -> None:
    with pytest.raises(OptionError, match="blur, studio, dawn"):
        Options(background="nowhere")
