"""A small copy of a cutout, so that the page follows a slider at once whatever the photo's size."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from matting_client import Cutout, Options, processing
from matting_client.options import MAX_ERODE
from matting_client.types import Picture

SIDE = 1280  # pixels of the long side


@dataclass(frozen=True)
class Made:
    """A result's file: what it was made with, its path, (width, height) and bytes."""

    options: Options
    path: str
    size: tuple[int, int]
    bytes: int


class Preview:
    """A cutout with a long side of at most `side` px, and the colours of its edge once they were found."""

    def __init__(self, cutout: Cutout, side: int = SIDE) -> None:
        height, width = cutout.rgb.shape[:2]
        scale = min(1.0, side / max(height, width))
        self.scale = scale
        self.rgb = cutout.rgb
        self.raw = cutout.raw
        self.cover = cutout.cover
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            self.rgb = cv2.resize(cutout.rgb, size, interpolation=cv2.INTER_AREA)
            self.raw = cv2.resize(cutout.raw, size, interpolation=cv2.INTER_AREA)
            if cutout.cover is not None:
                self.cover = cv2.resize(cutout.cover, size, interpolation=cv2.INTER_AREA)
        self.shown: object = None  # the settings that the page shows it with
        self.before = ""  # path of the photo as the page shows it, while nothing cuts it
        self.made: Made | None = None  # the file of the result, while its settings stay
        self.is_reported = False  # whether the box of samples has it
        self._colours: tuple[int, Picture] | None = None

    def corrected(self, raw: Picture) -> Preview:
        """The small copy of the same photo with another alpha (H, W)."""
        small = copy(self)
        height, width = self.raw.shape
        fitted = raw if self.scale == 1 else cv2.resize(raw, (width, height), interpolation=cv2.INTER_AREA)
        vars(small).update(raw=fitted, shown=None, made=None, is_reported=False, _colours=None)
        return small

    @property
    def nbytes(self) -> int:
        """Memory it takes, with the colours."""
        return 2 * self.rgb.nbytes + self.raw.nbytes + (0 if self.cover is None else self.cover.nbytes)

    def with_options(self, options: Options) -> Cutout:
        """The small cutout; what it shows is what `Cutout` shows, without finding the edge's colours at each move."""
        if not options.foreground:
            return self._cutout(self.rgb, options)
        return self._cutout(self._foreground(options.alpha_threshold), options.with_changes(foreground=False))

    def views(self, options: Options) -> tuple[Picture, Picture]:
        """What the page shows of a result: itself, on squares where it is transparent, and its alpha."""
        small = self.with_options(options)
        pha = small.with_options(small.options.for_alpha()).render()
        transparent = options.background is None and options.format != "jpeg"
        return small.render(chequerboard(*pha.shape) if transparent else None), pha

    def source(self, options: Options) -> Picture:
        """The photo, cut and scaled as the result."""
        return self._cutout(self.rgb, options).source()

    def _cutout(self, rgb: Picture, options: Options) -> Cutout:
        return Cutout(rgb, self.raw, options, cover=self.cover)

    def _foreground(self, level: int) -> Picture:
        """Colours wherever erode and feather may show the subject: they depend on the threshold alone."""
        kept = self._colours
        if kept is None or kept[0] != level:
            cleared = processing.threshold(self.raw, level)
            widest = processing.feather(processing.erode(cleared, -MAX_ERODE))
            widest = np.maximum(cleared, widest)
            share = cleared if self.cover is None else processing.share_of(cleared, self.cover)
            kept = self._colours = level, processing.estimate_foreground(self.rgb, share, widest)
        return kept[1]


@lru_cache(maxsize=8)  # as long to make as the rest of a preview
def chequerboard(height: int, width: int, side: int = 16) -> Picture:
    """The board that everyone knows for transparent, (height, width, 3); not to be written to."""
    odd = np.add.outer(np.arange(height) // side, np.arange(width) // side) % 2
    board = np.where(odd[..., None] == 1, np.uint8(255), np.uint8(217)).repeat(3, axis=2)
    board.setflags(write=False)
    return board
