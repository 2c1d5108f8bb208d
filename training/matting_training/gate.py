"""Whether new weights may take the place of others: what was known must be kept, and something must be better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from matting_training.data.pairs import Pair, read_pair
from matting_training.model.unet import MattingUNet
from matting_training.validation import Predict, torch_predictor

FLOOR = 1e-4  # added to MAD, so that a set without errors does not decide alone
LARGEST_LOSS = 0.02  # relative growth of a set's MAD that is still called kept
LEAST_GAIN = 0.005  # relative; less is chance
HEAD = " upside down"  # behind a set's name: its photos on their head
Errors = Mapping[str, float]  # MAD in 0..1 by set


class NotBetterError(ValueError):
    """The new weights lose what was known, or gain nothing; the message names the sets and both figures."""


def error_of(predict: Predict, pairs: Sequence[Pair], quarters: int = 0) -> float:
    """Mean MAD, 0..1, of photos turned by so many quarters."""
    errors = []
    for pair in pairs:
        rgb, truth = (np.ascontiguousarray(np.rot90(picture, quarters)) for picture in read_pair(pair))
        errors.append(np.abs(predict(rgb).astype(np.int16) - truth).mean() / 255)
    return float(np.mean(errors))


def measure(model: MattingUNet, validation: Mapping[str, Sequence[Pair]], size: int, *, head: bool = True) -> Errors:
    """MAD of each set at one input size; with `head` of its photos upside down, too."""
    predict = torch_predictor(model, size)
    errors = {name: error_of(predict, pairs) for name, pairs in validation.items()}
    if head:
        errors |= {name + HEAD: error_of(predict, pairs, 2) for name, pairs in validation.items()}
    return errors


def geometric_mean(errors: Errors) -> float:
    """Of the MADs; a set that doubles its error outweighs one that loses a third of it."""
    return float(np.exp(np.mean(np.log(np.array(list(errors.values())) + FLOOR))))


def check(before: Errors, after: Errors, aim: str | None = None) -> None:
    """Refuse weights that are no gain.

    Parameters
    ----------
    before, after : of the weights in place and of the new ones, with the same sets.
    aim : the set that must be better; None: the geometric mean of all of them.

    Raises
    ------
    NotBetterError
        A set's MAD grew by more than `LARGEST_LOSS`, or the aim is not better by `LEAST_GAIN`.
    """
    lost = [name for name, error in after.items() if error > (before[name] + FLOOR) * (1 + LARGEST_LOSS) - FLOOR]
    if lost:
        figures = ", ".join(f"{name} {before[name]:.5f} -> {after[name]:.5f}" for name in lost)
        raise NotBetterError(
            f"got weights that are worse: MAD of {figures}; expected at most {LARGEST_LOSS:.0%} more; "
            "not published, what was there stays"
        )
    old, new = ((geometric_mean(e) if aim is None else e[aim]) for e in (before, after))
    if new > old * (1 - LEAST_GAIN):
        raise NotBetterError(
            f"got weights that are no better: MAD of {aim or 'all sets (geometric mean)'} {old:.5f} -> {new:.5f}; "
            f"expected {LEAST_GAIN:.1%} less at least; not published, what was there stays"
        )
