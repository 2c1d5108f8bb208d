"""The arrays that go from function to function; what differs from this is said where it does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Alpha = NDArray[np.uint8]  # (H, W), 0 is background
Float = NDArray[np.float32]  # values in 0..1
Mask = NDArray[np.uint8]  # (H, W), 0 or 1
Picture = NDArray[np.uint8]  # (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA
Batch = NDArray[np.uint8]  # (N, S, S, 3) RGB for the model, or its (N, S, S, 1) alpha
Flags = NDArray[np.bool_]  # (H, W)
Labels = NDArray[np.int32]  # (H, W), the number of the piece that a pixel belongs to
Places = NDArray[np.intp]  # indices of rows or columns
U8 = NDArray[np.uint8]  # samples in any shape
F32 = NDArray[np.float32]  # the same, in any range
Gains = NDArray[np.float64]  # (3,), what red, green and blue are multiplied by
