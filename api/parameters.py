"""remove.bg's parameters as our options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matting_client import OptionError, Options
from matting_client.options import parse_colour

from api.errors import bad

SIZES = ("auto", "full", "preview", "small", "regular", "medium", "hd", "4k", "50MP")
TYPES = ("auto", "person", "product", "animal", "car", "transportation", "graphic", "other")
FORMATS = {"auto": "", "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
CHANNELS = ("rgba", "alpha")
# Parameters of remove.bg that this server knows no other value of: the ones that change nothing.
FIXED = {
    "type_level": ("none", "1", "2", "latest", ""),
    "roi": ("", "0% 0% 100% 100%"),
    "crop": ("false", ""),
    "crop_margin": ("0", "0%", "0px", ""),
    "scale": ("original", ""),
    "position": ("original", ""),
    "add_shadow": ("false", ""),
    "shadow_type": ("none", ""),
    "semitransparency": ("true", "false", ""),
    "bg_image_url": ("",),
}


@dataclass(frozen=True)
class Parameters:
    """What was asked for."""

    options: Options
    type: str


def read_parameters(fields: Mapping[str, str]) -> Parameters:
    """Options from the text fields of a request.

    Without a format a result with a background colour is a JPEG, another one a PNG.

    Raises
    ------
    ApiError
        An unknown parameter, or a value it cannot have.
    """
    known = {"size", "type", "format", "channels", "bg_color", *FIXED}
    for name in fields:
        if name not in known:
            detail = f"{name[:50]}: got an unknown parameter, expected one of {', '.join(sorted(known))}"
            raise bad("unknown_parameter", "Unknown parameter", detail)
    for name, values in FIXED.items():
        if fields.get(name, values[0]) not in values:
            expected = " or ".join(value for value in values if value) or "nothing"
            detail = f"{name}: got {fields[name][:50]!r}, this server supports only {expected}"
            raise bad("unsupported_parameter", "Unsupported parameter", detail)
    _choice(fields, "size", SIZES)
    kind = _choice(fields, "type", TYPES)
    alpha_only = _choice(fields, "channels", CHANNELS) == "alpha"
    background = _colour(fields.get("bg_color", ""))
    wanted = FORMATS[_choice(fields, "format", tuple(FORMATS))]
    format = wanted or ("jpeg" if background and not alpha_only else "png")
    try:
        options = Options(background=background, format=format, alpha_only=alpha_only)
    except OptionError as error:
        raise bad("invalid_parameter", "Invalid parameter", str(error)) from None
    return Parameters(options, kind)


def _choice(fields: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    value = fields.get(name) or values[0]
    if value not in values:
        detail = f"{name}: got {value[:50]!r}, expected {', '.join(values)}"
        raise bad("invalid_parameter", f"Invalid {name}", detail)
    return value


def _colour(text: str) -> str | None:
    if not text:
        return None
    try:
        red, green, blue = parse_colour(text[:50])
    except OptionError:
        detail = f"bg_color: got {text[:50]!r}, expected hex such as 81d4fa or #fff, or a colour name; opaque ones only"
        raise bad("invalid_parameter", "Invalid bg_color", detail) from None
    return f"#{red:02x}{green:02x}{blue:02x}"
