"""The text of one field of a request, as a value; an `ApiError` names the field where it cannot have that value."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping

from matting_client import OptionError
from matting_client.cli.parser import number
from matting_client.options import parse_colour

from matting_api.errors import ApiError, bad_request

FLAGS = {"": False, "false": False, "0": False, "no": False, "true": True, "1": True, "yes": True}
_WITH_ALPHA = re.compile(r"#?([0-9a-fA-F]{8}|[0-9a-fA-F]{4})")


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
        raise invalid(name, f"{name}: got {value[:50]!r}, expected {', '.join(values)}")
    return value


def read_flag(name: str, text: str) -> bool:
    """A yes or no, as people write them."""
    if text.lower() not in FLAGS:
        raise invalid(name, f"{name}: got {text[:50]!r}, expected true or false")
    return FLAGS[text.lower()]


def read_number(name: str, text: str, kind: type[int] | type[float]) -> float:
    """A number from its text; an ApiError where it is none. A whole one may come as 50.0, as programs write it."""
    try:
        value = number(float, text.strip())
    except ValueError:
        value = math.nan
    if math.isfinite(value) and (kind is float or value.is_integer()):
        return kind(value)
    raise invalid(name, f"{name}: got {text[:50]!r}, expected a {'whole ' if kind is int else ''}number")


def read_colour(name: str, text: str) -> str | None:
    """The colour of a text as "#rrggbb", None of an empty one; an ApiError where it is none."""
    if not text:
        return None
    try:
        red, green, blue = parse_colour(text[:50])
    except OptionError:
        expected = "hex such as 81d4fa or #fff, or a colour name"
        raise invalid(name, f"{name}: got {text[:50]!r}, expected {expected}") from None
    return f"#{red:02x}{green:02x}{blue:02x}"


def read_translucent(text: str) -> tuple[int, int, int, int] | None:
    """RGBA of a colour in hex with an alpha; None for any other text."""
    found = _WITH_ALPHA.fullmatch(text)
    if found is None:
        return None
    digits = found[1] if len(found[1]) == 8 else "".join(2 * digit for digit in found[1])
    red, green, blue, opacity = bytes.fromhex(digits)
    return (red, green, blue, opacity)


def laid_on_white(colour: tuple[int, int, int, int]) -> str:
    """What a colour looks like on white, for formats that know no transparency."""
    opacity = colour[3] / 255
    red, green, blue = (round(opacity * value + (1 - opacity) * 255) for value in colour[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def given_twice(name: str) -> ApiError:
    """The error of a field that came twice, in a form or beside it in the address."""
    detail = f"{name[:50]}: got it twice, expected it once"
    return bad_request("invalid_parameter", "Parameter given twice", detail)


def invalid(name: str, detail: str) -> ApiError:
    """The error of a field with a value that it cannot have."""
    return bad_request("invalid_parameter", f"Invalid {name[:30]}", detail)
