"""What an order for many photos asks for."""

from __future__ import annotations

from collections.abc import Mapping

from matting_api.errors import bad_request
from matting_api.request.body import BACKGROUND, MASK, PHOTO, SAMPLE
from matting_api.request.fields import refuse_unknown
from matting_api.request.parameters import CUTOUT_FIELDS, read_cutout

OF_JOBS = ("webhook", "target")  # what is said of a job beside the fields of its photos
FIELDS = tuple(name for name in CUTOUT_FIELDS if name != "points")
# What belongs to one photo, and what to do instead.
_REMEDIES = {
    "points": "correct each photo at /v1/cutout",
    MASK: "correct each photo at /v1/cutout",
    **dict.fromkeys(BACKGROUND, "name a colour, blur or a drawn one as background, or use /v1/cutout"),
    **dict.fromkeys(PHOTO, "send a ZIP as the file archive of a form, or JSON with urls or bucket"),
    **dict.fromkeys(SAMPLE, "send each to /v1.0/improve"),
}


def refuse_of_one_photo(fields: Mapping[str, object]) -> None:
    """Raise an ApiError that names a field which no whole job can have, unless it is empty."""
    for name, remedy in _REMEDIES.items():
        if fields.get(name):
            detail = f"{name}: got a field of one photo, expected those of all photos of a job; {remedy}"
            raise bad_request("unsupported_parameter", "Unsupported parameter", detail)


def read_job(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of each photo of a job, of which all can be used.

    Raises
    ------
    ApiError
        As of `read_cutout`, or a field belongs to one photo.
    """
    refuse_of_one_photo(fields)
    kept = {name: value for name, value in fields.items() if name not in _REMEDIES}
    refuse_unknown(kept, (*FIELDS, *OF_JOBS))
    read_cutout(kept, has_background=False)
    return kept
