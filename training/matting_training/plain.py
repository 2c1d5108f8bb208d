"""Measure alphas of photos on a plain ground: `python -m matting_training.plain PHOTOS OUT`.

Where a product stands on a plain ground, the ground itself says what alpha is: exactly enough for training, without a
teacher. The ground's colour is a smooth surface fitted to the picture's border, what is joined to the border and has
that colour is ground, and a pixel between ground and subject is the mixture of the two colours that it shows. A photo
whose result cannot be trusted (no plain border, a shadow, a subject of the ground's own colour) is left out and named.
PHOTOS holds pictures, at any depth; those with an alpha channel of their own keep it. OUT is a set in the plain layout
with `manifest.csv`: what became of every photo.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matting_client.cli.parser import Parser, error_line, run_alone
from numpy.typing import NDArray
from tqdm import tqdm

from matting_training.data.pairs import PICTURES, DataError, check_whole, read_pixels, shrunk, write_png
from matting_training.types import Array, Float
from matting_training.whole import filled_whole

SAME, OTHER = 9.0, 30.0  # difference from the ground, in steps of 255, of what is surely ground and surely not
PLAIN_BORDER = 0.85  # share of the border that must have the ground's colour
AREA = (0.02, 0.8)  # of the picture that a subject may cover
SHADOW = 0.01  # most of the subject's area that may be darkened ground
HAZE = 0.08  # most of the subject's area that may be half transparent away from its outline
BAND = 0.012  # of the longer side: how far from the outline a soft pixel may lie
EXAMPLES = """examples:
  python -m matting_training.plain downloads/catalogue data/catalogue
  python -m matting_training.plain downloads/cutouts data/cutouts --max-side 1024     PNGs that bring their alpha
"""


@dataclass(frozen=True)
class Measured:
    """What a photo gave: colours (H, W, 3) and alpha (H, W), or why it gave none."""

    how: str  # "exact" (its own alpha), "measured" (by the ground) or the reason for leaving it out
    rgb: Array | None = None
    pha: Array | None = None


def ground(rgb: Array) -> tuple[Float, float]:
    """Colour of the plain ground at every pixel (H, W, 3), and the share of the border that has it.

    A plane of colour is fitted to the border, thrice, each time to what the plane before explains, so that a subject
    cut by the border does not bend it.
    """
    height, width = rgb.shape[:2]
    y, x = (axis.astype(np.float32) for axis in np.mgrid[:height, :width])
    terms = np.stack([np.ones_like(x), x / width, y / height, (x / width) ** 2, (y / height) ** 2], -1)
    edge = np.zeros((height, width), np.bool_)
    margin = max(2, round(0.02 * max(height, width)))
    edge[:margin] = edge[-margin:] = edge[:, :margin] = edge[:, -margin:] = True
    known = terms[edge]
    colours = rgb[edge].astype(np.float32)
    near = np.abs(colours - np.median(colours, 0)).max(1) < OTHER
    for _ in range(3):
        if near.sum() < 50:
            break
        fit = np.linalg.lstsq(known[near], colours[near], rcond=None)[0]
        near = np.abs(colours - known @ fit).max(1) < SAME
    else:
        return np.clip(terms @ fit, 0, 255).astype(np.float32), float(near.mean())
    return np.broadcast_to(np.median(colours, 0), rgb.shape).astype(np.float32), float(near.mean())


def measure(rgb: Array) -> Measured:
    """Alpha of a subject on a plain ground.

    Parameters
    ----------
    rgb : (H, W, 3) 0..255.

    Returns
    -------
    Measured
        alpha a of I = a F + (1 - a) G with the ground's colour G and the colour F of the nearest solid pixel, taken
        along F - G; or the reason why it cannot be trusted.
    """
    plain, share = ground(rgb)
    if share < PLAIN_BORDER:
        return Measured(f"no plain border ({share:.0%})")
    difference = np.abs(rgb - plain).max(2)
    outside = _joined_to_border(difference < SAME)
    radius = max(1, round(BAND * max(rgb.shape[:2]) / 2))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    within = (~outside).astype(np.uint8)
    solid = (cv2.erode(within, disc, borderValue=1) > 0) | ((difference > 2 * OTHER) & ~outside)
    solid = _without_specks(solid)
    area = solid.mean()
    if not AREA[0] < area < AREA[1]:
        return Measured(f"subject covers {area:.1%}")
    # What is solid and yet looks like the ground is white on white: the ground cannot tell them.
    if (difference[solid] < OTHER / 2).mean() > HAZE:
        return Measured("subject of the ground's own colour")
    if (_shadow(rgb, plain, outside) & solid).sum() > SHADOW * solid.sum():
        return Measured("shadow on the ground")
    pha = np.where(solid, 1.0, _mixture(rgb, plain, solid))
    pha[outside & (difference < SAME)] = 0
    far = cv2.dilate(solid.astype(np.uint8), disc, iterations=2) == 0
    if pha[far].sum() > HAZE * solid.sum():
        return Measured("soft far from its outline (a shadow, smoke)")
    pha[far] = 0
    return Measured("measured", rgb, np.rint(pha * 255).astype(np.uint8))


def _shadow(rgb: Array, plain: Float, outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Darkened ground, smooth and joined to the ground: what a subject's shadow looks like."""
    darker = (rgb * plain).sum(2) / np.maximum((plain * plain).sum(2), 1.0)
    same_hue = np.abs(rgb - darker[..., None] * plain).max(2) < SAME
    grey = rgb.astype(np.float32).mean(2)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 8
    smooth = same_hue & (darker > 0.35) & (darker < 0.99) & (slope < SAME / 2)
    return _joined_to_border(outside | smooth) & ~outside


def _joined_to_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    joined: NDArray[np.bool_] = np.isin(labels, np.setdiff1d(border, 0))
    return joined


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Only components of at least a fiftieth of the largest one's area."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept: NDArray[np.bool_] = np.isin(labels, np.flatnonzero(areas * 50 >= max(1, areas.max())))
    return kept


def _mixture(rgb: Array, plain: Float, solid: NDArray[np.bool_]) -> Float:
    """How much of the nearest solid pixel's colour each pixel holds, 0..1."""
    _, nearest = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((nearest.max() + 1, 3), np.float32)
    colours[nearest[solid]] = rgb[solid]
    span = colours[nearest] - plain
    amount = ((rgb - plain) * span).sum(2) / np.maximum((span * span).sum(2), OTHER)
    clipped: Float = np.clip(amount, 0, 1).astype(np.float32)
    return clipped


def read(path: Path, max_side: int) -> Measured:
    """A picture by its own alpha channel, where it has one that is not full, or else by its ground; shrunk by area."""
    picture = read_pixels(path, colour=False)
    if picture is None or picture.dtype != np.uint8 or picture.ndim != 3:
        return Measured("no readable 8-bit colour picture")
    try:
        check_whole(path)
    except DataError:
        return Measured("damaged, it ends early")
    scale = max_side / max(picture.shape[:2])
    own = picture.shape[2] == 4 and picture[..., 3].min() < 8
    if own and not AREA[0] < (picture[..., 3] > 127).mean() < 0.95:
        return Measured("its own alpha is empty or full")
    if own:
        weight = picture[..., 3:].astype(np.float32) / 255
        picture = np.dstack([(picture[..., :3] * weight + 255 * (1 - weight)).astype(np.uint8), picture[..., 3]])
    picture = shrunk(picture, scale)
    rgb = cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2RGB).astype(np.uint8)
    return Measured("exact", rgb, picture[..., 3]) if own else measure(rgb)


def build(photos: list[Path], root: Path, out: Path, max_side: int) -> Iterator[tuple[Path, str]]:
    """Write the set; yields every photo with what became of it."""
    for folder in ("images", "alpha"):
        (out / folder).mkdir()
    stems = [_stem(path, root) for path in photos]
    for number, (path, stem) in enumerate(zip(photos, stems, strict=True)):
        found = read(path, max_side)
        if found.rgb is not None and found.pha is not None:
            name = f"{stem}.png" if stems.count(stem) == 1 else f"{stem}_{number:04}.png"
            write_png(out / "images" / name, found.rgb)
            write_png(out / "alpha" / name, found.pha)
        yield path, found.how


def _stem(path: Path, root: Path) -> str:
    return "_".join(path.relative_to(root).with_suffix("").parts)


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 done, 1 no picture gave an alpha, 2 wrong usage."""
    parser = Parser(
        prog="python -m matting_training.plain",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--max-side", type=int, default=1024, help="longest side written (default: %(default)s)")
    given = parser.parse_args(argv)
    if given.max_side < 1:
        parser.error(f"--max-side: got {given.max_side}, expected at least 1")
    if given.out.exists():
        parser.error(f"{given.out}: exists already; remove it, or name another folder")
    photos = sorted(p for p in given.photos.rglob("*") if p.suffix.lower() in PICTURES and not p.name.startswith("."))
    try:
        if not photos:
            raise DataError(f"{given.photos}: got no pictures, expected {', '.join(sorted(PICTURES))}; check the path")
        with filled_whole(given.out) as part:
            rows = list(tqdm(build(photos, given.photos, part, given.max_side), total=len(photos), unit="photo"))
            with (part / "manifest.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
                csv.writer(file).writerows([("photo", "how"), *((p.relative_to(given.photos), how) for p, how in rows)])
    except (DataError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    kept = [path for path, how in rows if how in ("exact", "measured")]
    print(f"{given.out}: {len(kept)} of {len(photos)} photos; {given.out / 'manifest.csv'} says why not the others")
    return 0 if kept else 1


if __name__ == "__main__":
    run_alone(main)
