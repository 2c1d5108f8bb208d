"""What to do with a photo: one frozen value, checked when it is made, and the presets that name useful ones."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib.resources import files
from numbers import Real
from pathlib import Path
from typing import Any, Self

from PIL import ImageColor

from matting_client.errors import OptionError, shown
from matting_client.imaging import formats
from matting_client.lengths import parse_canvas, parse_margins, parse_position, parse_region, parse_scale, parse_size
from matting_client.processing import BACKDROPS, SHADOWS

FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
MAX_THRESHOLD = 50
MAX_ERODE = 5
ORIENTATIONS = ("auto", "given")
BACKGROUNDS = f"#rrggbb, a colour name, a picture file, or {', '.join(BACKDROPS)}"  # what there may be, for people
_MEASURES: dict[str, Callable[[str], object]] = {
    "roi": parse_region,
    "crop_margin": parse_margins,
    "scale": parse_scale,
    "position": parse_position,
    "size": parse_size,
    "canvas": parse_canvas,
}
_MAY_BE_NONE = ("roi", "position", "canvas")
_SWITCHES = ("alpha_only", "feather", "solid", "foreground", "refine", "crop", "keep_exif")
MAX_DPI = 9600
MAX_KB = 1_000_000


@dataclass(frozen=True)
class Options:
    """How a cutout is made from a photo and its alpha.

    Parameters
    ----------
    background : "#rrggbb", "#rgb" or a CSS colour name; a `Path` of a picture; "blur", the photo's own background
        out of focus; "studio", "dawn", "mint", "room", "lights" or "meadow", which are drawn; None for transparent.
    format : "png", "jpeg" or "webp". A JPEG without a background stands on white, as it cannot be transparent.
    quality : of JPEG and WebP, 1..100; 100 makes WebP lossless.
    alpha_only : the alpha itself, as an 8-bit grey PNG.
    alpha_threshold : 0..50, in 1/255: alpha below it becomes 0 and the rest is stretched back to 0..255.
    erode : -5..5 px at a 1024 px short side, scaled with the photo: pulls the edge inwards; negative dilates.
    feather : soften the edge a little.
    solid : make what lies inside the subject opaque, as where a window or a glass lets the background through.
    foreground : give the edge the subject's own colours, without the old background's.
    refine : follow the photo's own edges when it is larger than the model's input.
    passes : 2 looks at a subject that is small in its photo a second time, up close; 1 asks the model once.
    orientation : "auto" turns a photo that lies on its side or head, and does not say so, upright for the model; the
        result lies as the photo does. "given" takes the photo as it is.
    roi : "left top right bottom" in px or %: only what of the subject lies in this part of the photo counts.
    crop : cut the result to the subject.
    crop_margin : room around a cropped subject: one, two (top and bottom, left and right) or four (top, right, bottom,
        left) of 0..500px or 0..50% of the subject's size.
    scale : "original" or "10%".."100%": how much of the result's width or height the subject fills.
    position : "original", "center", or "x% y%": how the room beside the subject is divided. None: center with a scale,
        else original.
    size : "original", or the largest result: a longest side such as "1080px", or an area such as "0.25MP".
    canvas : "2000x2000" or "2000": the result has exactly this many pixels, and the subject fills `scale` of it, 85 %
        where that says nothing, at `position`, the middle where that says nothing. None: no canvas.
    shadow : "drop", a soft one behind the subject; "contact", a dark line below what touches the ground; or "none".
    shadow_opacity : 0..100, how dark it is.
    max_kb : the largest JPEG or WebP, in units of 1,000 bytes: the quality is lowered until it fits. None: any.
    dpi : 1..9600 pixels an inch to write into the file. None: none, or the photo's own with `keep_exif`.
    keep_exif : write into the file when and with what the photo was taken; never where, or by whose device.

    Raises
    ------
    OptionError
        A value is none of these.
    """

    background: str | Path | None = None
    format: str = "png"
    quality: int = 92
    alpha_only: bool = False
    alpha_threshold: int = 0
    erode: float = 0.0
    feather: bool = False
    solid: bool = False
    foreground: bool = True
    refine: bool = True
    passes: int = 2
    orientation: str = "auto"
    roi: str | None = None
    crop: bool = False
    crop_margin: str = "0"
    scale: str = "original"
    position: str | None = None
    size: str = "original"
    canvas: str | None = None
    shadow: str = "none"
    shadow_opacity: int = 50
    max_kb: int | None = None
    dpi: float | None = None
    keep_exif: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.format, str) or self.format not in FORMATS:
            raise OptionError("format", shown(self.format), "png, jpeg or webp")
        object.__setattr__(self, "format", FORMATS[self.format])
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise OptionError(name, shown(getattr(self, name)), "True or False")
        self._set_number("quality", int, 1, 100)
        self._set_number("alpha_threshold", int, 0, MAX_THRESHOLD)
        self._set_number("erode", float, -MAX_ERODE, MAX_ERODE)
        self._set_number("passes", int, 1, 2)
        self._set_number("shadow_opacity", int, 0, 100)
        if self.max_kb is not None:
            self._set_number("max_kb", int, 1, MAX_KB)
        if self.dpi is not None:
            self._set_number("dpi", float, 1, MAX_DPI)
        for name, values in (("orientation", ORIENTATIONS), ("shadow", SHADOWS)):
            if not isinstance(getattr(self, name), str) or getattr(self, name) not in values:
                raise OptionError(name, shown(getattr(self, name)), " or ".join(values))
        self._set_background()
        if self.max_kb is not None and self.format == "png":
            raise OptionError("max_kb", shown(self.max_kb), "nothing for a PNG, which has one size; use jpeg or webp")
        if self.alpha_only and self.format != "png":
            raise OptionError("format", shown(self.format), "png for an alpha, which must not lose anything")
        for name, parse in _MEASURES.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            try:
                parse(value if isinstance(value, str) else "")  # which is none of them
            except OptionError as error:
                raise error.replace(got=shown(value)) from None

    def _set_number(self, name: str, kind: type[int] | type[float], low: int, high: int) -> None:
        """Check a number and make it Python's own; 2.0, which JSON and sliders may give for 2, is a whole number."""
        value = getattr(self, name)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise OptionError(name, shown(value), f"{low} to {high}")
        if kind is int and int(value) != value:
            raise OptionError(name, shown(value), f"a whole number, {low} to {high}")
        object.__setattr__(self, name, kind(value))

    def _set_background(self) -> None:
        background = self.background
        if isinstance(background, os.PathLike):
            object.__setattr__(self, "background", Path(background))
        elif isinstance(background, str):
            if background.lower().endswith(formats.SUFFIXES):
                raise OptionError("background", shown(background), "a Path of a picture", f"use Path({background!r})")
            if background not in BACKDROPS:
                parse_colour(background, BACKGROUNDS)
        elif background is not None:
            raise OptionError(
                "background",
                shown(background),
                f"None, a colour's name or #rrggbb, a Path, or one of {', '.join(BACKDROPS)}",
            )

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> Self:
        """The options of a preset, some of them replaced.

        Raises
        ------
        OptionError
            No such preset or option, or a value out of range.
        """
        known = presets()
        if name not in known:
            raise OptionError("preset", shown(name), f"one of {', '.join(known)}")
        return cls.of({**known[name].options, **overrides})

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Options from values by name.

        Raises
        ------
        OptionError
            No such option, or a value out of range.
        """
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise OptionError("", f"the unknown option {min(unknown)!r}", remedy="see Options", option=min(unknown))
        return cls(**values)

    def for_alpha(self) -> Self:
        """The options that give the alpha of the same result, which is a PNG and loses nothing."""
        return replace(self, alpha_only=True, format="png", max_kb=None)

    def in_place(self) -> Self:
        """The options that show the subject where it is in the whole photo, in its size and without a shadow."""
        place: dict[str, Any] = {"crop": False, "scale": "original", "position": None, "size": "original"}
        return replace(self, **place, canvas=None, shadow="none")

    def with_changes(self, **changes: Any) -> Self:
        """A copy with some values replaced, checked like a new one."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Preset:
    """Named options with a sentence on what they are for, in English and Chinese."""

    name: str
    title: dict[str, str]
    description: dict[str, str]
    options: dict[str, Any]


@lru_cache
def presets() -> dict[str, Preset]:
    """The presets by name, in the order to show them."""
    text = files("matting_client").joinpath("presets.json").read_text(encoding="utf-8")
    return {name: Preset(name, **values) for name, values in json.loads(text).items()}


def parse_colour(text: str, expected: str = "#rrggbb or a colour name") -> tuple[int, int, int]:
    """RGB of "#rrggbb", "#rgb", "rrggbb" or a CSS colour name; `expected` is what an error asks for.

    Raises
    ------
    OptionError
        Not such a colour.
    """
    hexadecimal = re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text)
    try:
        red, green, blue, *alpha = ImageColor.getrgb("#" + hexadecimal[1] if hexadecimal else text)
    except ValueError:
        raise OptionError("background", shown(text), expected) from None
    if not all(0 <= each <= 255 for each in (red, green, blue)):  # as of "rgb(300, 0, 0)"
        raise OptionError("background", shown(text), expected)
    if alpha:
        raise OptionError("background", shown(text), "a colour without transparency, such as #ffffff")
    return red, green, blue


def given_options(options: object) -> Options:
    """The options that somebody gave; the defaults for None.

    Raises
    ------
    OptionError
        They are none.
    """
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise OptionError("options", shown(options), "Options", "use Options(...) or Options.from_preset(name)")
    return options
