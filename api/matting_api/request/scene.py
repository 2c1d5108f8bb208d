"""What a request for a subject in another scene asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of

from matting_client import Options
from matting_client.processing.scene import Scene

from matting_api.errors import bad_request
from matting_api.request.fields import read_choice, read_number, refuse_unknown
from matting_api.request.parameters import Asked, read_model

PLACES = tuple(each.name for each in fields_of(Scene))
FIELDS = (*PLACES, "format", "quality", "model")
FORMATS = ("jpeg", "jpg", "png", "webp")


def read_scene(fields: Mapping[str, str], has_background: bool) -> Asked:
    """Where the subject stands, and in what light, from text fields.

    Raises
    ------
    ApiError, OptionError
        No scene, an unknown parameter, or a value it cannot have.
    """
    refuse_unknown(fields, FIELDS)
    if not has_background:
        detail = "expected a picture of the scene as bg_image_file, or bg_image_url where the server takes it"
        raise bad_request("missing_source", "No scene given", detail)
    options = Options(
        format=read_choice(fields, "format", FORMATS),
        quality=int(read_number("quality", fields.get("quality") or "92", int)),
    )
    scene = Scene(**{name: float(read_number(name, fields[name], float)) for name in PLACES if fields.get(name)})
    return Asked(options, model=read_model(fields.get("model", "")), scene=scene, must_find=True)
