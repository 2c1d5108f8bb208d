"""What a request asks for, in remove.bg's parameters or in our own, as options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from matting_client import OptionError, Options, Pick, Stroke
from matting_client.correction import MOST_MARKS, Correction
from matting_client.idphoto import IdAsked
from matting_client.processing import BACKDROPS
from matting_client.processing.scene import Scene
from matting_client.repository import split_model
from matting_client.shop import Template, templates

from matting_api.errors import bad_request
from matting_api.request.fields import (
    invalid,
    laid_on_white,
    read_choice,
    read_colour,
    read_flag,
    read_number,
    read_translucent,
    refuse_unknown,
)
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
MODEL_HEADER = "X-Matting-Model"  # as the field model, for proxies that choose
TYPES = ("auto", "person", "product", "animal", "car", "transportation", "graphic", "other")
FORMATS = {"auto": "", "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "zip": "jpeg"}
CHANNELS = ("rgba", "alpha")
FRAMING = ("roi", "crop_margin", "scale", "position")  # the same text as in `Options`
# Parameters of remove.bg that this server knows no other value of: the ones that change nothing.
FIXED = {"type_level": ("none", "1", "2", "latest", "")}
# remove.bg's shadows, and the ones of ours that they stand for. A car stands on the ground.
SHADOW_TYPES = {"none": "none", "auto": "contact", "car": "contact", "3D": "contact", "drop": "drop"}
SHADOW_FIELDS = ("add_shadow", "shadow_type", "shadow_opacity")
_READ_HERE = ("size", "type", "format", "channels", "bg_color", "crop", "semitransparency")
REMOVEBG_FIELDS = (*_READ_HERE, *FRAMING, *FIXED, *SHADOW_FIELDS)
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
    scene: Scene | None = None  # of the picture that is put behind
    template: Template | None = None  # whose rules the result is held against
    translucent: tuple[int, int, int, int] | None = None  # RGBA to put behind, which lets through what lies behind it
    notes: tuple[str, ...] = ()  # what was asked for and is not done


def read_removebg(fields: Mapping[str, str], has_background: bool, default_size: str = "auto") -> Asked:
    """Options from the text fields of remove.bg.

    Without a format a result with an opaque background is a JPEG, another one a PNG.

    Raises
    ------
    ApiError
        An unknown parameter, or a value it cannot have.
    """
    refuse_unknown(fields, REMOVEBG_FIELDS)
    for name, values in FIXED.items():
        if fields.get(name, values[0]) not in values:
            expected = " or ".join(value for value in values if value) or "nothing"
            detail = f"{name}: got {fields[name][:50]!r}, this server supports only {expected}"
            raise bad_request("unsupported_parameter", "Unsupported parameter", detail)
    size = SIZES[read_choice({"size": fields.get("size") or default_size}, "size", SIZES)]
    kind = read_choice(fields, "type", TYPES)
    alpha_only = read_choice(fields, "channels", CHANNELS) == "alpha"
    format = read_choice(fields, "format", FORMATS)
    translucent = read_translucent(fields.get("bg_color", ""))
    is_jpeg = FORMATS[format] == "jpeg" and format != "zip"
    if translucent is not None and (translucent[3] == 255 or is_jpeg):
        background: str | None = laid_on_white(translucent)
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
        crop=read_flag("crop", fields.get("crop", "")),
        solid=not read_flag("semitransparency", fields.get("semitransparency") or "true"),
        **_shadow(fields),
        **{name: fields[name] for name in FRAMING if fields.get(name)},
    )
    return Asked(
        options,
        type="other" if kind == "auto" else kind,
        as_zip=format == "zip",
        must_find=True,
        translucent=translucent,
        notes=_not_done(fields, alpha_only, has_background),
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
            "invalid_parameter", "Two backgrounds", "background: got a colour or a name and a picture, expected one"
        )
    shop = _template(fields)
    options = _options(fields.get("preset"), **(shop.values(**changes) if shop else changes))
    return Asked(options, model=read_model(fields.get("model", "")), template=shop, correction=_correction(fields))


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
    return Asked(options, model=read_model(fields.get("model", "")), correction=_correction(fields))


def _shadow(fields: Mapping[str, str]) -> dict[str, Any]:
    """Options of remove.bg's shadow; false says there is none, whatever the type is."""
    wanted = fields.get("add_shadow", "")
    kind = SHADOW_TYPES[read_choice(fields, "shadow_type", SHADOW_TYPES)]
    shadow = kind if kind != "none" and not wanted else "none"
    if wanted and read_flag("add_shadow", wanted):
        shadow = kind if kind != "none" else "contact"
    text = fields.get("shadow_opacity")
    return {"shadow": shadow, **({"shadow_opacity": read_number("shadow_opacity", text, int)} if text else {})}


def _not_done(fields: Mapping[str, str], alpha_only: bool, has_background: bool) -> tuple[str, ...]:
    """What checked fields of remove.bg ask for and the result cannot have, to be warned of."""
    add = read_flag("add_shadow", fields.get("add_shadow", ""))
    typed = fields.get("shadow_type", "none") not in ("none", "")
    if alpha_only:
        asked = {
            "bg_color": fields.get("bg_color"),
            "bg_image_*": has_background and not fields.get("bg_color"),
            "add_shadow": add,
            "shadow_type": typed,
        }
        left_out = [name for name, wanted in asked.items() if wanted]
        return tuple(f"{name} was left out: channels is alpha, which holds the subject alone" for name in left_out)
    if typed and fields.get("add_shadow") and not add:
        return ("no shadow was drawn: got a shadow_type with add_shadow=false; leave add_shadow out",)
    return ()


def _template(fields: Mapping[str, str]) -> Template | None:
    name = fields.get("template")
    if not name:
        return None
    if fields.get("preset"):
        raise bad_request(
            "invalid_parameter", "Two sets of options", "template: got a preset beside it, expected one of them"
        )
    return templates()[read_choice(fields, "template", templates())]


def read_model(value: str) -> str | None:
    """The model that a request names, "name" or "name:version"; None for "".

    Raises
    ------
    ApiError, OptionError
        It names none of ours.
    """
    if not value:
        return None
    read_choice({"model": split_model(value)[0]}, "model", MODELS)
    return value


def _correction(fields: Mapping[str, str]) -> Correction:
    """The points to correct a result at, from JSON: `[{"x": 310, "y": 620, "keep": true, "radius": 40}, ...]`."""
    text = fields.get("points", "")
    try:
        points: Any = json.loads(text) if text else []
    except (ValueError, RecursionError):
        raise invalid("points", f"points: got {text[:50]!r}, expected JSON") from None
    if not isinstance(points, list) or len(points) > MOST_MARKS:
        raise invalid("points", f"points: got {text[:50]!r}, expected a list of at most {MOST_MARKS} points")
    marks = [_mark(point) for point in points]
    picks = tuple(mark for mark in marks if isinstance(mark, Pick))
    return Correction(picks=picks, strokes=tuple(mark for mark in marks if isinstance(mark, Stroke)))


def _mark(point: Any) -> Pick | Stroke:
    """A subject to keep or remove, or with a radius a dab of a brush."""
    expected = "x, y, keep (true or false) and perhaps a radius, in pixels of the photo"
    if not isinstance(point, dict) or point.keys() - {"radius"} != {"x", "y", "keep"}:
        raise invalid("points", f"points: got {json.dumps(point)[:100]}, expected {expected}")
    if not isinstance(point["keep"], bool):
        raise invalid("points", f"points: got keep {json.dumps(point['keep'])[:50]}, expected true or false")
    for name in point.keys() - {"keep"}:
        if isinstance(point[name], bool) or not isinstance(point[name], int | float):
            raise invalid("points", f"points: got {name} {json.dumps(point[name])[:50]}, expected a number of pixels")
    try:
        if "radius" in point:
            return Stroke(point["keep"], ((point["x"], point["y"]),), point["radius"])
        return Pick(point["keep"], point["x"], point["y"])
    except OptionError as error:
        raise invalid("points", f"points: {error}") from None


def _changes(fields: Mapping[str, str]) -> dict[str, Any]:
    changes: dict[str, Any] = {name: fields[name] for name in _TEXTS if fields.get(name)}
    if changes.get("background") and changes["background"] not in BACKDROPS:
        changes["background"] = read_colour("background", changes["background"])
    for name, kind in _NUMBERS.items():
        if fields.get(name):
            changes[name] = read_number(name, fields[name], kind)
    return changes | {name: read_flag(name, fields[name]) for name in _SWITCHES if fields.get(name)}


def _options(preset: str | None = None, **values: Any) -> Options:
    try:
        return Options.from_preset(preset, **values) if preset else Options(**values)
    except OptionError as error:
        raise invalid(error.option, str(error)) from None
