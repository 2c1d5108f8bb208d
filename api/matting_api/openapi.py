"""What /openapi.json says of the endpoints, which read their requests by themselves."""

from __future__ import annotations

from typing import Any

from matting_client import presets, templates
from matting_client.idphoto import PAPERS, sizes
from matting_client.options import MAX_DPI, MAX_ERODE, MAX_KB, MAX_THRESHOLD, ORIENTATIONS
from matting_client.processing import SHADOWS

from matting_api.request.parameters import (
    ALPHA_FIELDS,
    CHANNELS,
    CUTOUT_FIELDS,
    FIXED,
    FORMATS,
    SHADOW_TYPES,
    SIZES,
    TYPES,
)
from matting_api.settings import MODELS

Json = dict[str, Any]
ABOUT = 'Cuts people and products out of photos. Every error is `{"errors": [{"title", "code", "detail"}]}`.'
# A photo of 2 x 2 pixels, small enough to be read here.
TINY = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR42mP89eEOAwMDEwMDAwMDAwAhkALKPoT4swAAAABJRU5ErkJggg=="
_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}
_LENGTH = r"\d{1,3}(px|%)?"


def _text(about: str, example: str, pattern: str | None = None, **more: Any) -> Json:
    return {**_TEXT, "description": about, "example": example, **({"pattern": pattern} if pattern else {}), **more}


def _choice(about: str, values: Any, **more: Any) -> Json:
    return {**_TEXT, "enum": list(values), "description": about, **more}


_FRAMING: Json = {
    "roi": _text(
        "Left, top, right and bottom of the part of the photo that counts, in px or %.",
        "0% 0% 100% 100%",
        rf"^{_LENGTH} {_LENGTH} {_LENGTH} {_LENGTH}$",
    ),
    "crop": {**_FLAG, "default": False, "description": "Cut the result to what can be seen of the subject."},
    "crop_margin": _text(
        "Room around a cropped subject: one, two (top and bottom, left and right) or four (top, right, bottom, left) "
        "of 0..500px or 0..50% of the subject's size.",
        "10%",
        rf"^{_LENGTH}( {_LENGTH}( {_LENGTH} {_LENGTH})?)?$",
    ),
    "scale": _text("`original`, or how much of the result the subject fills.", "80%", r"^(original|\d{2,3}%)$"),
    "position": _text(
        "`original`, `center`, or how the room beside the subject is divided, across and down. center with a scale.",
        "50% 100%",
        r"^(original|center|\d{1,3}%( \d{1,3}%)?)$",
    ),
}
_SHADOW_OPACITY: Json = {"type": "integer", "minimum": 0, "maximum": 100, "description": "How dark the shadow is."}
_REMOVEBG: Json = {
    "image_url": _text("The photo's address, where the server may fetch it.", "https://example.com/photo.jpg"),
    "size": _choice(
        "The largest result: preview, small and regular 0.25 megapixels, medium 1.5, hd 4, 4k 10; else as the photo.",
        SIZES,
        default="auto",
    ),
    "type": _choice("Accepted; one model serves them all.", TYPES, default="auto"),
    "format": _choice(
        "auto: JPEG with a background, PNG without. A JPEG without a background stands on white. zip: color.jpg and "
        "alpha.png.",
        FORMATS,
        default="auto",
    ),
    "channels": _choice("alpha: an 8-bit grey PNG.", CHANNELS, default="rgba"),
    **_FRAMING,
    "bg_color": _text("Hex with or without #, also with an alpha as in 81d4fa77, or a CSS colour name.", "81d4fa"),
    "bg_image_url": _text("Address of a picture to put behind.", "https://example.com/wall.jpg"),
    "add_shadow": {**_FLAG, "description": "A shadow below what touches the ground."},
    "shadow_type": _choice("drop lies behind the subject; the others below what touches the ground.", SHADOW_TYPES),
    "shadow_opacity": _SHADOW_OPACITY,
    "semitransparency": {**_FLAG, "default": True, "description": "false: what lies inside the subject is opaque."},
    **{name: _choice("Accepted for compatibility.", values) for name, values in FIXED.items()},
}
_OWN: Json = {
    "preset": _choice("A set of options; others win over it.", presets()),
    "template": _choice("A shop's picture; what it would object to comes back in X-Warning.", templates()),
    "model": _choice("matting_1024 sees finer hair, at four times the cost; left out: the server's own.", MODELS),
    "points": _text(
        "Corrections as JSON, at most 200, in pixels of the photo. Without a radius the subject at the point is "
        "removed, or kept alone; with one, what a brush covers there, snapped to the photo's edges.",
        '[{"x": 1, "y": 1, "keep": true, "radius": 1}]',
    ),
    "background": _text("A colour to put behind: hex, or a CSS colour name.", "#ffffff"),
    "format": _choice("A JPEG without a background stands on white.", ("png", "jpeg", "jpg", "webp"), default="png"),
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
    "feather": {**_FLAG, "description": "Soften the edge."},
    "solid": {**_FLAG, "description": "What lies inside the subject is opaque."},
    "foreground": {**_FLAG, "default": True, "description": "The subject's own colours at the edge."},
    "refine": {**_FLAG, "default": True, "description": "Follow the edges of large photos."},
    "passes": {
        "type": "integer",
        "minimum": 1,
        "maximum": 2,
        "default": 2,
        "description": "2: a subject that is small in its photo is seen again, up close.",
    },
    "orientation": _choice(
        "auto: ask about the photo in all four orientations and believe the most certain answer, for photos that lie "
        "on their side.",
        ORIENTATIONS,
        default="given",
    ),
    **_FRAMING,
    "size": _text(
        "`original`, or the largest result: a longest side or an area.", "1080px", r"^(original|\d{1,4}px|\d{1,2}MP)$"
    ),
    "canvas": _text("The result's exact size; the subject fills `scale` of it.", "2000x2000", r"^\d{2,4}(x\d{2,4})?$"),
    "shadow": _choice("What the subject casts.", SHADOWS, default="none"),
    "shadow_opacity": {**_SHADOW_OPACITY, "default": 50},
    "max_kb": {"type": "integer", "minimum": 1, "maximum": MAX_KB, "description": "The largest JPEG or WebP, in kB."},
    "dpi": {
        "type": "number",
        "minimum": 1,
        "maximum": MAX_DPI,
        "description": "Pixels an inch, written into the file.",
    },
    "keep_exif": {**_FLAG, "description": "Write when and with what the photo was taken, never where."},
}
_FILE = {**_TEXT, "format": "binary", "description": "JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP, JPEG 2000 or PPM."}
_BEHIND = {**_TEXT, "format": "binary", "description": "A picture to put behind, instead of a colour."}
_MASK = {
    **_TEXT,
    "format": "binary",
    "description": "White keeps, black removes, grey and transparent leave the result. In the photo's shape.",
}
_BASE64 = _text("The photo in base64, instead of image_file.", TINY, format="byte")
_PICTURE: Json = {"schema": {**_TEXT, "format": "binary"}}
_ERROR: Json = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["title", "code", "detail"],
                "properties": {"title": _TEXT, "code": _TEXT, "detail": _TEXT},
            },
        }
    },
}
_ERRORS = {
    "400": ("The photo or a parameter cannot be used.", "invalid_parameter", "scale: got '5%', expected 10%..100%"),
    "402": ("The key's quota of the day is used up; Retry-After.", "insufficient_credits", "got more than 100 a day"),
    "403": ("The server wants a key, and this is none.", "auth_failed", "expected a valid key in X-Api-Key"),
    "408": ("The body came too slowly.", "request_timeout", "got nothing for 30 s; send it again"),
    "413": ("The photo is too large, in bytes or pixels.", "file_too_large", "got 9000x9000 pixels, expected fewer"),
    "415": ("The body is no form and no JSON.", "unsupported_media_type", "got text/plain, expected a form"),
    "429": ("More requests in a minute than allowed; Retry-After.", "rate_limit_exceeded", "got more than 60"),
    "503": ("The server is busy, starting or gone; Retry-After.", "server_busy", "got 53 requests at once; try later"),
}
_HEADERS = {
    "X-Width": "Width of the result in pixels.",
    "X-Height": "Height of the result in pixels.",
    "X-Type": "The type that was asked for; other for auto.",
    "X-Foreground-Top": "Where in the result the subject begins, in pixels.",
    "X-Foreground-Left": "The same from the left.",
    "X-Foreground-Width": "Width of the subject in pixels.",
    "X-Foreground-Height": "Height of the subject in pixels.",
    "X-Credits-Charged": "Always 0.",
    "X-Matting-Found": "false where no subject was found and the result is empty.",
    "X-Matting-Uncertainty": "How doubtful the result is, from its own alpha: about 0.01 for a good portrait.",
    "Server-Timing": "Milliseconds of each step.",
    "X-RateLimit-Limit": "Requests a minute, where the server limits them.",
    "X-RateLimit-Remaining": "What is left of them.",
    "X-RateLimit-Reset": "Unix time at which the count begins anew.",
}


def _error(about: str, code: str, detail: str) -> Json:
    shown = {"errors": [{"title": about.partition(";")[0], "code": code, "detail": detail}]}
    return {"description": about, "content": {"application/json": {"schema": _ERROR, "example": shown}}}


def _answers(*kinds: str) -> Json:
    as_json = {
        "type": "object",
        "properties": {"data": {"type": "object", "properties": {"result_b64": _TEXT}}},
    }
    content = dict.fromkeys(kinds, _PICTURE)
    return {
        "200": {
            "description": "The result. With `Accept: application/json` it comes as base64 in data.result_b64.",
            "headers": {name: {"schema": _TEXT, "description": text} for name, text in _HEADERS.items()},
            "content": {**content, "application/json": {"schema": as_json}},
        },
        **{status: _error(*told) for status, told in _ERRORS.items()},
    }


def _object(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _own(fields: Json, files: Json, *kinds: str) -> Json:
    """An endpoint that takes a photo as its body, with its fields in the query, or a form."""
    query = [
        {
            "name": name,
            "in": "query",
            "description": field["description"],
            "schema": {key: value for key, value in field.items() if key not in ("description", "example")},
            **({"example": field["example"]} if "example" in field else {}),
        }
        for name, field in fields.items()
    ]
    content = {
        "image/jpeg": _PICTURE,
        "image/png": _PICTURE,
        "multipart/form-data": {"schema": _object({**files, **fields}, "image_file")},
    }
    return {
        "parameters": query,
        "requestBody": {"required": True, "content": content},
        "responses": _answers(*kinds),
    }


def example(value: Json) -> Json:
    """An endpoint that answers with JSON such as this."""
    content = {"application/json": {"schema": {"type": "object"}, "example": value}}
    return {"responses": {"200": {"description": "Successful Response", "content": content}}}


_WITHOUT_FILE = {
    **_object({"image_file_b64": _BASE64, **_REMOVEBG}),
    "anyOf": [{"required": ["image_file_b64"]}, {"required": ["image_url"]}],
}
# One of image_file, image_file_b64 and image_url is needed, which no list of required names can say.
_WITH_FILE = _object({"image_file": _FILE, "bg_image_file": _BEHIND, **_WITHOUT_FILE["properties"]})
_SAMPLE = {"image_file_b64": TINY, "size": "auto", "crop": True, "crop_margin": "10%", "bg_color": "81d4fa"}
_PICTURES = ("image/png", "image/jpeg", "image/webp")
REMOVEBG: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _WITH_FILE},
            "application/x-www-form-urlencoded": {"schema": _WITHOUT_FILE},
            "application/json": {"schema": _WITHOUT_FILE, "example": _SAMPLE},
        },
    },
    "responses": _answers(*_PICTURES, "application/zip"),
}
CUTOUT = _own(
    {name: _OWN[name] for name in CUTOUT_FIELDS},
    {"image_file": _FILE, "bg_image_file": _BEHIND, "mask_file": _MASK},
    *_PICTURES,
)
ALPHA = _own({name: _OWN[name] for name in ALPHA_FIELDS}, {"image_file": _FILE, "mask_file": _MASK}, "image/png")
IDPHOTO = _own(
    {
        "kind": _choice("What office the photo is for.", sizes()),
        "background": _text("A colour instead of the one that the office asks for.", "#ffffff"),
        "zoom": {"type": "number", "minimum": 0.67, "maximum": 1.5, "default": 1, "description": "Of the head's size."},
        "shift": {"type": "number", "minimum": -0.2, "maximum": 0.2, "default": 0, "description": "Downwards."},
        "paper": _choice("A sheet to print instead of the photo.", PAPERS),
        "format": _choice("pdf: of a sheet.", ("jpeg", "pdf"), default="jpeg"),
    },
    {"image_file": _FILE},
    "image/jpeg",
    "application/pdf",
)
ACCOUNT: Json = example(
    {
        "data": {
            "attributes": {
                "credits": {"total": 100, "subscription": 100, "payg": 0, "enterprise": 0},
                "api": {"free_calls": 100, "sizes": "all"},
            }
        }
    }
)
IMPROVE: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": _object(
                    {
                        "image_file": _FILE,
                        "image_filename": _text("What the photo is called.", "shoe.jpg"),
                        "tag": _text("A word of your own.", "hair"),
                    },
                    "image_file",
                )
            }
        },
    },
    "responses": {
        **example({"id": "6fe0c5e3a2b84b0d9a1f6a8c2b3d4e5f"})["responses"],
        "403": _error("The server keeps no photos.", "improve_not_supported", "start it with --samples FOLDER"),
        "507": _error("The box of samples or the disk is full.", "insufficient_storage", "empty the box"),
    },
}
READY: Json = {
    "responses": {
        **example({"status": "ready", "model": "matting_512"})["responses"],
        "503": _error("The model does not answer; Retry-After.", "not_ready", "127.0.0.1:8001: no server answers"),
    }
}
HEALTH: Json = {
    "status": "ready",
    "server": {"name": "triton", "version": "2.55.0"},
    "batches": {"images": 64, "batches": 16, "mean_batch": 4.0, "queue_ms": 12.5, "infer_ms": 80.1},
    "run": {
        "engine": "OpenVINO 2026.4.1 bf16, 2 threads",
        "device": "CPU",
        "instances": 1,
        "size": 512,
        "max_batch": 8,
        "places": 64,
    },
    "version": "0.1.0",
    "model": "matting_512",
    "engine": "triton",
    "queue": {"working": 1, "waiting": 0, "workers": 4, "places": 48},
}
METRICS: Json = {
    "responses": {
        "200": {
            "description": "Prometheus' text form.",
            "content": {"text/plain": {"schema": _TEXT, "example": "matting_photos_total 64.0\n"}},
        }
    }
}
_CLIP: Json = {
    "id": "Zk3m1QYbq0s2o5vLr8Xw7A",
    "status": "working",
    "frames": 250,
    "done": 75,
    "frames_per_second": 9.5,
    "seconds_left": 18.4,
    "result": None,
}
_NO_CLIP = _error("No such clip, or its hour is over.", "not_found", "got an id of no clip here")
_LIMITS = {status: _error(*_ERRORS[status]) for status in ("403", "429", "503")}


def _clip(about: str) -> Json:
    return {"description": about, "content": {"application/json": {"schema": {"type": "object"}, "example": _CLIP}}}


VIDEO: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": _object(
                    {
                        "video_file": {**_TEXT, "format": "binary", "description": "MP4, MOV, WebM, MKV, AVI or MPEG."},
                        "format": _choice(
                            "webm: VP9 with alpha; mov: ProRes 4444; mp4: H.264, which needs a background.",
                            ("webm", "mov", "mp4"),
                            default="webm",
                        ),
                        "background": _text("A colour, or `blur` for the clip itself out of focus.", "#00b140"),
                        "alpha_only": {**_FLAG, "default": False, "description": "The alpha in grey."},
                    },
                    "video_file",
                )
            }
        },
    },
    "responses": {
        "202": _clip("The clip waits for its turn; `Location` says where to ask."),
        **{status: _error(*told) for status, told in _ERRORS.items()},
    },
}
VIDEO_STATE: Json = {"responses": {"200": _clip("How far it is."), "404": _NO_CLIP, **_LIMITS}}
_CLIPS = ("video/webm", "video/quicktime", "video/mp4")
VIDEO_RESULT: Json = {
    "responses": {
        "200": {
            "description": "The result.",
            "content": dict.fromkeys(_CLIPS, _PICTURE),
        },
        "404": _NO_CLIP,
        "409": _error("It is not done.", "not_ready", "got a clip that is working, expected done; ask again"),
        **_LIMITS,
    }
}
VIDEO_DELETE: Json = {"responses": {"204": {"description": "It is gone."}, "404": _NO_CLIP, **_LIMITS}}
