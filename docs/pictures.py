"""Make the pictures of README.md by the published model: `python docs/pictures.py [DATA]`.

`result.png` comes from the astronaut that scikit-image ships; `gallery.webp` also needs the photos of `DATA`
(training/matting_training/weights/README.md names the sets), whose licences allow showing them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from matting_client import MattingClient, Options, connect
from numpy.typing import NDArray
from skimage import data

Array = NDArray[np.uint8]
IMAGES = Path(__file__).parent / "images"
SIDE = 420  # pixels of each picture of `result.png`
HEIGHT = 200  # of the gallery's
COLOURS = ("#7c5cff", "#2f80ed", "#1fa97a", "#f2994a")
GALLERY = {  # a file of DATA, or a picture of scikit-image
    "curly hair": "portraits/images/usgov_18f_rachel_harrison-gordon_0_1.webp",
    "two together": "portraits/images/usgov_18f_ericronne_4.webp",
    "beard": "portraits/images/usgov_18f_mark-trammell_1.webp",
    "full body outdoors": "camera",
    "dark on dark, glasses": "portraits/images/usgov_18f_brad_1.webp",
    "light hair": "val_natural/images/senate_marsha-blackburn_1.webp",
    "busy background": "astronaut",
    "product": "val_product/images/shoes_802451d1.webp",
}


def triplet(client: MattingClient, photo: Array | Path, colour: str, side: int) -> Array:
    """Photo, alpha and the subject on a colour side by side, (side, 3 side, 3) RGB: the upper, middle square."""
    cutout = client.cutout(photo, Options(background=colour))
    parts = (cutout.rgb, cv2.cvtColor(cutout.raw, cv2.COLOR_GRAY2RGB), cutout.render()[..., :3])
    height, width = cutout.raw.shape
    short = min(height, width)
    left = (width - short) // 2
    squares = [part[:short, left : left + short] for part in parts]
    return np.hstack([cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA) for square in squares])


def gallery(client: MattingClient, folder: Path) -> Array:
    """The kinds of photo in two columns, each named in its corner."""
    cells = []
    for number, (kind, name) in enumerate(GALLERY.items()):
        photo = folder / name if "/" in name else getattr(data, name)()
        photo = cv2.cvtColor(photo, cv2.COLOR_GRAY2RGB) if name == "camera" else photo
        cell = triplet(client, photo, COLOURS[number % len(COLOURS)], HEIGHT)
        cv2.rectangle(cell, (0, 0), (8 * len(kind) + 12, 20), (30, 20, 60), -1)
        cv2.putText(cell, kind, (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(np.pad(cell, ((0, 6), (0, 6), (0, 0)), constant_values=255))
    return np.vstack([np.hstack(cells[i : i + 2]) for i in range(0, len(cells), 2)])


def main() -> None:
    """Write `result.png`, and with a data folder `gallery.webp`."""
    with connect("local") as client:
        row = triplet(client, data.astronaut(), COLOURS[0], SIDE)
        cv2.imwrite(str(IMAGES / "result.png"), cv2.cvtColor(row, cv2.COLOR_RGB2BGR))
    if len(sys.argv) > 1:
        with connect("local", model="matting_1024") as client:
            drawn = cv2.cvtColor(gallery(client, Path(sys.argv[1])), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(IMAGES / "gallery.webp"), drawn, [cv2.IMWRITE_WEBP_QUALITY, 85])


if __name__ == "__main__":
    main()
