"""Fields of JSON and of urlencoded forms, bounded before they become objects, which take far more memory."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote_to_bytes

from matting_api.errors import bad_request

MAX_FIELDS = 40
MAX_VALUES = 4_000  # of the JSON of one photo, in which 200 points to correct it at are 1,800
MAX_VALUES_ANYWHERE = 350_000  # of any JSON, which takes up to 30 MB then; a list of 10,000 addresses has fewer
_BEFORE_VALUES = (b",", b":", b"[", b"{")  # a JSON text has at most one value more than these signs
_PIECE = 2**16  # bytes whose escapes are undone at a time


def parse_json(data: bytes, most: int) -> Any:
    """What a JSON text holds; in a thread where it may be large.

    Parameters
    ----------
    most : values in it, names among them; commas, colons and opening brackets within texts count, too.

    Raises
    ------
    ApiError
        It is no JSON, or has more values.
    """
    check_count(count_values(data), most)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise bad_request("invalid_json", "Invalid JSON", "got a body that is no JSON, expected an object") from None


def count_values(data: bytes) -> int:
    """At least as many as a JSON text, or a part of one, has values."""
    return sum(data.count(sign) for sign in _BEFORE_VALUES)


def check_count(values: int, most: int) -> None:
    """Refuse JSON of more than `most` values. Raises ApiError."""
    if values > most:
        detail = f"got JSON of more than {most:,} values; send what is asked for, and each value once"
        raise bad_request("invalid_json", "Too many values", detail)


def fields_of_json(data: bytes) -> list[tuple[str, str]]:
    """Names and texts of a JSON object; what is null is not given.

    Raises
    ------
    ApiError
        As of `parse_json`, or it is no object of at most `MAX_FIELDS` texts, numbers and truths.
    """
    found = parse_json(data, MAX_VALUES)
    if not isinstance(found, dict):
        raise bad_request("invalid_json", "Invalid JSON", f"got {kind_of(found)}, expected an object of parameters")
    if len(found) > MAX_FIELDS:
        raise _too_many_fields("invalid_json")
    return [(_whole(key), _text(key, value)) for key, value in found.items() if value is not None]


def fields_of_form(data: bytes, base64: Collection[str] = ()) -> list[tuple[str, str]]:
    """Names and texts of a urlencoded form. Raises ApiError where it has more than `MAX_FIELDS`.

    Parameters
    ----------
    base64 : names whose texts have no spaces: "+" stays itself there, as programs send it that do not escape it.
    """
    pairs = data.split(b"&", MAX_FIELDS)
    if len(pairs) > MAX_FIELDS:
        raise _too_many_fields("invalid_form")
    halves = ((_unescaped(name), value) for name, _, value in (pair.partition(b"=") for pair in pairs if pair))
    return [(name, _unescaped(value, b"+" if name in base64 else b" ")) for name, value in halves]


def kind_of(value: Any) -> str:
    """What JSON calls a value of it."""
    kinds = {type(None): "null", bool: "a truth", str: "a text", list: "an array", dict: "an object"}
    return kinds.get(type(value), "a number")


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, int | float):
        return str(value)
    raise bad_request("invalid_parameter", "Invalid parameter", f"{key[:50]}: got {kind_of(value)}, expected a text")


def _whole(text: str) -> str:
    """A text that UTF-8 has bytes for: JSON may bring half a surrogate pair, which becomes "?"."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _unescaped(text: bytes, plus: bytes = b" ") -> str:
    """A name or a text of a form, in which "+" stands for `plus`.

    It is done piece by piece: the library makes an object of each escape.
    """
    pieces = []
    start = 0
    while start < len(text):
        cut = text.rfind(b"%", start + _PIECE - 2, start + _PIECE)  # no escape is cut in two
        end = cut if cut > 0 else start + _PIECE
        pieces.append(unquote_to_bytes(text[start:end].replace(b"+", plus)))
        start = end
    return b"".join(pieces).decode("utf-8", "replace")


def _too_many_fields(code: str) -> Exception:
    return bad_request(code, "Too many fields", f"got more than {MAX_FIELDS} fields; send each parameter once")
