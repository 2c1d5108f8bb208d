"""The arrays of pictures that go from function to function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint8]  # pixels in any shape
Float = NDArray[np.float32]  # the same
Points = NDArray[np.float64]  # (N, 2), columns and rows
Alpha = NDArray[np.float64]  # (H, W), measured in 0..1
