"""What a caller wants an answer to be, by its `Accept` header (RFC 9110, 12.5.1)."""

from __future__ import annotations

JSON = "application/json"


def wants_json(accept: str, otherwise: str) -> bool:
    """Whether JSON is wanted rather than a media type such as image/png.

    Where both are as welcome as each other, it is not: programs that list JSON beside everything else, as axios does,
    want the picture.
    """
    ranges = [_parse(text) for text in accept.lower().split(",") if text.strip()]
    return _quality(ranges, JSON) > _quality(ranges, otherwise) if ranges else False


def _parse(text: str) -> tuple[str, float]:
    media_range, *parameters = (part.strip() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(1.0, max(0.0, float(value)))
            except ValueError:
                quality = 0.0
    return media_range, quality if quality == quality else 0.0


def _quality(ranges: list[tuple[str, float]], media_type: str) -> float:
    """The quality of the most specific range that matches."""
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        found = [quality for media_range, quality in ranges if media_range == wanted]
        if found:
            return max(found)
    return 0.0
