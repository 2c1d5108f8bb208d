from __future__ import annotations

import math

import numpy as np
import pytest
from matting_training.metrics import conn, grad, gradient, mad, mse, sad, score
from scipy import ndimage


def mattes(seed: int = 0, size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    pha = np.clip((size * 0.3 - np.hypot(y - size / 2, x - size / 2)) / 6 + 0.5, 0, 1)
    pha[3:7, 3:7] = 0.7  # an island
    pred = np.clip(pha + rng.normal(0, 0.2, pha.shape) * (rng.random(pha.shape) < 0.3), 0, 1)
    return np.round(pred * 255) / 255, np.round(pha * 255) / 255


def test_hand_computed_3x3() -> None:
    pha = np.zeros((3, 3))
    pred = pha.copy()
    pred[1, 1], pred[0, 0] = 0.5, 0.25
    assert sad(pred, pha) == pytest.approx(0.75 / 1000)
    assert mad(pred, pha) == pytest.approx(0.75 / 9)
    assert mse(pred, pha) == pytest.approx((0.25 + 0.0625) / 9)
    # Nothing is common, so each pixel leaves at level 0: phi = 1 - alpha where alpha >= 0.15, else 1.
    assert conn(pred, pha) == pytest.approx(0.75 / 1000)


def slow_gradient(alpha: np.ndarray, sigma: float = 1.4) -> np.ndarray:
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    for i in range(-half, half + 1):
        for j in range(-half, half + 1):
            gauss_i, gauss_j = (math.exp(-(k**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi)) for k in (i, j))
            kernel[i + half, j + half] = gauss_i * -j * gauss_j / sigma**2
    kernel /= math.sqrt(float((kernel**2).sum()))
    along = [ndimage.correlate(alpha, k, mode="nearest") for k in (kernel, kernel.T)]
    return np.sqrt(along[0] ** 2 + along[1] ** 2)


def test_grad_agrees_with_a_slow_reference() -> None:
    pred, pha = mattes()
    assert gradient(pha) == pytest.approx(slow_gradient(pha), abs=1e-12)
    want = ((slow_gradient(pred) - slow_gradient(pha)) ** 2).sum() / 1000
    assert grad(pred, pha) == pytest.approx(want, abs=1e-9)


def slow_conn(pred: np.ndarray, pha: np.ndarray) -> float:
    levels = np.arange(0, 1.1, 0.1)
    leaves = np.full(pha.shape, -1.0)
    for i in range(1, len(levels)):
        labels, count = ndimage.label((pred >= levels[i]) & (pha >= levels[i]))
        sizes = [(labels == k).sum() for k in range(1, count + 1)]
        largest = labels == 1 + int(np.argmax(sizes)) if count else np.zeros(pha.shape, bool)
        for y in range(pha.shape[0]):
            for x in range(pha.shape[1]):
                if leaves[y, x] == -1 and not largest[y, x]:
                    leaves[y, x] = levels[i - 1]
    leaves[leaves == -1] = 1
    total = 0.0
    for y in range(pha.shape[0]):
        for x in range(pha.shape[1]):
            phi = []
            for alpha in (pred, pha):
                above = alpha[y, x] - leaves[y, x]
                phi.append(1 - (above if above >= 0.15 else 0))
            total += abs(phi[0] - phi[1])
    return total / 1000


@pytest.mark.parametrize("seed", range(3))
def test_conn_agrees_with_a_slow_reference(seed: int) -> None:
    pred, pha = mattes(seed)
    assert conn(pred, pha) == pytest.approx(slow_conn(pred, pha), abs=1e-9)


def test_a_perfect_matte_scores_zero_everywhere() -> None:
    _, pha = mattes()
    assert score(pha, pha) == {"SAD": 0, "MAD": 0, "MSE": 0, "Grad": 0, "Conn": 0}


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(4, 3\)"):
        score(np.zeros((3, 4)), np.zeros((4, 3)))
