"""Clean a set's labels with a trained model: `matting clean SET OUT`.

Every photo is seen twice, once mirrored. Where both views are sure of the subject, well away from any edge they see,
and the label says otherwise, the label is wrong (a grey shirt lost before a grey wall): `--repair` puts that right,
with the edge of a patch that was lost as a whole. The opposite is left alone: there the label may know single hairs
that the model does not. A pair in which label and model still differ in whole patches, more than `--drop` of the
subject's area together, is left out. Hairs make no patches.
OUT is a set in the plain layout again: links to what stays as it is, new files for repaired alphas, and `cleaned.csv`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matting_client import MattingClient, MattingError
from matting_client.cli.parser import Parser, error_line
from matting_client.connection import open_engine
from tqdm import tqdm

from matting_training.data.cache import check
from matting_training.data.pairs import DataError, Pair, find_pairs, read_pair, write_png
from matting_training.types import Array
from matting_training.whole import filled_whole

SURE = 8  # steps of 255 from 0 or 255 that still count as sure
MARGIN = 0.02  # share of the longer side that a repaired place lies away from every edge the model sees
PATCH = 0.008  # share of the longer side: radius of the smallest patch that counts
EXAMPLES = """examples:
  matting clean data/studio data/studio_clean --repair
  matting clean data/portraits data/portraits_clean --drop 0.02
"""


@dataclass(frozen=True)
class Verdict:
    """What was found for one pair: its label after repair, how many pixels changed, and what still differs."""

    label: Array
    repaired: int
    difference: float  # area of the patches that differ / area of the subject


def compare_label(label: Array, views: tuple[Array, Array], repair: bool) -> Verdict:
    """Compare a label (H, W) with two alphas of the same photo.

    Parameters
    ----------
    label : alpha to check, 0..255.
    views : the model's alphas, of the photo and of its mirror image (mirrored back).
    repair : whether sure mistakes are put right.
    """
    low, high = np.minimum(*views), np.maximum(*views)
    side = max(label.shape)
    # Beyond the picture's border nothing is known to differ: it does not count as an edge.
    deep = cv2.erode((low >= 255 - SURE).astype(np.uint8), _disc(side * MARGIN), borderValue=1).view(np.bool_)
    lost = deep & (label < 255 - SURE)
    better = label
    mean = (low.astype(np.int16) + high) // 2
    if repair:
        better = label.copy()
        better[lost] = 255
        # A patch lost as a whole has lost its edge, too, which lies beyond the margin.
        rim = cv2.dilate((lost & (label < 128)).astype(np.uint8), _disc(2 * side * MARGIN)).view(np.bool_)
        better[rim] = np.maximum(better, mean)[rim]
    wrong = (np.abs(mean - better) > 127).astype(np.uint8)
    patches = cv2.morphologyEx(wrong, cv2.MORPH_OPEN, _disc(side * PATCH))
    return Verdict(better, int((better != label).sum()), float(patches.sum() / max(1.0, better.sum() / 255)))


def _disc(radius: float) -> Array:
    size = 2 * max(2, round(radius)) + 1
    disc: Array = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(np.uint8)
    return disc


def clean(client: MattingClient, pairs: list[Pair], out: Path, repair: bool, drop: float) -> tuple[int, int]:
    """Write the cleaned set; returns how many pairs were repaired and how many left out."""
    images = out / "images"
    alphas = out / "alpha"
    images.mkdir()
    alphas.mkdir()
    repaired = dropped = 0
    with (out / "cleaned.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["stem", "difference", "repaired_pixels", "kept"])
        for pair in tqdm(pairs, unit="photo", mininterval=5):
            rgb, label = read_pair(pair)
            mirrored = client.alpha(np.ascontiguousarray(rgb[:, ::-1]))
            verdict = compare_label(label, (client.alpha(rgb), np.ascontiguousarray(mirrored[:, ::-1])), repair)
            keep = verdict.difference <= drop
            table.writerow([pair.stem, f"{verdict.difference:.4f}", verdict.repaired, int(keep)])
            dropped += not keep
            if not keep:
                continue
            (images / pair.image.name).symlink_to(pair.image.resolve())
            if verdict.repaired:
                repaired += 1
                write_png(alphas / f"{pair.stem}.png", verdict.label)
            else:
                (alphas / pair.alpha.name).symlink_to(pair.alpha.resolve())
    return repaired, dropped


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 done, 1 bad data or no model, 2 wrong usage."""
    parser = Parser(
        prog="matting clean",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("set", type=Path, metavar="SET")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--repair", action="store_true", help="put sure mistakes right")
    parser.add_argument("--drop", type=float, default=0.01, help="largest difference kept (default: %(default)s)")
    parser.add_argument("--model", default="matting_512", help="default: %(default)s")
    given = parser.parse_args(argv)
    if not given.drop >= 0:  # NaN is not, either
        parser.error(f"--drop {given.drop:g}: expected a share of the subject such as 0.01")
    if given.out.exists():
        parser.error(f"{given.out}: exists already; remove it, or name another folder")
    try:
        pairs = find_pairs(given.set)
        check(pairs)
        with MattingClient(open_engine("local", "", given.model)) as client, filled_whole(given.out) as part:
            repaired, dropped = clean(client, pairs, part, given.repair, given.drop)
    except (DataError, MattingError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    print(f"{given.out}: {len(pairs) - dropped} of {len(pairs)} pairs kept, {repaired} alphas repaired")
    return 0


if __name__ == "__main__":
    sys.exit(main())
