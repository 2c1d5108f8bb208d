"""What the API's description says of work that goes on for a while: clips, and many photos at once."""

from __future__ import annotations

from matting_api.jobs.job import DONE, FAILED, QUEUED, WORKING
from matting_api.openapi import BY_HEADER, ERRORS, PICTURE, error_answer, named_schema, object_schema
from matting_api.openapi_fields import FLAG, OF_OURS, TEXT, Json, choice_field, text_field
from matting_api.paths import JOBS as JOBS_PATH
from matting_api.paths import VIDEO as VIDEO_PATH
from matting_api.request.jobs import FIELDS

_ID = "Zk3m1QYbq0s2o5vLr8Xw7A"


def _state(path: str, properties: Json, **sometimes: Json) -> Json:
    """The schema of what is told of a job: `properties` beside what all have, `sometimes` what only some have."""
    told = {
        "id": {**TEXT, "example": _ID},
        "status": {**TEXT, "enum": [QUEUED, WORKING, DONE, FAILED]},
        **properties,
        "seconds_left": {"type": ["number", "null"], "description": "As far as is known.", "example": 18.4},
        "result": {
            "type": ["string", "null"],
            "description": "Where it is, once it is done.",
            "example": f"{path}/{_ID}/result",
        },
    }
    error = {**named_schema("Reason"), "description": "Why it has failed."}
    return {"type": "object", "properties": {**told, **sometimes, "error": error}, "required": list(told)}


def _whole(about: str, example: int) -> Json:
    return {"type": "integer", "description": about, "example": example}


def _taken(about: str, name: str) -> Json:
    location = {"schema": TEXT, "description": "Where to ask how far it is."}
    return {**_told(about, name), "headers": {"Location": location}}


def _told(about: str, name: str) -> Json:
    return {"description": about, "content": {"application/json": {"schema": named_schema(name)}}}


_CLIP = _state(
    VIDEO_PATH,
    {
        "frames": {**_whole("How many it has, as far as is known.", 250), "type": ["integer", "null"]},
        "done": _whole("How many are finished.", 75),
        "frames_per_second": {"type": ["number", "null"], "description": "So far.", "example": 9.5},
    },
)
_NO_CLIP = error_answer("No such clip, or its hour is over.", "not_found", "got an id of no job here")
_LIMITS = {status: error_answer(*ERRORS[status]) for status in ("403", "429", "503")}


VIDEO: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": object_schema(
                    {
                        "video_file": {**TEXT, "format": "binary", "description": "MP4, MOV, WebM, MKV, AVI or MPEG."},
                        "format": choice_field(
                            "webm: VP9 with alpha; mov: ProRes 4444; mp4: H.264, which needs a background.",
                            ("webm", "mov", "mp4"),
                            default="webm",
                        ),
                        "background": text_field("A colour, or `blur` for the clip itself out of focus.", "#00b140"),
                        "bg_image_file": {**TEXT, "format": "binary", "description": "A picture to put behind."},
                        "alpha_only": {**FLAG, "default": False, "description": "The alpha in grey."},
                        "start": text_field("Seconds or [hh:]mm:ss to begin at.", "1:05"),
                        "end": text_field("To end before; the clip's end without it.", "1:20.5"),
                    },
                    "video_file",
                )
            }
        },
    },
    "responses": {
        "202": _taken("The clip waits for its turn.", "Clip"),
        **{status: error_answer(*told) for status, told in ERRORS.items()},
    },
}
VIDEO_STATE: Json = {"responses": {"200": _told("How far it is.", "Clip"), "404": _NO_CLIP, **_LIMITS}}
_CLIPS = ("video/webm", "video/quicktime", "video/mp4")
_PARTS = {
    "206": {"description": "What `Range` asks for of it."},
    "416": error_answer("It has no such part.", "range_not_satisfiable", "got what is no part of it"),
}
VIDEO_RESULT: Json = {
    "responses": {
        "200": {
            "description": "The result.",
            "content": dict.fromkeys(_CLIPS, PICTURE),
        },
        **_PARTS,
        "404": _NO_CLIP,
        "409": error_answer("It is not done.", "not_ready", "got a clip that is working, expected done; ask again"),
        **_LIMITS,
    }
}
VIDEO_DELETE: Json = {"responses": {"204": {"description": "It is gone."}, "404": _NO_CLIP, **_LIMITS}}
_JOB = _state(
    JOBS_PATH,
    {
        "photos": _whole("How many it has.", 40),
        "done": _whole("How many are finished, failed and empty ones among them.", 12),
        "failed": _whole("How many of them have an error instead of a result.", 1),
        "empty": _whole("In how many of them nothing was found.", 2),
    },
    target={**TEXT, "description": "Where results go, in a bucket.", "example": "s3://results/may"},
)
_NO_JOB = error_answer("No such job, or its time is over.", "not_found", "got an id of no job here")

_JOB_FIELDS: Json = {
    **{name: OF_OURS[name] for name in FIELDS},
    "target": text_field("Where results go, in a bucket that the server may use; else into a ZIP.", "s3://results/may"),
    "webhook": text_field("Told when the job is over, where the server allows it.", "https://example.com/done"),
}
_BUCKET = text_field("Photos of a bucket that the server may use: all below a folder.", "s3://photos/may")
_ADDRESSES: Json = {"type": "array", "items": TEXT, "minItems": 1, "description": "Addresses of the photos."}
JOBS: Json = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {**TEXT, "maxLength": 128},
            "description": "A name of your own for the order: sent again with it, it is the same job.",
        },
        BY_HEADER,
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": object_schema(
                    {"archive": {**TEXT, "format": "binary", "description": "A ZIP of photos."}, **_JOB_FIELDS},
                    "archive",
                )
            },
            "application/json": {
                "schema": {
                    **object_schema({"urls": _ADDRESSES, "bucket": _BUCKET, **_JOB_FIELDS}),
                    "description": "One of urls and bucket is needed.",
                },
                "examples": {
                    "addresses": {"value": {"urls": ["https://example.com/photo.jpg"], "format": "webp"}},
                    "bucket": {"value": {"bucket": "s3://photos/may", "target": "s3://results/may", "format": "webp"}},
                },
            },
        },
    },
    "responses": {
        "202": _taken("The job waits for its turn.", "Job"),
        **{status: error_answer(*told) for status, told in ERRORS.items()},
    },
}
JOBS_STATE: Json = {"responses": {"200": _told("How far it is.", "Job"), "404": _NO_JOB, **_LIMITS}}
_OF_A_PHOTO: Json = {
    "photo": TEXT,
    "file": {**TEXT, "description": "Its result; or there is an error."},
    "found": {**FLAG, "description": "false: nothing was found, the result is empty."},
    "uncertainty": {"type": "number", "description": "How doubtful the result is."},
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "warnings": {"type": "array", "items": TEXT, "description": "As of X-Warning; left out where there are none."},
    "error": named_schema("Reason"),
}
_LIST: Json = {"type": "array", "items": object_schema(_OF_A_PHOTO, "photo")}
JOBS_RESULT: Json = {
    "responses": {
        "200": {
            "description": "A ZIP of the results, and results.json, which says what came of each photo; where results "
            "went to a bucket, results.json alone.",
            "content": {"application/zip": PICTURE, "application/json": {"schema": _LIST}},
        },
        **_PARTS,
        "404": _NO_JOB,
        "409": error_answer("It is not done.", "not_ready", "got a job that is working, expected done; ask again"),
        **_LIMITS,
    }
}
JOBS_DELETE: Json = {"responses": {"204": {"description": "It is gone."}, "404": _NO_JOB, **_LIMITS}}
SCHEMAS: Json = {"Clip": _CLIP, "Job": _JOB}
