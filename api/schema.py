"""What /openapi.json says of the endpoint that reads its form by itself."""

from __future__ import annotations

from typing import Any

from api.parameters import CHANNELS, FORMATS, SIZES, TYPES

_TEXT = {"type": "string"}
_PROPERTIES: dict[str, Any] = {
    "image_file_b64": {**_TEXT, "description": "The photo in base64, instead of image_file."},
    "size": {
        **_TEXT,
        "enum": list(SIZES),
        "default": "auto",
        "description": "Accepted for compatibility; the result always has the photo's own size.",
    },
    "type": {**_TEXT, "enum": list(TYPES), "default": "auto", "description": "Accepted; one model serves them all."},
    "format": {
        **_TEXT,
        "enum": list(FORMATS),
        "default": "auto",
        "description": "auto: JPEG with a bg_color, PNG without. A JPEG without a bg_color stands on white.",
    },
    "channels": {**_TEXT, "enum": list(CHANNELS), "default": "rgba", "description": "alpha: an 8-bit grey PNG."},
    "bg_color": {**_TEXT, "description": "Hex with or without #, or a CSS colour name; opaque.", "example": "81d4fa"},
}
_FILE = {**_TEXT, "format": "binary", "description": "JPEG, PNG, WebP, TIFF or BMP."}
_WITH_FILE = {"type": "object", "properties": {"image_file": _FILE, **_PROPERTIES}}
_WITHOUT_FILE = {"type": "object", "properties": _PROPERTIES, "required": ["image_file_b64"]}
_ERROR_ITEM = {"type": "object", "properties": {"title": _TEXT, "code": _TEXT, "detail": _TEXT}}
_ERROR = {"type": "object", "properties": {"errors": {"type": "array", "items": _ERROR_ITEM}}}
_PICTURE = {"schema": {**_TEXT, "format": "binary"}}
_ERRORS = {
    "400": "The photo or a parameter cannot be used.",
    "408": "The body came too slowly.",
    "413": "The photo is too large, in bytes or pixels.",
    "415": "The body is no form and no JSON.",
    "503": "The server is busy, starting or gone; Retry-After says when to ask again.",
}
_HEADERS = {
    "X-Width": "Width of the result in pixels.",
    "X-Height": "Height of the result in pixels.",
    "X-Type": "The type that was asked for; other for auto.",
    "X-Credits-Charged": "Always 0.",
    "Server-Timing": "Milliseconds of each step.",
}
REMOVEBG: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _WITH_FILE},
            "application/x-www-form-urlencoded": {"schema": _WITHOUT_FILE},
            "application/json": {"schema": _WITHOUT_FILE},
        },
    },
    "responses": {
        "200": {
            "description": "The result. With `Accept: application/json` it comes as base64 in data.result_b64.",
            "headers": {name: {"schema": _TEXT, "description": text} for name, text in _HEADERS.items()},
            "content": {"image/png": _PICTURE, "image/jpeg": _PICTURE, "image/webp": _PICTURE},
        },
        **{
            status: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
            for status, text in _ERRORS.items()
        },
    },
}
