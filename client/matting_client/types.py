"""The arrays that go from function to function; what differs from this is said where it does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Alpha = NDArray[np.uint8]  # (H, W), 0 is background
Float = NDArray[np.float32]  # values in 0..1
Mask = NDArray[np.uint8]  # (H, W), 0 or 1
