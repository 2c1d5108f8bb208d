"""Make the pictures of README.md by the published model: `python docs/pictures.py [PHOTOS]`.

`result.webp` comes from the astronaut that scikit-image ships; `gallery.webp` also needs the folder PHOTOS with wild
photos of `docs/results/wild-manifest.csv`, each under its stem, whose licences allow showing them. Kind and verdict of
each are those of the manifest and of the blind judgement.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matting_client import MattingClient, Options, connect
from numpy.typing import NDArray
from skimage import data

Array = NDArray[np.uint8]
DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
SIDE = 420  # pixels of each picture of `result.webp`
TILE = (200, 150)  # of the gallery's, width and height
BAR = 20  # height of a cell's caption
COLOURS = ("#7c5cff", "#2f80ed", "#1fa97a", "#f2994a")
# A photo of each of ten kinds, an unusable result among them: the verdicts stand above the pictures.
GALLERY = (
    "c25a1509d5", "4daf3ead51", "4815e414d0", "ed7fdbb5a9", "64ca548a21",
    "4ca3b13cae", "93d0d30496", "cc02f8ca18", "c4f25ca0dc", "dd4bb2612e",
)  # fmt: skip
VERDICTS = {"usable": "usable", "flaw": "small flaw", "unusable": "unusable"}


def parts(client: MattingClient, photo: Array | Path, colour: str) -> list[Array]:
    """Photo, alpha and the subject on a colour, (H, W, 3) RGB each."""
    cutout = client.cutout(photo, Options(background=colour))
    return [cutout.rgb, cv2.cvtColor(cutout.raw, cv2.COLOR_GRAY2RGB), cutout.render()[..., :3]]


def squares(pictures: Sequence[Array], side: int) -> Array:
    """The upper, middle square of each, side by side, (side, n side, 3)."""
    height, width = pictures[0].shape[:2]
    short = min(height, width)
    left = (width - short) // 2
    cut = [picture[:short, left : left + short] for picture in pictures]
    return np.hstack([cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA) for square in cut])


def fitted(picture: Array) -> Array:
    """All of it on a white tile."""
    wide, high = TILE
    height, width = picture.shape[:2]
    scale = min(wide / width, high / height)
    size = round(width * scale), round(height * scale)
    tile = np.full((high, wide, 3), 255, np.uint8)
    top, left = (high - size[1]) // 2, (wide - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return tile


def column(name: str, table: str) -> dict[str, str]:
    """A column of a table of the wild set, by stem."""
    with (DOCS / "results" / table).open(newline="", encoding="utf-8") as file:
        return {row["stem"]: row[name] for row in csv.DictReader(file)}


def gallery(client: MattingClient, folder: Path) -> Array:
    """The kinds of photo in two columns, each with its verdict above."""
    kinds = column("kind", "wild-manifest.csv")
    verdicts = column("published", "wild-verdicts.csv")
    cells = []
    for number, stem in enumerate(GALLERY):
        (photo,) = folder.glob(f"{stem}.*")
        tiles = np.hstack([fitted(part) for part in parts(client, photo, COLOURS[number % len(COLOURS)])])
        bar = np.full((BAR, tiles.shape[1], 3), (30, 20, 60), np.uint8)
        said = f"{kinds[stem]}: {VERDICTS[verdicts[stem]]}"
        cv2.putText(bar, said, (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(np.pad(np.vstack([bar, tiles]), ((0, 6), (0, 6), (0, 0)), constant_values=255))
    return np.vstack([np.hstack(cells[i : i + 2]) for i in range(0, len(cells), 2)])


def main() -> None:
    """Write `result.webp`, and with a folder of photos `gallery.webp`."""
    with connect("local") as client:
        row = squares(parts(client, data.astronaut(), COLOURS[0]), SIDE)
        cv2.imwrite(str(IMAGES / "result.webp"), cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 90])
        if len(sys.argv) > 1:
            drawn = cv2.cvtColor(gallery(client, Path(sys.argv[1])), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(IMAGES / "gallery.webp"), drawn, [cv2.IMWRITE_WEBP_QUALITY, 80])


if __name__ == "__main__":
    main()
