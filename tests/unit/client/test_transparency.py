"""Pictures that have an alpha of their own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_client import Options
from matting_client.client import MattingClient
from matting_client.imaging.decode import decode_photo
from matting_client.processing import within_cover
from matting_client.runtime.local import LocalEngine

from tests.unit.client.pictures import U8, file_of


def cutout_file(alpha: U8, colour: tuple[int, int, int] = (250, 240, 230)) -> bytes:
    rgba = np.dstack([np.full((*alpha.shape, 3), colour, np.uint8), alpha])
    return file_of(rgba, "PNG")


def soft_disc(side: int, radius: float, width: float = 20) -> U8:
    ys, xs = np.mgrid[:side, :side]
    distance = np.hypot(ys - side / 2, xs - side / 2)
    alpha: U8 = np.round(np.clip((radius - distance) / width + 0.5, 0, 1) * 255).astype(np.uint8)
    return alpha


def test_transparency_and_straight_colours_are_kept() -> None:
    alpha = soft_disc(64, 20)
    photo = decode_photo(cutout_file(alpha))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha)
    assert (photo.rgb == (250, 240, 230)).all()


def test_an_opaque_alpha_is_none() -> None:
    assert decode_photo(cutout_file(np.full((8, 8), 255, np.uint8))).alpha is None


@pytest.fixture
def client(local: Path) -> MattingClient:
    """Through the tiny model: what is bright is the subject."""
    return MattingClient(LocalEngine())


def test_a_cutout_put_in_again_comes_out_the_same(client: MattingClient) -> None:
    first = client.cutout(cutout_file(soft_disc(400, 120)))
    again = client.cutout(first.to_bytes())
    assert np.abs(again.render().astype(int) - first.render()).max() <= 1
    assert np.array_equal(first.render()[..., 3], soft_disc(400, 120))


def test_of_a_picture_with_transparency_the_model_still_tells_the_subject(client: MattingClient) -> None:
    """A photo with round corners: dark ground, a bright disc, and a transparent rim."""
    photo = np.full((300, 300, 3), 20, np.uint8)
    cv2.circle(photo, (150, 150), 70, (250, 240, 230), -1)
    cover = soft_disc(300, 140)
    alpha = client.cutout(file_of(np.dstack([photo, cover]), "PNG")).alpha
    assert alpha[150, 150] == 255
    assert alpha[150, 40] == 0  # visible, but not the subject
    assert (alpha <= cover).all()


@pytest.mark.parametrize("options", [Options(erode=-5), Options(feather=True), Options(alpha_threshold=40)], ids=str)
def test_no_knob_brings_alpha_above_the_sources(client: MattingClient, options: Options) -> None:
    cover = soft_disc(400, 120)
    cutout = client.cutout(cutout_file(cover), options)
    assert (cutout.alpha <= cover).all()
    assert (cutout.render()[cutout.alpha > 0][:, :3] == (250, 240, 230)).all()  # no rim of any ground


def test_soft_pixels_of_a_mixed_picture_follow_their_neighbours() -> None:
    cover = np.full((200, 200), 255, np.uint8)
    cover[:, 190:] = np.linspace(254, 0, 10).astype(np.uint8)
    model = np.zeros((200, 200), np.uint8)
    model[:, 100:190] = 255
    alpha = within_cover(model, cover)
    assert np.array_equal(alpha[:, 190:191], cover[:, 190:191])
    assert (alpha[:, :99] == 0).all()
