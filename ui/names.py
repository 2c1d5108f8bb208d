"""Names that the page shares with its tests and with programs that call it: element ids and `api_name`s."""

from __future__ import annotations

# Element ids: of the tabs, and within each.
TAB_SINGLE, TAB_IDPHOTO, TAB_BATCH, TAB_SCENE, TAB_ABOUT = "single", "idphoto", "batch", "scene", "about"
PHOTO, PRESET = "photo", "preset"
BACKGROUND, COLOUR, PICTURE = "background", "colour", "picture"
THRESHOLD, ERODE, FEATHER = "alpha-threshold", "erode", "feather"
FORMAT, QUALITY, CROP, MARGIN, SIZE = "format", "quality", "crop", "margin", "size"
RESULT, ALPHA, STATUS = "result", "alpha", "status"
DOWNLOAD, DOWNLOAD_ALPHA, OUTPUT = "download", "download-alpha", "output"

# Names of the functions, for gradio_client.
API_CUTOUT, API_RECOMPOSE, API_FILE, API_ALPHA, API_PRESET = "cutout", "recompose", "file", "alpha", "preset"

# Values of the background's choice; the colours are those that offices ask for.
TRANSPARENT, CUSTOM, FROM_PICTURE = "transparent", "custom", "picture"
BACKGROUNDS: dict[str, str | None] = {
    TRANSPARENT: None,
    "white": "#ffffff",
    "blue": "#438edb",
    "red": "#d9001b",
    CUSTOM: None,
    FROM_PICTURE: None,
}
FORMATS = ("png", "jpeg", "webp")
ORIGINAL = "original"
SIZES = (ORIGINAL, "4096px", "2048px", "1080px", "512px")


def within(tab: str, name: str) -> str:
    """Id of an element that several tabs have."""
    return f"{tab}-{name}"
