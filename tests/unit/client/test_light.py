"""Coloured light is taken out of what the model sees, and of nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matting_client import MattingClient, processing
from matting_client.engines import LocalEngine
from skimage import data

PHOTO = np.ascontiguousarray(data.astronaut())
GREEN = np.rint(PHOTO * [0.3, 1, 0.3]).astype(np.uint8)


@pytest.mark.parametrize("columns", [1, 0])
def test_ordinary_light_changes_nothing(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """OpenCV 4 gives a histogram as a column, OpenCV 5, which `pip install ./client` takes, without."""
    count = cv2.calcHist
    monkeypatch.setattr(cv2, "calcHist", lambda *given: count(*given).reshape(256, *[1] * columns))
    square, box = processing.letterbox(PHOTO, 256)
    gains = processing.to_white(PHOTO)
    assert gains.tolist() == [1, 1, 1]
    assert processing.in_white_light(square, box, gains) is square


def test_a_channel_is_brightened_within_the_photo_alone() -> None:
    photo = np.zeros((10, 20, 3), np.uint8)
    photo[5:] = 200, 50, 0
    square, box = processing.letterbox(photo, 20)
    gains = processing.to_white(photo)
    np.testing.assert_allclose(gains, [1, 200 / 50 / 1.4, 4])
    shown = processing.in_white_light(square, box, gains)
    assert shown[box.inside][-1, 0].tolist() == [200, 143, 0]
    assert (shown[0] == processing.PAD_RGB).all()


def test_the_published_model_sees_better_in_green_light(monkeypatch: pytest.MonkeyPatch) -> None:
    with MattingClient(LocalEngine("matting_512")) as client:
        truth = client.cutout(PHOTO).raw.astype(int)
        cutout = client.cutout(GREEN)
        monkeypatch.setattr(processing, "to_white", lambda rgb: np.ones(3))
        as_it_is = client.cutout(GREEN).raw
    assert np.abs(cutout.raw - truth).mean() < 0.8 * np.abs(as_it_is - truth).mean()
    assert np.array_equal(cutout.rgb, GREEN)
