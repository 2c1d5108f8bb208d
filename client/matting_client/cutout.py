"""A cutout: a photo and its alpha, from which every option makes its result."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

from matting_client import processing
from matting_client.behind import picture_of
from matting_client.correction import Correction, Pick, Stroke
from matting_client.errors import OptionError
from matting_client.files import Encoded, Origin
from matting_client.framing import window_of
from matting_client.imaging.decode import check_pixels
from matting_client.imaging.encode import FORMAT_OF_SUFFIX, MEDIA_TYPES, encode, encode_within, write
from matting_client.imaging.tags import Tags, kept_exif
from matting_client.lengths import region_box
from matting_client.options import Options, given_options, parse_colour
from matting_client.settled import is_settled, settled
from matting_client.timing import Stopwatch, Timings
from matting_client.types import Alpha, Image

WHITE = (255, 255, 255)
_ARRAYS = ("rgb", "raw", "cover")  # of a cutout


@dataclass(frozen=True, eq=False, repr=False)
class Cutout:
    """A photo with its alpha, kept as the model gave it, so that options change without a new inference.

    Two cutouts are equal when they are the same object. Arrays that could still be written to are copied when it is
    made, and its own never can be; `render` gives new ones, `alpha`, `layers` and `source` may give its own.

    Attributes
    ----------
    rgb : (H, W, 3) photo.
    raw : (H, W) alpha before any option.
    options : how `render` and `encode` make the result.
    seconds : time of each step, by name.
    cover : (H, W) transparency that the photo had before, which bounds the result's alpha; None if it was opaque.
    origin : what the photo's file told beside its pixels.
    """

    rgb: Image
    raw: Alpha
    options: Options = field(default_factory=Options)
    seconds: Timings = field(default_factory=Timings)
    cover: Alpha | None = None
    origin: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            array = getattr(self, name)
            if array is not None:
                kept = array if is_settled(array) else settled(array.copy())
                object.__setattr__(self, name, kept.view())  # a view cannot be made writeable again

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickled and copied arrays can be written to, whatever the first ones could.
        arrays = {name: state[name] for name in _ARRAYS if state[name] is not None}
        vars(self).update(state | {name: settled(array).view() for name, array in arrays.items()})

    def __repr__(self) -> str:
        height, width = self.raw.shape
        return f"<Cutout {width}x{height} {self.options.format}>"

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(each.nbytes for each in (self.rgb, self.raw, self.cover) if each is not None)

    def with_options(self, options: Options) -> Cutout:
        """The same photo and alpha, made differently; `passes`, `orientation` and `refine` belong to the alpha.

        Raises
        ------
        OptionError
            They are no options.
        """
        if options is None:
            raise OptionError("options", "None", "Options", "use Options() for the defaults")
        return replace(self, options=given_options(options))

    def corrected(
        self, mask: Alpha | None = None, *, picks: Iterable[Pick] = (), strokes: Iterable[Stroke] = ()
    ) -> Cutout:
        """The same photo with its alpha corrected by hand and kept like the model's: every option works on it.

        Parameters
        ----------
        mask : (h, w) uint8 of the photo's shape, in any size: white keeps, black removes, grey leaves the alpha as it
            is; its borders snap to the photo's edges.
        picks : people and things to remove, or to keep alone; see `subjects`.
        strokes : of a brush that keeps or removes, one after the other; their borders snap to the photo's edges.

        Raises
        ------
        InputError
            The mask is of another shape than the photo.
        OptionError
            Too many strokes or picks; one lies beside the photo; a picked subject is not there.
        """
        correction = Correction(mask, picks, strokes)  # type: ignore[arg-type]  # which makes tuples of them
        watch = Stopwatch(self.seconds)
        with watch.step("correct"):
            raw = correction.apply(self.rgb, self.raw)
        return replace(self, raw=raw, seconds=watch.timings)

    def subjects(self) -> list[processing.Subject]:
        """The people and things of the result that do not touch each other, the largest first: box, area, a point."""
        return processing.list_subjects(self.raw)

    @property
    def uncertainty(self) -> float:
        """How doubtful the result is, from its own alpha: about 0.02 for a good portrait; see `processing.doubt`."""
        return processing.uncertainty(self.raw)

    @cached_property
    def is_empty(self) -> bool:
        """Whether the result shows no subject: none was found, or the options leave nothing of it.

        Raises
        ------
        OptionError
            The region lies outside the photo.
        """
        return processing.is_empty(self.alpha)

    @property
    def alpha(self) -> Alpha:
        """(H, W) alpha of the whole photo after threshold, erode, feather and region."""
        return self._alphas()[1]

    def _alphas(self) -> tuple[Image, Image]:
        """Alpha after the threshold, which clears what is not the subject, and after what changes the look of it."""
        o = self.options
        cleared = processing.threshold(self.raw, o.alpha_threshold)
        if o.solid:
            cleared = processing.fill_inside(cleared)
        pha = processing.erode(cleared, o.erode)
        pha = processing.feather(pha) if o.feather else pha
        if self.cover is not None:
            pha = np.minimum(pha, self.cover)
            cleared = processing.share_of(cleared, self.cover)  # beneath a soft cover the colours are the subject's own
        # Last, so that a subject cut by the region's border is not softened there.
        return cleared, processing.clear_outside(pha, region_box(o.roi, pha.shape)) if o.roi else pha

    @property
    def enlargement(self) -> float:
        """How many pixels across the result has for one of the photo; more than 1 shows no more of the subject."""
        window = window_of(self.options, self.alpha)
        return window.size[0] / window.width

    def layers(self) -> tuple[Image, Image]:
        """The result before it is put on anything: colours (h, w, 3), black where nothing is, and alpha (h, w).

        A shadow is part of both. Errors as of `subject_layers`.
        """
        o = self.options
        return processing.cast_shadow(*self.subject_layers(), o.shadow, o.shadow_opacity)

    def subject_layers(self) -> tuple[Image, Image]:
        """As `layers`, without a shadow. Raises OptionError where the region lies outside the photo."""
        cleared, pha = self._alphas()
        # The photo was mixed by its own alpha: colours found with a moved edge would be wrong there.
        if self.options.foreground:
            fgr = processing.estimate_foreground(self.rgb, cleared, pha)
        else:
            fgr = cv2.copyTo(self.rgb, pha)  # nothing of the old background where nothing is
        window = window_of(self.options, pha)
        if not window.is_whole(pha.shape):
            rgba = processing.render_window(processing.cutout_rgba(fgr, pha), window)
            fgr = np.ascontiguousarray(rgba[..., :3])
            pha = np.ascontiguousarray(rgba[..., 3])
        return fgr, pha

    def source(self) -> Image:
        """The photo as the result shows it, to be laid beside: (h, w, 3), white where clear, black beyond it."""
        seen = self.rgb if self.cover is None else processing.compose_colour(self.rgb, self.cover, WHITE)
        pha = self._alphas()[1]
        window = window_of(self.options, pha)
        if window.is_whole(pha.shape):
            return seen
        opaque = processing.cutout_rgba(seen, np.full_like(pha, 255))
        return np.ascontiguousarray(processing.render_window(opaque, window)[..., :3])

    def render(self, background: Image | None = None) -> Image:
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
            The options' background picture cannot be read, or `background` is no such picture.
        OptionError
            The region lies outside the photo.
        """
        if self.options.alpha_only:
            pha = self.alpha
            shown: Alpha = processing.render_window(pha, window_of(self.options, pha))
            return shown if shown.flags.writeable else shown.copy()
        return self.compose(*self.layers(), background)

    def compose(self, fgr: Image, pha: Image, background: Image | None = None) -> Image:
        """The result's pixels from its `layers`; parameter, value and errors as of `render`, without an alpha alone."""
        o = self.options
        if background is not None:
            check_pixels(background, "background")
        elif isinstance(o.background, Path):
            background = picture_of(o.background)
        elif o.background in processing.BACKDROPS:
            background = self._backdrop(str(o.background), pha.shape)
        if background is not None:
            return processing.compose_picture(fgr, pha, background)
        if o.background is None and o.format != "jpeg":
            return processing.cutout_rgba(fgr, pha)
        return processing.compose_colour(fgr, pha, parse_colour(str(o.background)) if o.background else WHITE)

    def _backdrop(self, name: str, shape: tuple[int, ...]) -> Image:
        if name == processing.BLUR:
            blurred = processing.blur_around(self.rgb, self.raw, cover=self.cover)
            return processing.window_behind(blurred, self.raw.shape, window_of(self.options, self.alpha))
        return processing.draw_backdrop(name, (shape[0], shape[1]))

    def to_image(self, background: Image | None = None) -> PIL.Image.Image:
        """The result as a picture of Pillow's, "L", "RGB" or "RGBA"; parameter and errors as of `render`."""
        return PIL.Image.fromarray(self.render(background))

    def encode(self, background: Image | None = None) -> Encoded:
        """The result as a file of the options' format; parameter as of `render`.

        Raises
        ------
        OutputError
            It cannot be stored in that format; other errors as of `render`.
        """
        watch = Stopwatch(self.seconds)
        with watch.step("compose"):
            picture = self.render(background)
        with watch.step("encode"):
            data = self.encoded(picture)
        height, width = picture.shape[:2]
        return Encoded(data, MEDIA_TYPES[self.options.format], (width, height), watch.timings)

    def encoded(self, picture: Image) -> bytes:
        """The bytes of a file with a `picture` that was made of this cutout; errors as of `encode`."""
        o = self.options
        tags = Tags(self.origin.dpi, kept_exif(self.origin.exif)) if o.keep_exif else Tags(None, b"")
        if o.dpi:
            tags = replace(tags, dpi=(o.dpi, o.dpi))
        if o.max_kb is None:
            return encode(picture, o.format, o.quality, tags)
        return encode_within(picture, o.format, o.quality, 1000 * o.max_kb, tags)

    def to_bytes(self, background: Image | None = None) -> bytes:
        """The bytes of `encode`."""
        return self.encode(background).data

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result; the file appears only when it is complete.

        Parameters
        ----------
        path : its suffix, .png, .jpg, .jpeg or .webp, is the format; without one the options say it.

        Raises
        ------
        OptionError
            The suffix is that of another kind of picture, or of one that cannot hold an alpha.
        OutputError
            It cannot be encoded or written; other errors as of `render`.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        format = FORMAT_OF_SUFFIX.get(suffix)
        if format is None and (mimetypes.guess_type("a" + suffix)[0] or "").startswith("image/"):
            raise OptionError(target, f"the suffix {target.suffix}", ".png, .jpg or .webp", option="format")
        options = self.options if format is None else self.options.with_changes(format=format)
        write(target, self.with_options(options).to_bytes())
