"""Backgrounds that need no file: the photo's own out of focus, and what is drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matting_client import Cutout, OptionError, Options
from matting_client.processing.backdrops import BACKDROPS, DRAWN, blur_around, draw_backdrop
from skimage import data

from tests.support.portrait import lit_person


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_fills_the_photo(name: str) -> None:
    """It is the same each time, no single colour, and looks alike in another size."""
    picture = draw_backdrop(name, (90, 160))
    assert picture.shape == (90, 160, 3) and picture.dtype == np.uint8
    assert (draw_backdrop(name, (90, 160)) == picture).all() and picture.std() > 4
    large = draw_backdrop(name, (1800, 3200))
    assert large.shape == (900, 1600, 3)
    small = cv2.resize(large, (16, 9), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(cv2.resize(picture, (16, 9), interpolation=cv2.INTER_AREA).astype(int) - small).mean() < 12
    assert draw_backdrop(name, (1, 1)).shape == (1, 1, 3)


def test_the_photos_own_background_holds_nothing_of_the_subject() -> None:
    photo, alpha = np.full((200, 300, 3), (20, 120, 40), np.uint8), np.zeros((200, 300), np.uint8)
    alpha[60:, 100:200] = 255
    photo[alpha > 0] = (250, 0, 0)
    for sigma in (None, 1.0, 40.0):
        blurred = blur_around(photo, alpha, sigma)
        outside = cv2.resize(alpha, blurred.shape[1::-1], interpolation=cv2.INTER_AREA) == 0
        assert np.abs(blurred[outside].astype(int) - (20, 120, 40)).max() <= 4


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
