"""How far an exported file may be from the network, in steps of 255, and on which inputs that is looked at.

Nothing here needs torch: the plan is checked in NVIDIA's container, which has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matting_client.processing import letterbox
from matting_client.types import U8

BATCHES = (1, 3, 8)


@dataclass(frozen=True)
class Gate:
    """Largest accepted difference: `largest` in steps of 255 of a pixel, `mean` absolute in 0..1."""

    largest: int
    mean: float


# fp32 may differ by a rounding of the last step. Reduced precisions may decide a single uncertain pixel otherwise, so
# only their mean is bounded: a quarter of a step of 255 over the whole picture for bf16, half of that for fp16.
GATES = {"f32": Gate(1, 1e-4), "fp16": Gate(255, 5e-4), "bf16": Gate(255, 1e-3)}


class ParityError(ValueError):
    """An exported file computes something else; the message says where and by how much."""


def photos(pictures: list[U8], size: int) -> U8:
    """As many letterboxed inputs as the largest batch has: all pictures in turns, as they are, mirrored or darkened."""
    count = len(pictures)
    variants = (lambda x: x, lambda x: x[:, ::-1], lambda x: (x * 0.6).astype(np.uint8))
    chosen = [variants[(i + i // count) % len(variants)](pictures[i % count]) for i in range(max(BATCHES))]
    return np.stack([letterbox(np.ascontiguousarray(picture), size)[0] for picture in chosen])


def compare(want: U8, got: U8, name: str, gate: Gate) -> dict[str, float]:
    """Largest and mean difference.

    Raises
    ------
    ParityError
        Beyond the gate.
    """
    difference = np.abs(want.astype(np.int16) - got.astype(np.int16))
    found = {"largest": int(difference.max()), "mean": float(difference.mean() / 255)}
    if found["largest"] > gate.largest or found["mean"] > gate.mean:
        raise ParityError(
            f"{name}: got a largest difference of {found['largest']} and a mean of {found['mean']:.2g}, "
            f"expected at most {gate.largest} and {gate.mean:.2g}; do not publish this file"
        )
    return found
