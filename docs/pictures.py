"""Make `docs/result.png`: photo, alpha and cutout on a colour, by the published model. `python docs/pictures.py`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from matting_client import Options, connect
from skimage import data

SIDE = 420  # pixels of each picture


def main() -> None:
    """Cut out the astronaut (NASA, public domain) and write the three pictures side by side."""
    with connect("local", model="matting_1024") as client:
        photo = data.astronaut()
        cutout = client.cutout(photo, Options(background="#7c5cff", format="jpeg"))
    parts = (photo, cv2.cvtColor(cutout.raw, cv2.COLOR_GRAY2RGB), cutout.render())
    row = np.hstack([cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for part in parts])
    cv2.imwrite(str(Path(__file__).with_name("result.png")), cv2.cvtColor(row, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
