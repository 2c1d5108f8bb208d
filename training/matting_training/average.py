"""Mean of two sets of weights, the share of each chosen by measuring: `python -m matting_training.average OLD NEW OUT`.

Weights that were trained on from others lie in one basin with them, and a point between often keeps what both know
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). Every share is measured on every validation set,
upright and upside down; the one with the smallest geometric mean of MAD is written. A set that got much worse thus
weighs as much as one that got much better, however large its errors are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from matting_client.cli.parser import Parser, error_line, run_alone

from matting_training.checkpoint import ORIGIN, load_model, read_metadata, save_weights
from matting_training.data.pairs import DataError, Pair, find_pairs
from matting_training.gate import Errors, geometric_mean, measure
from matting_training.model.unet import MattingUNet
from matting_training.validation import torch_predictor, validate_pairs

SHARES = (0.0, 0.3, 0.45, 0.6, 0.8, 1.0)
SETS = ("val_london", "val_natural", "val_product")
EXAMPLES = """examples:
  python -m matting_training.average old.safetensors runs/a/best.safetensors mean.safetensors --data data
  python -m matting_training.average old.safetensors new.safetensors mean.safetensors --data data --shares 0.5
"""


def mean_of_weights(old: Path, new: Path, share: float) -> MattingUNet:
    """Network in evaluation mode with (1 - `share`) of the old weights and `share` of the new ones.

    Raises
    ------
    ValueError
        The two have other shapes.
    """
    model = load_model(old)
    other = load_model(new)
    if model.config != other.config:
        raise ValueError(f"{new}: got a network of another shape than {old}, expected the same; average relatives")
    theirs = other.state_dict()
    mixed = {
        name: torch.lerp(value, theirs[name], share) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(mixed)
    return model


def measure_shares(
    old: Path, new: Path, validation: dict[str, list[Pair]], *, shares: Sequence[float] = SHARES, size: int = 512
) -> dict[float, Errors]:
    """Errors of the means, by the share of the new weights; each is printed."""
    found = {}
    for share in shares:
        found[share] = measure(mean_of_weights(old, new, share), validation, size)
        sets = "  ".join(f"{name} {found[share][name]:.5f}" for name in validation)
        print(f"{share:4.0%} of {new.name}: {geometric_mean(found[share]):.5f}  {sets}", flush=True)
    return found


def write_mean(
    old: Path, new: Path, share: float, out: Path, *, validation: dict[str, list[Pair]], size: int = 512
) -> None:
    """Write the mean with `share` of the new weights, its scores in the header."""
    model = mean_of_weights(old, new, share)
    predict = torch_predictor(model, size)
    scores = {name: validate_pairs(predict, pairs) for name, pairs in validation.items()}
    before = read_metadata(old)
    after = read_metadata(new)
    seen = before["seen"] + (after["seen"] if share else 0)
    origin = {name: value for name, value in (after if share else before).items() if name in ORIGIN}
    save_weights(out, model.state_dict(), model.config, {"seen": seen, "scores": scores, **origin})


def average(
    old: Path, new: Path, out: Path, *, validation: dict[str, list[Pair]], shares: Sequence[float] = SHARES,
    size: int = 512,
) -> float:  # fmt: skip
    """Write the best mean and return its share of the new weights.

    Raises
    ------
    ValueError
        As of `mean_of_weights`.
    DataError
        A picture cannot be read.
    """
    found = measure_shares(old, new, validation, shares=shares, size=size)
    share = min(found, key=lambda each: geometric_mean(found[each]))
    write_mean(old, new, share, out, validation=validation, size=size)
    return share


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 done, 1 bad data or weights, 2 wrong usage."""
    parser = Parser(
        prog="python -m matting_training.average",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW", help="trained on from OLD")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the sets (default: %(default)s)")
    parser.add_argument("--validate", nargs="+", default=SETS, metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES, help="of NEW, 0..1, to choose from")
    parser.add_argument("--size", type=int, default=512, help="input side (default: %(default)s)")
    given = parser.parse_args(argv)
    if not all(0 <= share <= 1 for share in given.shares):
        parser.error(f"--shares: got {' '.join(map(str, given.shares))}, expected numbers within 0..1")
    if not given.out.parent.is_dir():  # before minutes of measuring
        parser.error(f"{given.out}: got no folder {given.out.parent}, expected one that is there; make it")
    try:
        validation = {name: find_pairs(given.data / name) for name in given.validate}
        share = average(given.old, given.new, given.out, validation=validation, shares=given.shares, size=given.size)
    except (DataError, ValueError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    print(f"{given.out}: {share:.0%} of {given.new}")
    return 0


if __name__ == "__main__":
    run_alone(main)
