"""What a request for an ID photo asks for."""

from __future__ import annotations

from collections.abc import Mapping

from matting_client import Options
from matting_client.idphoto import PAPERS, IdAsked
from matting_client.idsizes import sizes

from matting_api.errors import bad_request
from matting_api.request.fields import read_choice, read_colour, read_number, refuse_unknown
from matting_api.request.parameters import Asked

FIELDS = ("kind", "background", "zoom", "shift", "paper", "format")
FORMATS = {"jpeg": "jpeg", "jpg": "jpeg", "pdf": "pdf"}


def read_idphoto(fields: Mapping[str, str], has_background: bool) -> Asked:
    """Options and kind of an ID photo from text fields.

    Raises
    ------
    ApiError
        An unknown parameter, or a value it cannot have.
    """
    refuse_unknown(fields, FIELDS)
    if has_background:
        raise bad_request(
            "unsupported_parameter", "Unsupported parameter", "got a picture as background, expected a colour"
        )
    paper = read_choice(fields, "paper", PAPERS) if fields.get("paper") else None
    format = FORMATS[read_choice(fields, "format", FORMATS)]
    if format == "pdf" and paper is None:
        raise bad_request(
            "invalid_parameter", "Invalid format", "format: got pdf, which is for sheets; name a paper, too"
        )
    asked = IdAsked(
        sizes()[read_choice(fields, "kind", sizes())],
        read_colour("background", fields.get("background", "")),
        read_number("zoom", fields.get("zoom") or "1", float),
        read_number("shift", fields.get("shift") or "0", float),
        paper,
        format,
    )
    return Asked(Options.from_preset("id-photo"), id_photo=asked, must_find=True)
