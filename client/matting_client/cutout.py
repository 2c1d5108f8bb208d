"""A cutout: a photo and its alpha, from which every option makes its result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matting_client import processing
from matting_client.imaging.decode import read
from matting_client.imaging.encode import encode, write
from matting_client.lengths import parse_margins, parse_position, parse_scale, parse_size, region_box
from matting_client.options import Options, parse_colour

Picture = NDArray[np.uint8]
WHITE = (255, 255, 255)


@lru_cache(maxsize=1)
def _background_of(path: Path, changed: int) -> Picture:
    return read(path)


def _background(path: Path) -> Picture:
    """The background picture, kept for the next photo as long as its file does not change."""
    try:
        return _background_of(path.absolute(), path.stat().st_mtime_ns)
    except OSError:
        return read(path)  # which says what is wrong


@dataclass(frozen=True)
class Origin:
    """What a photo's file told beside its pixels.

    Attributes
    ----------
    notes : what was repaired or left out when it was read, as sentences to show.
    dpi : pixels an inch across and down, when the file says so.
    exif : the file's EXIF block.
    """

    notes: tuple[str, ...] = ()
    dpi: tuple[float, float] | None = None
    exif: bytes = b""


@dataclass(frozen=True)
class Cutout:
    """A photo with its alpha, kept as the model gave it, so that options change without a new inference.

    Attributes
    ----------
    rgb : (H, W, 3) photo.
    raw : (H, W) alpha before any option.
    options : how `render` and `to_bytes` make the result.
    seconds : time of each step, by name.
    cover : (H, W) transparency that the photo had before, which bounds the result's alpha; None if it was opaque.
    origin : what the photo's file told beside its pixels.
    """

    rgb: Picture
    raw: Picture
    options: Options = field(default_factory=Options)
    seconds: dict[str, float] = field(default_factory=dict)
    cover: Picture | None = None
    origin: Origin = field(default_factory=Origin)

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(each.nbytes for each in (self.rgb, self.raw, self.cover) if each is not None)

    def with_options(self, options: Options) -> Cutout:
        """The same photo and alpha, made differently."""
        return replace(self, options=options)

    @property
    def uncertainty(self) -> float:
        """How doubtful the result is, from its own alpha: about 0.01 for a good portrait; see `processing.doubt`."""
        return processing.uncertainty(self.raw)

    @property
    def is_empty(self) -> bool:
        """Whether no subject was found."""
        return processing.is_empty(self.raw)

    @property
    def alpha(self) -> Picture:
        """(H, W) alpha of the whole photo after threshold, erode, feather and region."""
        return self._alphas()[1]

    def _alphas(self) -> tuple[Picture, Picture]:
        """Alpha after the threshold, which clears what is not the subject, and after what changes the look of it."""
        o = self.options
        cleared = processing.threshold(self.raw, o.alpha_threshold)
        pha = processing.erode(cleared, o.erode)
        pha = processing.feather(pha) if o.feather else pha
        if self.cover is not None:
            pha = np.minimum(pha, self.cover)
            cleared = processing.share_of(cleared, self.cover)  # beneath a soft cover the colours are the subject's own
        # Last, so that a subject cut by the region's border is not softened there.
        return cleared, processing.clear_outside(pha, region_box(o.roi, pha.shape)) if o.roi else pha

    def _window(self, pha: Picture) -> processing.Window:
        """What of the photo the result shows."""
        o = self.options
        height, width = pha.shape
        window = processing.Window(0, 0, width, height, (width, height))
        scale = parse_scale(o.scale)
        position = parse_position(o.position or ("original" if scale is None else "center"))
        if o.crop or scale is not None or position is not None:
            box = processing.subject_box(pha)
            if box is not None:  # nothing to crop to otherwise
                window = processing.place_window((height, width), box, self._margins(box), scale, position)
        return window.limited(*parse_size(o.size))

    def _margins(self, box: processing.Box) -> tuple[int, int, int, int] | None:
        if not self.options.crop:
            return None
        top, right, bottom, left = parse_margins(self.options.crop_margin)
        return top.of(box.height), right.of(box.width), bottom.of(box.height), left.of(box.width)

    def layers(self) -> tuple[Picture, Picture]:
        """The result before it is put on anything: colours (h, w, 3), black where nothing is, and alpha (h, w).

        Raises
        ------
        OptionError
            The region lies outside the photo.
        """
        cleared, pha = self._alphas()
        # The photo was mixed by its own alpha: colours found with a moved edge would be wrong there.
        fgr = processing.estimate_foreground(self.rgb, cleared, pha) if self.options.foreground else self.rgb
        window = self._window(pha)
        if window.is_whole(pha.shape):
            return fgr, pha
        rgba = processing.look(processing.cutout_rgba(fgr, pha), window)
        return np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])

    def source(self) -> Picture:
        """The photo itself as the result shows it, to be laid beside: (h, w, 3), black beyond the photo."""
        pha = self._alphas()[1]
        window = self._window(pha)
        if window.is_whole(pha.shape):
            return self.rgb
        opaque = processing.cutout_rgba(self.rgb, np.full_like(pha, 255))
        return np.ascontiguousarray(processing.look(opaque, window)[..., :3])

    def render(self, background: Picture | None = None) -> Picture:
        """The result's pixels.

        Parameters
        ----------
        background : (h, w, 3) picture to put behind instead of the options' background.

        Returns
        -------
        (h, w) for an alpha, (h, w, 3) on a background, (h, w, 4) transparent; of the photo's size unless the options
        crop or limit it.

        Raises
        ------
        InputError
            The options' background picture cannot be read.
        OptionError
            The region lies outside the photo.
        """
        if self.options.alpha_only:
            pha = self.alpha
            return processing.look(pha, self._window(pha))
        return self.compose(*self.layers(), background)

    def compose(self, fgr: Picture, pha: Picture, background: Picture | None = None) -> Picture:
        """The result's pixels from its `layers`; parameter, value and errors as of `render`, without an alpha alone."""
        o = self.options
        if background is None and isinstance(o.background, Path):
            background = _background(o.background)
        if background is not None:
            return processing.compose_picture(fgr, pha, background)
        if o.background is None and o.format != "jpeg":
            return processing.cutout_rgba(fgr, pha)
        return processing.compose_colour(fgr, pha, parse_colour(str(o.background)) if o.background else WHITE)

    def to_bytes(self, background: Picture | None = None) -> bytes:
        """The result as a file of the options' format; parameter and errors as of `render`."""
        start = time.perf_counter()
        picture = self.render(background)
        self.seconds["compose"] = time.perf_counter() - start
        start = time.perf_counter()
        data = encode(picture, self.options.format, self.options.quality)
        self.seconds["encode"] = time.perf_counter() - start
        return data

    def save(self, path: Path | str) -> None:
        """Write the result; the file appears only when it is complete.

        Raises
        ------
        OutputError
            It cannot be encoded or written; other errors as of `render`.
        """
        write(Path(path), self.to_bytes())
