"""How much three strokes of the brush repair: `python -m matting_bench.brush FOLDER`.

Of each photo of FOLDER (`images/` and `alpha/`, as for training) the model's alpha loses a part: a disc around a point
of the subject's outline. Then a hand that is not steady paints: it takes the largest part that is still wrong, a brush
that covers it at its thickest and a bit more, and draws one line along it. Errors are sums of absolute differences to
the true alpha, in thousands of pixels.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import cv2
import numpy as np
from matting_client import Stroke, connect
from matting_client.cli.parser import Parser
from matting_client.cutout import Cutout
from matting_client.imaging.decode import read
from matting_client.types import U8

PART = 0.22  # radius of the missing part, as a share of the square root of the subject's area
GENEROUS = 1.2  # radius of the brush, as a share of what it must cover at the thickest
TREMOR = 0.15  # of the brush's radius: how far the hand is beside the line


def sad(pha: U8, truth: U8) -> float:
    """Sum of absolute differences, in thousands."""
    return float(cv2.norm(pha, truth, cv2.NORM_L1)) / 255 / 1000


def without_part(pha: U8, truth: U8, random: np.random.Generator) -> U8:
    """The alpha without a disc around a point of the subject's outline."""
    solid = (truth > 127).astype(np.uint8)
    outline = np.argwhere(solid & (cv2.erode(solid, np.ones((3, 3), np.uint8), borderValue=1) == 0))
    y, x = outline[random.integers(len(outline))]
    out = pha.copy()
    cv2.circle(out, (int(x), int(y)), round(PART * float(np.sqrt(solid.sum()))), 0, -1)
    return out


def next_stroke(pha: U8, truth: U8, random: np.random.Generator) -> Stroke | None:
    """One stroke over the largest part that is wrong; None where nothing is."""
    wrong = cv2.absdiff(pha, truth) > 127
    _, labels, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8))
    if len(stats) < 2:
        return None
    part = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    depth = cv2.distanceTransform(np.pad(part.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    thickest = float(depth.max())
    inside = np.argwhere(depth > 0.6 * thickest)[:, ::-1].astype(np.float64)
    middle = inside.mean(axis=0)
    axis = np.linalg.svd(inside - middle, full_matrices=False)[2][0]
    along = (inside - middle) @ axis
    ends = [middle + axis * along.min(), middle, middle + axis * along.max()]
    radius = max(2.0, GENEROUS * thickest)
    shaken = [tuple(map(float, point + random.normal(0, TREMOR * radius, 2))) for point in ends]
    y, x = np.argwhere(part)[0]
    return Stroke(bool(truth[y, x] > 127), tuple((px, py) for px, py in shaken), radius)


def repair(cutout: Cutout, truth: U8, strokes: int, random: np.random.Generator) -> list[float]:
    """Errors before, and after each stroke."""
    errors = [sad(cutout.raw, truth)]
    for _ in range(strokes):
        stroke = next_stroke(cutout.raw, truth, random)
        if stroke is not None:
            cutout = cutout.corrected(strokes=[stroke])
        errors.append(sad(cutout.raw, truth))
    return errors


def main() -> None:
    """Print a table."""
    p = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path)
    p.add_argument("--photos", type=int, default=10, help="evenly drawn from the folder (default: %(default)s)")
    p.add_argument("--strokes", type=int, default=3, help="of each photo (default: %(default)s)")
    given = p.parse_args()
    photos = sorted((given.folder / "images").iterdir())
    ratios = []
    with connect("local") as client:
        for number, path in enumerate(photos[:: max(1, len(photos) // given.photos)][: given.photos]):
            random = np.random.default_rng(number)
            (alpha,) = (given.folder / "alpha").glob(f"{path.stem}.*")
            truth: U8 = np.ascontiguousarray(read(alpha)[..., 0])
            found = client.cutout(path)
            holed = Cutout(found.rgb, without_part(found.raw, truth, random))
            errors = repair(holed, truth, given.strokes, random)
            ratios.append(errors[-1] / errors[0])
            steps = " ".join(f"{error:7.2f}" for error in errors)
            whole = sad(found.raw, truth)
            print(f"{path.stem:>32}  whole {whole:6.2f}  part lost, after strokes {steps}  left {ratios[-1]:.2f}")
    print(f"left after {given.strokes} strokes: median {statistics.median(ratios):.2f}, worst {max(ratios):.2f}")


if __name__ == "__main__":
    main()
