"""What /openapi.json says of the endpoints, which read their requests by themselves."""

from __future__ import annotations

from matting_client.idphoto import PAPERS
from matting_client.idsizes import sizes

from matting_api.openapi_fields import (
    BASE64,
    BEHIND,
    FILE,
    FLAG,
    MASK,
    MODEL,
    OF_A_SCENE,
    OF_OURS,
    OF_REMOVEBG,
    TEXT,
    TINY,
    Json,
    choice_field,
    text_field,
)
from matting_api.request.parameters import (
    ALPHA_FIELDS,
    CUTOUT_FIELDS,
    MODEL_HEADER,
)

ABOUT = 'Cuts people and products out of photos. Every error is `{"errors": [{"title", "code", "detail"}]}`.'


PICTURE: Json = {"schema": {**TEXT, "format": "binary"}}


def named_schema(name: str) -> Json:
    """One of the schemas that have a name of their own, which clients that are made of this call their types by."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer_schema(properties: Json) -> Json:
    """The schema of an object that has all of these properties; later versions may add some."""
    return {"type": "object", "properties": properties, "required": list(properties)}


SCHEMAS: Json = {
    "Reason": answer_schema({"title": TEXT, "code": TEXT, "detail": TEXT}),
    "Errors": answer_schema({"errors": {"type": "array", "items": named_schema("Reason")}}),
}
ERRORS = {
    "400": ("The photo or a parameter cannot be used.", "invalid_parameter", "scale: got '5%', expected 10%..100%"),
    "402": ("The key's quota of the day is used up; Retry-After.", "insufficient_credits", "got more than 100 a day"),
    "403": ("The server wants a key, and this is none.", "auth_failed", "expected a valid key in X-Api-Key"),
    "408": ("The body came too slowly.", "request_timeout", "got nothing for 30 s; send it again"),
    "413": ("The photo is too large, in bytes or pixels.", "file_too_large", "got 9000x9000 pixels, expected fewer"),
    "415": ("The body is no form and no JSON.", "unsupported_media_type", "got text/plain, expected a form"),
    "429": ("More requests in a minute than allowed; Retry-After.", "rate_limit_exceeded", "got more than 60"),
    "503": ("The server is busy, starting or gone; Retry-After.", "server_busy", "got 53 requests at once; try later"),
    "507": ("The server's disk is full; Retry-After.", "insufficient_storage", "the server's temporary folder is full"),
}
MISDIRECTED = ("The Host is none of the server's names.", "misdirected_request", "name it in --allowed-hosts")
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
    "X-Matting-Uncertainty": "How doubtful the result is, from its own alpha: about 0.02 for a good portrait.",
    "X-Warning": "What was left out or repaired, where something was.",
    "X-Request-Id": "The request's own, or one that the server's log has.",
    "Server-Timing": "Milliseconds of each step.",
    "X-RateLimit-Limit": "Requests a minute, where the server limits them.",
    "X-RateLimit-Remaining": "What is left of them.",
    "X-RateLimit-Reset": "Unix time at which the count begins anew.",
}
_LATER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth another try."}}
_PLACES = ("foreground_top", "foreground_left", "foreground_width", "foreground_height")


def error_answer(about: str, code: str, detail: str) -> Json:
    """An answer that is an error of this code, described."""
    title, _, later = about.partition("; ")
    shown = {"errors": [{"title": title, "code": code, "detail": detail}]}
    content = {"application/json": {"schema": named_schema("Errors"), "example": shown}}
    return {"description": about, "content": content, **({"headers": _LATER} if later == "Retry-After." else {})}


def error_answers(*statuses: str) -> Json:
    """Answers that are errors of these statuses; of all that a photo may have without any."""
    return {status: error_answer(*ERRORS[status]) for status in statuses or ERRORS}


def _answers(*kinds: str) -> Json:
    data = {"result_b64": {**TEXT, "format": "byte"}, **{name: shape_of(0) for name in _PLACES}}
    as_json = answer_schema({"data": answer_schema(data)})
    content = dict.fromkeys(kinds, PICTURE)
    return {
        "200": {
            "description": "The result. With `Accept: application/json` it comes as base64 in data.result_b64.",
            "headers": {name: {"schema": TEXT, "description": text} for name, text in _HEADERS.items()},
            "content": {**content, "application/json": {"schema": as_json}},
        },
        **error_answers(),
    }


def object_schema(properties: Json, *required: str) -> Json:
    """The schema of an object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def shape_of(value: object) -> Json:
    """The schema of values such as this one."""
    match value:
        case bool():
            return FLAG
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case dict():
            return answer_schema({name: shape_of(each) for name, each in value.items()})
        case _:
            return TEXT


def _parameter(name: str, place: str, field: Json) -> Json:
    """A field outside of the body."""
    told: Json = {key: field[key] for key in ("description", "example") if key in field}
    return {"name": name, "in": place, **told, "schema": {key: field[key] for key in field if key not in told}}


BY_HEADER = _parameter(MODEL_HEADER, "header", MODEL)


def _own(fields: Json, files: Json, *kinds: str) -> Json:
    """An endpoint that takes a photo as its body, with its fields in the query, or a form."""
    query = [_parameter(name, "query", field) for name, field in fields.items()]
    content = {
        "image/jpeg": PICTURE,
        "image/png": PICTURE,
        "multipart/form-data": {"schema": object_schema({**files, **fields}, "image_file")},
    }
    return {
        "parameters": [*query, BY_HEADER],
        "requestBody": {"required": True, "content": content},
        "responses": _answers(*kinds),
    }


def example(value: Json, **properties: Json) -> Json:
    """An endpoint that answers with JSON such as this; `properties`: schemas of those that are not always such."""
    shape = shape_of(value)
    schema = {**shape, "properties": {**shape["properties"], **properties}}
    content = {"application/json": {"schema": schema, "example": value}}
    return {"responses": {"200": {"description": "Successful Response", "content": content}}}


# One of image_file, image_file_b64 and image_url is needed, which no list of required names can say; with `anyOf`
# most programs that make clients give such a body no type at all.
_ONE_PHOTO = {"description": "One of image_file (of a multipart form), image_file_b64 and image_url is needed."}
_WITHOUT_FILE = {**object_schema({"image_file_b64": BASE64, **OF_REMOVEBG}), **_ONE_PHOTO}
_FILES = {"image_file": FILE, "bg_image_file": BEHIND}
_WITH_FILE = {**object_schema({**_FILES, **_WITHOUT_FILE["properties"]}), **_ONE_PHOTO}
_SAMPLE = {"image_file_b64": TINY, "size": "auto", "crop": True, "crop_margin": "10%", "bg_color": "81d4fa"}
_PICTURES = ("image/png", "image/jpeg", "image/webp")
REMOVEBG: Json = {
    "parameters": [BY_HEADER],
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
_BY_ADDRESS = {"bg_image_url": OF_REMOVEBG["bg_image_url"]}
CUTOUT = _own(
    {**{name: OF_OURS[name] for name in CUTOUT_FIELDS}, **_BY_ADDRESS},
    {"image_file": FILE, "bg_image_file": BEHIND, "mask_file": MASK},
    *_PICTURES,
)
ALPHA = _own({name: OF_OURS[name] for name in ALPHA_FIELDS}, {"image_file": FILE, "mask_file": MASK}, "image/png")
IDPHOTO = _own(
    {
        "kind": choice_field("What office the photo is for.", sizes()),
        "background": text_field("A colour instead of the one that the office asks for.", "#ffffff"),
        "zoom": {"type": "number", "minimum": 0.67, "maximum": 1.5, "default": 1, "description": "Of the head's size."},
        "shift": {"type": "number", "minimum": -0.2, "maximum": 0.2, "default": 0, "description": "Downwards."},
        "paper": choice_field("A sheet to print instead of the photo.", PAPERS),
        "format": choice_field("pdf: of a sheet.", ("jpeg", "jpg", "pdf"), default="jpeg"),
    },
    {"image_file": FILE},
    "image/jpeg",
    "application/pdf",
)
# Not `required`, as its address will do where the server fetches; `/docs` shows it in its command.
_SCENE_FILE = {**BEHIND, "description": "The scene.", "x-shown": True}
SCENE = _own(
    {**OF_A_SCENE, **_BY_ADDRESS},
    {"image_file": FILE, "bg_image_file": _SCENE_FILE},
    "image/jpeg",
    "image/png",
    "image/webp",
)
_CREDITS: Json = {
    "data": {
        "attributes": {
            "credits": {"total": 100, "subscription": 100, "payg": 0, "enterprise": 0},
            "api": {"free_calls": 100, "sizes": "all"},
        }
    }
}
ACCOUNT: Json = {"responses": {**example(_CREDITS)["responses"], **error_answers("403", "429")}}
IMPROVE: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": object_schema(
                    {
                        "image_file": FILE,
                        "result_file": {**FILE, "description": "What came of the photo."},
                        "correction_file": {
                            **FILE,
                            "description": "What should have come: the right alpha in grey, or the right cutout, of "
                            "the photo's size.",
                        },
                        "image_filename": text_field("What the photo is called.", "shoe.jpg"),
                        "tag": text_field("A word of your own.", "hair"),
                    },
                    "image_file",
                )
            }
        },
    },
    "responses": {
        **example({"id": "6fe0c5e3a2b84b0d9a1f6a8c2b3d4e5f"})["responses"],
        **error_answers(),
        "403": error_answer(
            "The server keeps no photos, or wants a key.", "improve_not_supported", "start it with --samples FOLDER"
        ),
        "507": error_answer("The box of samples or the disk is full.", "insufficient_storage", "empty the box"),
    },
}
READY: Json = {
    "responses": {
        **example({"status": "ready", "model": "matting_512"})["responses"],
        "503": error_answer(
            "The model does not answer; Retry-After.", "not_ready", "127.0.0.1:8001: no server answers"
        ),
    }
}
_HEALTH: Json = {
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
        "contract": {"licence": "Apache-2.0", "scores": {"val_london": {"SAD": 3.425}}},
    },
    "version": "0.1.0",
    "model": "matting_512",
    "engine": "triton",
    "queue": {"working": 1, "waiting": 0, "workers": 4, "places": 48},
}
_KNOWN_OR_NOT: Json = {"type": ["object", "null"]}
HEALTH = example(_HEALTH, server=_KNOWN_OR_NOT, batches=_KNOWN_OR_NOT, run=_KNOWN_OR_NOT)
METRICS: Json = {
    "responses": {
        "200": {
            "description": "Prometheus' text form.",
            "content": {"text/plain": {"schema": TEXT, "example": "matting_photos_total 64.0\n"}},
        }
    }
}
