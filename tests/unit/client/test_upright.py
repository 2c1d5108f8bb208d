"""Which way up a photo lies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import cv2
import numpy as np
import pytest
from matting_client import processing
from matting_client.imaging.decode import decode_photo
from skimage import data

from tests.unit.client.pictures import U8

SAMPLES = ("person", "animal", "shoe", "garment")


def photo(name: str) -> U8:
    """One of the page's samples, or of scikit-image's photos."""
    if name not in SAMPLES:
        return np.asarray(getattr(data, name)())
    return decode_photo(files("matting_ui").joinpath(f"static/samples/{name}.webp").read_bytes()).rgb


def lying(rgb: U8, quarters: int) -> U8:
    return np.ascontiguousarray(np.rot90(rgb, quarters))


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("name", ["person", "astronaut"])
def test_a_person_is_found_to_lie_as_she_does(name: str, quarters: int) -> None:
    assert processing.quarters_turned(lying(photo(name), quarters)) == quarters


@pytest.mark.parametrize("name", [*SAMPLES, "astronaut", "cat", "coffee", "rocket"])
def test_an_upright_photo_is_left_as_it_is(name: str) -> None:
    assert processing.quarters_turned(photo(name)) == 0


@pytest.mark.parametrize("quarters", range(4))
def test_shape_says_nothing(quarters: int) -> None:
    """A tall part and a wide part of a photo lie alike."""
    rgb = photo("astronaut")
    for part in (rgb[:, 90:370], rgb[:330]):
        assert processing.quarters_turned(lying(part, quarters)) == quarters


def test_what_has_no_upright_is_not_turned() -> None:
    grey = np.full((300, 200, 3), 127, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    disc = grey.copy()
    cv2.circle(disc, (100, 150), 80, (250, 250, 250), -1)
    for picture in (grey, noise, disc, grey[:1, :1], grey[:, :1]):
        assert processing.quarters_turned(np.ascontiguousarray(picture)) == 0


def test_threads_do_not_disturb_each_other() -> None:
    photos = [lying(photo("astronaut"), quarters) for quarters in range(4)] * 10
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(processing.quarters_turned, photos)) == [0, 1, 2, 3] * 10
