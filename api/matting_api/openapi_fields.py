"""What /openapi.json says of the parameters: remove.bg's, and our own."""

from __future__ import annotations

from typing import Any

from matting_client import presets, templates
from matting_client.options import MAX_DPI, MAX_ERODE, MAX_KB, MAX_THRESHOLD, ORIENTATIONS
from matting_client.processing import BACKDROPS, SHADOWS
from matting_client.processing.scene import MAX_BLUR, Scene

from matting_api.request.parameters import (
    CHANNELS,
    FIXED,
    FORMATS,
    SHADOW_TYPES,
    SIZES,
    TYPES,
)
from matting_api.request.scene import FORMATS as SCENE_FORMATS
from matting_api.settings import MODELS

Json = dict[str, Any]
# A photo of 2 x 2 pixels, small enough to be read here.
TINY = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR42mP89eEOAwMDEwMDAwMDAwAhkALKPoT4swAAAABJRU5ErkJggg=="
TEXT: Json = {"type": "string"}
FLAG: Json = {"type": "boolean"}
_NUMBER = r"\d{1,9}(\.\d{1,6})?"
LENGTH = rf"{_NUMBER}(px|%)?"


def text_field(about: str, example: str, pattern: str | None = None, **more: Any) -> Json:
    """A field of free text."""
    return {**TEXT, "description": about, "example": example, **({"pattern": pattern} if pattern else {}), **more}


def choice_field(about: str, values: Any, **more: Any) -> Json:
    """A field with few values."""
    return {**TEXT, "enum": list(values), "description": about, **more}


FRAMING: Json = {
    "roi": text_field(
        "Left, top, right and bottom of the part of the photo that counts, in px or %.",
        "0% 0% 100% 100%",
        rf"^{LENGTH} {LENGTH} {LENGTH} {LENGTH}$",
    ),
    "crop": {**FLAG, "default": False, "description": "Cut the result to what can be seen of the subject."},
    "crop_margin": text_field(
        "Room around a cropped subject: one, two (top and bottom, left and right) or four (top, right, bottom, left) "
        "of 0..500px or 0..50% of the subject's size.",
        "10%",
        rf"^{LENGTH}( {LENGTH}( {LENGTH} {LENGTH})?)?$",
    ),
    "scale": text_field("`original`, or how much of the result the subject fills.", "80%", rf"^(original|{_NUMBER}%)$"),
    "position": text_field(
        "`original`, `center`, or how the room beside the subject is divided, across and down. center with a scale.",
        "50% 100%",
        rf"^(original|center|{_NUMBER}%( {_NUMBER}%)?)$",
    ),
}
SHADOW_OPACITY: Json = {"type": "integer", "minimum": 0, "maximum": 100, "description": "How dark the shadow is."}
OF_REMOVEBG: Json = {
    "image_url": text_field("The photo's address, where the server may fetch it.", "https://example.com/photo.jpg"),
    "size": choice_field(
        "The largest result: preview, small and regular 0.25 megapixels, medium 1.5, hd 4, 4k 10; else as the photo.",
        SIZES,
        default="auto",
    ),
    "type": choice_field("Accepted; one model serves them all.", TYPES, default="auto"),
    "format": choice_field(
        "auto: JPEG with a background, PNG without. A JPEG without a background stands on white. zip: color.jpg and "
        "alpha.png.",
        FORMATS,
        default="auto",
    ),
    "channels": choice_field("alpha: an 8-bit grey PNG.", CHANNELS, default="rgba"),
    **FRAMING,
    "bg_color": text_field("Hex with or without #, also with an alpha as in 81d4fa77, or a CSS colour name.", "81d4fa"),
    "bg_image_url": text_field("Address of a picture to put behind.", "https://example.com/wall.jpg"),
    "add_shadow": {**FLAG, "description": "A shadow below what touches the ground."},
    "shadow_type": choice_field(
        "drop lies behind the subject; the others below what touches the ground.", SHADOW_TYPES
    ),
    "shadow_opacity": SHADOW_OPACITY,
    "semitransparency": {**FLAG, "default": True, "description": "false: what lies inside the subject is opaque."},
    **{name: choice_field("Accepted for compatibility.", values) for name, values in FIXED.items()},
}
MODEL = text_field(
    "matting_512, or matting_1024, which sees finer hair at four times the cost; also with a version, as in "
    "matting_512:2. Left out: the server's own.",
    MODELS[0],
    rf"^({'|'.join(MODELS)})(:[1-9]\d{{0,8}})?$",
)
OF_OURS: Json = {
    "preset": choice_field("A set of options; others win over it.", presets()),
    "template": choice_field("A shop's picture; what it would object to comes back in X-Warning.", templates()),
    "model": MODEL,
    "points": text_field(
        "Corrections as JSON, at most 200, in pixels of the photo. Without a radius the subject at the point is "
        "removed, or kept alone; with one, what a brush covers there, snapped to the photo's edges.",
        '[{"x": 1, "y": 1, "keep": true, "radius": 1}]',
    ),
    "background": text_field(
        f"A colour to put behind (hex, or a CSS colour name), or {', '.join(BACKDROPS)}.", "#ffffff"
    ),
    "format": choice_field(
        "A JPEG without a background stands on white.", ("png", "jpeg", "jpg", "webp"), default="png"
    ),
    "quality": {"type": "integer", "minimum": 1, "maximum": 100, "default": 92, "description": "Of JPEG and WebP."},
    "alpha_threshold": {
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_THRESHOLD,
        "description": "Alpha below it, of 255, becomes 0.",
    },
    "erode": {
        "type": "number",
        "minimum": -MAX_ERODE,
        "maximum": MAX_ERODE,
        "description": "Pull the edge in, in px at a 1024 px short side; negative dilates.",
    },
    "feather": {**FLAG, "description": "Soften the edge."},
    "solid": {**FLAG, "description": "What lies inside the subject is opaque."},
    "foreground": {**FLAG, "default": True, "description": "The subject's own colours at the edge."},
    "refine": {**FLAG, "default": True, "description": "Follow the edges of large photos."},
    "passes": {
        "type": "integer",
        "minimum": 1,
        "maximum": 2,
        "default": 2,
        "description": "2: a subject that is small in its photo is seen again, up close.",
    },
    "orientation": choice_field(
        "auto: a photo that lies on its side or head is turned upright for the model; the result lies as it does.",
        ORIENTATIONS,
        default="auto",
    ),
    **FRAMING,
    "size": text_field(
        "`original`, or the largest result: a longest side or an area.",
        "1080px",
        rf"^(original|{_NUMBER}([pP][xX]|[mM][pP])?)$",
    ),
    "canvas": text_field(
        "The result's exact size; the subject fills `scale` of it.", "2000x2000", r"^\d{2,5}([x×]\d{2,5})?$"
    ),
    "shadow": choice_field("What the subject casts.", SHADOWS, default="none"),
    "shadow_opacity": {**SHADOW_OPACITY, "default": 50},
    "max_kb": {"type": "integer", "minimum": 1, "maximum": MAX_KB, "description": "The largest JPEG or WebP, in kB."},
    "dpi": {
        "type": "number",
        "minimum": 1,
        "maximum": MAX_DPI,
        "description": "Pixels an inch, written into the file.",
    },
    "keep_exif": {**FLAG, "description": "Write when and with what the photo was taken, never where."},
}
FILE = {**TEXT, "format": "binary", "description": "JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP, JPEG 2000 or PPM."}
BEHIND = {**TEXT, "format": "binary", "description": "A picture to put behind, instead of a colour."}
MASK = {
    **TEXT,
    "format": "binary",
    "description": "White keeps, black removes, grey and transparent leave the result. In the photo's shape.",
}
BASE64 = text_field("The photo in base64, instead of image_file.", TINY, format="byte")


def _place(about: str, low: float, high: float, default: float) -> Json:
    return {"type": "number", "minimum": low, "maximum": high, "default": default, "description": about}


OF_A_SCENE: Json = {
    "x": _place("Of the scene's width: the subject's middle.", 0, 1, Scene.x),
    "y": _place("Of the scene's height: the subject's lowest point.", 0, 1.5, Scene.y),
    "scale": _place("How much of the scene's height or width the subject fills.", 0.05, 2, Scene.scale),
    "blur": _place("Of the scene, in px at a 1024 px short side.", 0, MAX_BLUR, Scene.blur),
    "light": _place("How much the subject takes on of the scene's light.", 0, 1, Scene.light),
    "shadow": _place("How dark the subject's shadow on the ground is.", 0, 1, Scene.shadow),
    **{name: OF_OURS[name] for name in ("quality", "model")},
    "format": choice_field("Of the result.", SCENE_FORMATS, default="jpeg"),
}
