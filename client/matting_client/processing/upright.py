"""Which way up a photo lies: people on their sides and heads are found far better once they are turned upright.

A network of ours tells it (`training/matting_training/orientation.py`); OpenCV runs it, in 3 ms on a core.
"""

from __future__ import annotations

import threading
from importlib.resources import files

import cv2
import numpy as np

from matting_client.types import Float, Image, Picture

WEIGHTS = "weights/orientation.onnx"
SIDE = 128  # pixels of the square into which the network's photo is squeezed
QUARTERS = 4
CLEAR = 0.9  # from which the first answer, that a photo is upright, is enough
SURE = 0.65  # from which a turned photo is believed to be one, after all four answers
FLOOR = 1e-6  # of a share, for its logarithm
_here = threading.local()  # a network keeps what it computes in itself, and a lock would hold all photos up


def quarters_turned(rgb: Image) -> int:
    """By how many quarter turns counterclockwise a photo (H, W, 3) lies turned, 0..3; 0 also when in doubt.

    `rotated(rgb, -quarters)` puts it upright.
    """
    square = network_square(rgb)
    first = _ask(square)
    if first[0] >= CLEAR:
        return 0
    # Turned by hand, it must say the same: what all four answers have in common counts.
    rest = [np.roll(_ask(rotated(square, quarters)), -quarters) for quarters in range(1, QUARTERS)]
    shares = np.exp(np.log(np.stack([first, *rest]) + FLOOR).mean(axis=0))
    quarters = int(shares.argmax())
    return quarters if shares[quarters] >= SURE * shares.sum() else 0


def rotated(picture: Picture, quarters: int) -> Picture:
    """A picture or an alpha, rotated counterclockwise by so many quarters."""
    return np.ascontiguousarray(np.rot90(picture, quarters))


def network_square(rgb: Image) -> Image:
    """The whole photo in the network's square, (128, 128, 3), whatever its shape."""
    square: Image = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return square


def _ask(square: Image) -> Float:
    """How likely each number of quarters is, (4,), of a photo (128, 128, 3) squeezed into a square."""
    network = _network()
    network.setInput(cv2.dnn.blobFromImage(square))
    shares: Float = network.forward()[0]
    return shares


def _network() -> cv2.dnn.Net:
    """The network of this thread."""
    if not hasattr(_here, "network"):
        data = files("matting_client").joinpath(WEIGHTS).read_bytes()
        _here.network = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    network: cv2.dnn.Net = _here.network
    return network
