"""What stands still stays exactly still: where the picture does not change beyond its noise, alpha does not."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from matting_client.types import Picture

LEVELS = 3  # colour levels (0..255) by which noise may move a smoothed pixel
SIGMA = 1.5  # pixels of that smoothing, at the model's resolution
RADIUS = 4  # pixels around a change that count as changed, the same


@dataclass(frozen=True, eq=False, repr=False)
class Still:
    """The alpha that is shown, and the picture it was made for, pixel by pixel.

    A pixel is compared with the picture in which its alpha was made, not with the last one, so that slow changes are
    followed too.

    Attributes
    ----------
    seen : smoothed frame (h, w, 3) uint8 at the model's resolution; None before the first.
    shown : alpha (H, W) uint8; None before the first.
    """

    seen: Picture | None = None
    shown: Picture | None = None

    def after(self, rgb: Picture, pha: Picture) -> Still:
        """The state after the next frame.

        Parameters
        ----------
        rgb : (h, w, 3) frame at the model's resolution.
        pha : (H, W) alpha of the same frame at any resolution. It is shown wherever the picture has changed; elsewhere
            the alpha shown before stays.
        """
        seen: Picture = cv2.GaussianBlur(rgb, (0, 0), SIGMA)
        if self.seen is None or self.shown is None or self.seen.shape != seen.shape or self.shown.shape != pha.shape:
            return Still(seen, pha)
        moved = (cv2.absdiff(seen, self.seen).max(axis=2) > LEVELS).astype(np.uint8)
        changed = cv2.dilate(moved, np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8))
        wide = cv2.resize(changed, (pha.shape[1], pha.shape[0]), interpolation=cv2.INTER_NEAREST)
        return Still(
            cv2.copyTo(seen, changed, self.seen.copy()).astype(np.uint8, copy=False),
            cv2.copyTo(pha, wide, self.shown.copy()).astype(np.uint8, copy=False),
        )

    def save(self, path: Path) -> None:
        """Write the state, so that another process can go on from here. Raises OSError."""
        # As one: a ZIP whose disk is full would end with an error about itself.
        data = io.BytesIO()
        arrays = {name: value for name, value in (("seen", self.seen), ("shown", self.shown)) if value is not None}
        np.savez(data, **arrays)
        path.write_bytes(data.getvalue())

    @classmethod
    def load(cls, path: Path) -> Still:
        """The state that `save` wrote. Raises ValueError or OSError where it is damaged or gone."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})
