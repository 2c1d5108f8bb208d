"""Names that the page shares with its tests and with programs that call it: element ids and `api_name`s."""

from __future__ import annotations

# Element ids.
PHOTO, PRESET = "photo", "preset"
BACKGROUND, COLOUR, FORMAT = "background", "colour", "format"
THRESHOLD, ERODE, FEATHER = "alpha-threshold", "erode", "feather"
RESULT, ALPHA, STATUS, DOWNLOAD = "result", "alpha", "status", "download"

# Names of the functions, for gradio_client.
API_CUTOUT, API_RECOMPOSE, API_FILE, API_PRESET = "cutout", "recompose", "file", "preset"

# Values of the background's choice; the colours are those that offices ask for.
TRANSPARENT, CUSTOM = "transparent", "custom"
BACKGROUNDS: dict[str, str | None] = {
    TRANSPARENT: None,
    "white": "#ffffff",
    "blue": "#438edb",
    "red": "#d9001b",
    CUSTOM: None,
}
FORMATS = ("png", "jpeg", "webp")
