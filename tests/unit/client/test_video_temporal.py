"""The filter: less flicker, nothing across a cut, and a still scene that is exactly still."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pytest
from matting_client.video.still import Still
from matting_client.video.temporal import REACH, Look, Window, confidence, optical_flow
from numpy.typing import NDArray

SIDE = 128


@pytest.fixture(scope="module")
def scene() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A textured disc on a textured ground, and its alpha."""
    rng = np.random.default_rng(0)
    ground, subject = (cv2.GaussianBlur(rng.uniform(0, 255, (SIDE, SIDE, 3)), (0, 0), 2.0) * 4 - 380 for _ in range(2))
    pha = cv2.GaussianBlur(cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (60, 64), 34, 255, -1), (0, 0), 1.5)
    share = pha[..., None] / 255
    return np.clip(ground * (1 - share) + subject * share, 0, 255).astype(np.uint8), pha


def shaky(pha: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Alpha whose edge is wrong by another noise in every frame."""
    noise = np.random.default_rng(number).normal(0, 40, pha.shape)
    return np.where((pha > 0) & (pha < 255), np.clip(pha + noise, 0, 255), pha).astype(np.uint8)


def moved(picture: NDArray[np.uint8], pixels: float) -> NDArray[np.uint8]:
    matrix = np.array([[1, 0, pixels], [0, 1, 0]], np.float32)
    return cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def smoothed(looks: list[Look]) -> Iterator[NDArray[np.uint8]]:
    """Averaged alphas of a clip's frames."""
    window = Window()
    for number, look in enumerate(looks):
        window.add(look)
        if number >= REACH:
            yield window.averaged(number - REACH)
    yield from map(window.averaged, range(len(looks) - REACH, len(looks)))


def test_a_moving_edge_flickers_less(scene: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    rgb, pha = scene
    truth = [moved(pha, 2 * number) for number in range(7)]
    raw = [shaky(each, number) for number, each in enumerate(truth)]

    def error(alphas: Iterable[NDArray[np.uint8]]) -> float:
        return float(np.mean([np.abs(a.astype(float) - t).mean() for a, t in zip(alphas, truth, strict=True)]))

    assert error(smoothed([Look(moved(rgb, 2 * number), each) for number, each in enumerate(raw)])) < 0.6 * error(raw)


def test_an_edge_moves_with_the_subject_whatever_passes_behind() -> None:
    rng = np.random.default_rng(1)
    ground, subject = (
        np.clip(cv2.GaussianBlur(rng.uniform(0, 255, (SIDE, SIDE, 3)), (0, 0), 2.0) * 4 - 380, 0, 255) for _ in range(2)
    )
    pha = cv2.GaussianBlur(cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (56, 64), 34, 255, -1), (0, 0), 1.5)
    truth = [moved(pha, 2 * number) for number in range(7)]
    looks = []
    for number, alpha in enumerate(truth):
        share = alpha[..., None] / 255
        frame = moved(ground, -3 * number) * (1 - share) + moved(subject, 2 * number) * share
        looks.append(Look(frame.astype(np.uint8), shaky(alpha, number)))
    edges = [(alpha > 0) & (alpha < 255) for alpha in truth]

    def error(alphas: Iterable[NDArray[np.uint8]]) -> float:
        return float(
            np.mean([np.abs(a.astype(float) - t)[edge].mean() for a, t, edge in zip(alphas, truth, edges, strict=True)])
        )

    assert error(smoothed(looks)) < 0.82 * error(look.pha for look in looks)  # 0.91 with the flow of what is nearest


def test_flow_is_sure_where_it_is_right_and_never_across_a_cut(
    scene: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    rgb, pha = scene
    here, there = Look(rgb, pha), Look(moved(rgb, 4), moved(pha, 4))
    flow, back = optical_flow(here, there), optical_flow(there, here)
    inside = (slice(20, 44), slice(20, 40))
    assert flow[inside][..., 0].mean() == pytest.approx(2, abs=0.3)  # half the resolution
    assert confidence(here, there, flow, back)[inside].mean() > 0.8
    other = Look(255 - rgb, 255 - pha)
    assert not confidence(here, other, optical_flow(here, other), optical_flow(other, here)).any()


def test_a_cut_begins_anew(scene: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    rgb, pha = scene
    before, after = (rgb, pha), (255 - rgb, 255 - pha)
    shots = [before] * 3 + [after] * 3
    for (_, own), averaged in zip(shots, smoothed([Look(*shot) for shot in shots]), strict=True):
        assert np.array_equal(averaged, own)


def test_what_stands_still_is_exactly_still(scene: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    rgb, pha = scene
    state = Still()
    for number in range(6):
        noise = np.random.default_rng(number).normal(0, 2.5, rgb.shape)
        state = state.after(np.clip(rgb + noise, 0, 255).astype(np.uint8), shaky(pha, number))
        assert np.array_equal(state.shown, shaky(pha, 0))
    changed = rgb.copy()
    changed[60:70, 90:110] ^= 128
    state = state.after(changed, shaky(pha, 9))
    assert np.array_equal(state.shown[58:72, 88:112], shaky(pha, 9)[58:72, 88:112])
    assert np.array_equal(state.shown[:, :60], shaky(pha, 0)[:, :60])


def test_frame_and_alpha_must_fit() -> None:
    with pytest.raises(ValueError, match="expected the same size"):
        Look(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9), np.uint8))
