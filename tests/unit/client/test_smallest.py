"""Photos of one pixel, one row or one column go every way that large ones go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matting_client import Cutout, Options, Stroke
from matting_client.processing import BACKDROPS, SHADOWS
from matting_client.processing.faces import find_faces
from matting_client.processing.scene import Scene, compose_scene

WAYS: list[dict[str, Any]] = [
    *({"format": format} for format in ("png", "jpeg", "webp")),
    *({"background": background} for background in ("#fff", *BACKDROPS)),
    *({"shadow": shadow, "background": "white"} for shadow in SHADOWS),
    *({"erode": erode, "feather": True, "alpha_threshold": 20} for erode in (-5, 5)),
    {"solid": True, "crop": True, "canvas": "33x20"},
    {"alpha_only": True},
    {"foreground": False, "size": "1px"},
]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 40), (40, 1)], ids=str)
@pytest.mark.parametrize("alphas", [(0,), (255,), (90,), (255, 90)], ids=str)
def test_the_smallest_photos(shape: tuple[int, int], alphas: tuple[int, ...]) -> None:
    rgb = np.full((*shape, 3), 120, np.uint8)
    raw = np.resize(np.array(alphas, np.uint8), shape)
    for way in WAYS:
        assert Cutout(rgb, raw, Options(**way)).to_bytes(), way
    cutout = Cutout(rgb, raw)
    assert cutout.is_empty == (alphas == (0,)) and 0 <= cutout.uncertainty <= 1.55
    assert len(cutout.subjects()) <= 1
    assert cutout.corrected(np.full(shape, 255, np.uint8)).raw.shape == shape
    assert cutout.corrected(strokes=[Stroke(True, ((0, 0),), 3)]).raw.shape == shape
    assert compose_scene(rgb, raw, rgb, Scene()).shape == (*shape, 3)
    assert find_faces(rgb) == []


def test_what_the_options_leave_nothing_of_is_empty() -> None:
    raw = np.zeros((40, 60), np.uint8)
    raw[10:14, 5:9] = 70
    cutout = Cutout(np.full((40, 60, 3), 120, np.uint8), raw)
    assert not cutout.is_empty
    for way in ({"roi": "50% 0% 100% 100%"}, {"alpha_threshold": 50}):
        assert cutout.with_options(Options(**way)).is_empty, way
    assert not cutout.with_options(Options(roi="0% 0% 50% 100%")).is_empty
