"""What a request asks for, in remove.bg's parameters or in our own, as options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from matting_client import OptionError, Options, Pick, Stroke
from matting_client.correction import MOST_MARKS, Correction
from matting_client.idphoto import IdAsked
from matting_client.options import parse_colour
from matting_client.shop import Template, templates

from matting_api.errors import ApiError, bad_request
from matting_api.settings import MODELS

# remove.bg's names, and the largest result they stand for. auto and full are the photo's own size.
SIZES = {
    "auto": "original",
    "full": "original",
    "preview": "0.25MP",
    "small": "0.25MP",
    "regular": "0.25MP",
    "medium": "1.5MP",
    "hd": "4MP",
    "4k": "10MP",
    "50MP": "50MP",
}
TYPES = ("auto", "person", "product", "animal", "car", "transportation", "graphic", "other")
FORMATS = {"auto": "", "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "zip": "jpeg"}
CHANNELS = ("rgba", "alpha")
FLAGS = {"": False, "false": False, "0": False, "no": False, "true": True, "1": True, "yes": True}
_WITH_ALPHA = re.compile(r"#?([0-9a-fA-F]{8}|[0-9a-fA-F]{4})")
FRAMING = ("roi", "crop_margin", "scale", "position")  # the same text as in `Options`
# Parameters of remove.bg that this server knows no other value of: the ones that change nothing.
FIXED = {"type_level": ("none", "1", "2", "latest", "")}
# remove.bg's shadows, and the ones of ours that they stand for. A car stands on the ground.
SHADOW_TYPES = {"none": "none", "auto": "contact", "car": "contact", "3D": "contact", "drop": "drop"}
SHADOW_FIELDS = ("add_shadow", "shadow_type", "shadow_opacity")
# Our own parameters, by how their text is read.
_NUMBERS: dict[str, type[int] | type[float]] = {
    "quality": int,
    "alpha_threshold": int,
    "erode": float,
    "passes": int,
    "shadow_opacity": int,
    "max_kb": int,
    "dpi": float,
}
_SWITCHES = ("feather", "solid", "foreground", "refine", "crop", "keep_exif")
_TEXTS = (*FRAMING, "orientation", "size", "canvas", "shadow", "format", "background")
CUTOUT_FIELDS = ("preset", "template", "model", "points", *_NUMBERS, *_SWITCHES, *_TEXTS)
_NOT_OF_AN_ALPHA = ("template", "quality", "max_kb", "foreground", "format", "background", "shadow", "shadow_opacity")
ALPHA_FIELDS = tuple(name for name in CUTOUT_FIELDS if name not in _NOT_OF_AN_ALPHA)


@dataclass(frozen=True)
class Asked:
    """What was asked for."""

    options: Options
    type: str = "other"
    as_zip: bool = False
    model: str | None = None  # None: the server's own
    must_find: bool = False  # a photo without a subject is an error
    correction: Correction = field(default_factory=Correction)
    id_photo: IdAsked | None = None
    template: Template | None = None  # whose rules the result is held against
    translucent: tuple[int, int, int, int] | None = None  # RGBA to put behind, which lets through what lies behind it


def read_removebg(fields: Mapping[str, str], has_background: bool, default_size: str = "auto") -> Asked:
    """Options from the text fields of remove.bg.

    Without a format a result with an opaque background is a JPEG, another one a PNG.

    Raises
    ------
    ApiError
        An unknown parameter, or a value it cannot have.
    """
    refuse_unknown(
        fields,
        {
            "size",
            "type",
            "format",
            "channels",
            "bg_color",
            "crop",
            *FRAMING,
            *FIXED,
            *SHADOW_FIELDS,
            "semitransparency",
        },
    )
    for name, values in FIXED.items():
        if fields.get(name, values[0]) not in values:
            expected = " or ".join(value for value in values if value) or "nothing"
            detail = f"{name}: got {fields[name][:50]!r}, this server supports only {expected}"
            raise bad_request("unsupported_parameter", "Unsupported parameter", detail)
    size = SIZES[read_choice({"size": fields.get("size") or default_size}, "size", SIZES)]
    kind = read_choice(fields, "type", TYPES)
    alpha_only = read_choice(fields, "channels", CHANNELS) == "alpha"
    format = read_choice(fields, "format", FORMATS)
    translucent = _translucent(fields.get("bg_color", ""))
    if translucent is not None and FORMATS[format] == "jpeg" and format != "zip":
        background: str | None = _on_white(translucent)
        translucent = None
    else:
        background = None if translucent is not None else read_colour("bg_color", fields.get("bg_color", ""))
    if (background or translucent) and has_background:
        raise bad_request(
            "invalid_parameter", "Two backgrounds", "bg_color: got a colour and a picture, expected one of them"
        )
    behind = bool(background) or has_background
    if format == "zip" and (alpha_only or behind or translucent):
        detail = "format: got zip, which holds the subject's colours and alpha; leave out bg_* and channels"
        raise bad_request("invalid_parameter", "Invalid format", detail)
    options = _options(
        background=background,
        format=FORMATS[format] or ("jpeg" if behind and not alpha_only else "png"),
        alpha_only=alpha_only,
        size=size,
        crop=_flag("crop", fields.get("crop", "")),
        solid=not _flag("semitransparency", fields.get("semitransparency") or "true"),
        **_shadow(fields),
        **{name: fields[name] for name in FRAMING if fields.get(name)},
    )
    return Asked(
        options,
        type="other" if kind == "auto" else kind,
        as_zip=format == "zip",
        must_find=True,
        translucent=translucent,
    )


def read_cutout(fields: Mapping[str, str], has_background: bool) -> Asked:
    """Options from fields named as those of `Options`, and `preset`.

    Raises
    ------
    ApiError
        As of `read_removebg`.
    """
    refuse_unknown(fields, CUTOUT_FIELDS)
    changes = _changes(fields)
    if changes.get("background") and has_background:
        raise bad_request(
            "invalid_parameter", "Two backgrounds", "background: got a colour and a picture, expected one"
        )
    shop = _template(fields)
    options = _options(fields.get("preset"), **{**(shop.options if shop else {}), **changes})
    return Asked(options, model=_model(fields), template=shop, correction=_correction(fields))


def read_alpha(fields: Mapping[str, str], has_background: bool) -> Asked:
    """Options of an alpha from fields named as those of `Options`, and `preset`.

    Raises
    ------
    ApiError
        As of `read_removebg`, or there is a picture to put behind it.
    """
    refuse_unknown(fields, ALPHA_FIELDS)
    if has_background:
        raise bad_request(
            "unsupported_parameter", "Unsupported parameter", "got a background, expected none for an alpha"
        )
    changes = _changes(fields)
    options = _options(fields.get("preset"), **{**changes, "alpha_only": True, "format": "png", "background": None})
    return Asked(options, model=_model(fields), correction=_correction(fields))


def _shadow(fields: Mapping[str, str]) -> dict[str, Any]:
    """Options of remove.bg's shadow; a transparent alpha has none."""
    wanted = _flag("add_shadow", fields.get("add_shadow", ""))
    kind = SHADOW_TYPES[read_choice(fields, "shadow_type", SHADOW_TYPES)]
    shadow = kind if kind != "none" else "contact" if wanted else "none"
    text = fields.get("shadow_opacity")
    return {"shadow": shadow, **({"shadow_opacity": read_number("shadow_opacity", text, int)} if text else {})}


def _template(fields: Mapping[str, str]) -> Template | None:
    name = fields.get("template")
    if not name:
        return None
    if fields.get("preset"):
        raise bad_request(
            "invalid_parameter", "Two sets of options", "template: got a preset beside it, expected one of them"
        )
    return templates()[read_choice(fields, "template", templates())]


def _model(fields: Mapping[str, str]) -> str | None:
    return read_choice(fields, "model", MODELS) if fields.get("model") else None


def _correction(fields: Mapping[str, str]) -> Correction:
    """The points to correct a result at, from JSON: `[{"x": 310, "y": 620, "keep": true, "radius": 40}, ...]`."""
    text = fields.get("points", "")
    try:
        points: Any = json.loads(text) if text else []
    except (ValueError, RecursionError):
        raise _invalid("points", f"points: got {text[:50]!r}, expected JSON") from None
    if not isinstance(points, list) or len(points) > MOST_MARKS:
        raise _invalid("points", f"points: got {text[:50]!r}, expected a list of at most {MOST_MARKS} points")
    marks = [_mark(point) for point in points]
    picks = tuple(mark for mark in marks if isinstance(mark, Pick))
    return Correction(picks=picks, strokes=tuple(mark for mark in marks if isinstance(mark, Stroke)))


def _mark(point: Any) -> Pick | Stroke:
    """A subject to keep or remove, or with a radius a dab of a brush."""
    expected = "x, y, keep (true or false) and perhaps a radius, in pixels of the photo"
    if not isinstance(point, dict) or point.keys() - {"radius"} != {"x", "y", "keep"}:
        raise _invalid("points", f"points: got {str(point)[:100]!r}, expected {expected}")
    if not isinstance(point["keep"], bool):
        raise _invalid("points", f"points: got keep {str(point['keep'])[:50]!r}, expected true or false")
    try:
        if "radius" in point:
            return Stroke(point["keep"], ((point["x"], point["y"]),), point["radius"])
        return Pick(point["keep"], point["x"], point["y"])
    except OptionError as error:
        raise _invalid("points", f"points: {error}") from None


def _changes(fields: Mapping[str, str]) -> dict[str, Any]:
    changes: dict[str, Any] = {name: fields[name] for name in _TEXTS if fields.get(name)}
    if "background" in changes:
        changes["background"] = read_colour("background", changes["background"])
    for name, kind in _NUMBERS.items():
        if fields.get(name):
            changes[name] = read_number(name, fields[name], kind)
    return changes | {name: _flag(name, fields[name]) for name in _SWITCHES if fields.get(name)}


def _options(preset: str | None = None, **values: Any) -> Options:
    try:
        return Options.from_preset(preset, **values) if preset else Options(**values)
    except OptionError as error:
        raise _invalid(error.option, str(error)) from None


def refuse_unknown(fields: Mapping[str, str], known: Collection[str]) -> None:
    """Raise an ApiError that names a field which is none of the known ones."""
    for name in fields:
        if name not in known:
            detail = f"{name[:50]}: got an unknown parameter, expected one of {', '.join(sorted(known))}"
            raise bad_request("unknown_parameter", "Unknown parameter", detail)


def read_choice(fields: Mapping[str, str], name: str, values: Collection[str]) -> str:
    """A field's value, the first of `values` where it is not given; an ApiError where it is none of them."""
    value = fields.get(name) or next(iter(values))
    if value not in values:
        raise _invalid(name, f"{name}: got {value[:50]!r}, expected {', '.join(values)}")
    return value


def _flag(name: str, text: str) -> bool:
    if text.lower() not in FLAGS:
        raise _invalid(name, f"{name}: got {text[:50]!r}, expected true or false")
    return FLAGS[text.lower()]


def read_number(name: str, text: str, kind: Callable[[str], float]) -> float:
    """A number from its text; an ApiError where it is none."""
    try:
        return kind(text[:50])
    except ValueError:
        raise _invalid(name, f"{name}: got {text[:50]!r}, expected a number") from None


def read_colour(name: str, text: str) -> str | None:
    """The colour of a text as "#rrggbb", None of an empty one; an ApiError where it is none."""
    if not text:
        return None
    try:
        red, green, blue = parse_colour(text[:50])
    except OptionError:
        expected = "hex such as 81d4fa or #fff, or a colour name"
        raise _invalid(name, f"{name}: got {text[:50]!r}, expected {expected}") from None
    return f"#{red:02x}{green:02x}{blue:02x}"


def _translucent(text: str) -> tuple[int, int, int, int] | None:
    """RGBA of a colour in hex that is not opaque; None for any other text."""
    found = _WITH_ALPHA.fullmatch(text)
    if found is None:
        return None
    digits = found[1] if len(found[1]) == 8 else "".join(2 * digit for digit in found[1])
    red, green, blue, opacity = bytes.fromhex(digits)
    return (red, green, blue, opacity)


def _on_white(colour: tuple[int, int, int, int]) -> str:
    """What a colour looks like on white, for formats that know no transparency."""
    opacity = colour[3] / 255
    red, green, blue = (round(opacity * value + (1 - opacity) * 255) for value in colour[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _invalid(name: str, detail: str) -> ApiError:
    return bad_request("invalid_parameter", f"Invalid {name[:30]}", detail)
