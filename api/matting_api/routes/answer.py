"""A result as an answer."""

from __future__ import annotations

import base64

from fastapi.responses import JSONResponse, Response
from matting_client.processing import subject_box
from matting_client.types import Alpha

from matting_api.model_client import Service
from matting_api.produce import Beside, Result, facts_of, produce
from matting_api.request.accept import wants_json
from matting_api.request.parameters import Asked


def answer(
    service: Service,
    photo: tuple[bytes, str],
    beside: Beside,
    asked: Asked,
    accept: str,
    waited: float,
) -> Response:
    """As of `produce`, with what is told of the result in the headers.

    Parameters
    ----------
    accept : the request's header; see `wants_json`.
    waited : seconds the request waited for its turn.
    """
    cutout, result = produce(service, photo, beside, asked)
    service.metrics.spent({"wait": waited})
    foreground = _foreground(result.pha)
    response = _with_body(result, foreground, accept)
    timing = (f"{step};dur={1000 * spent:.1f}" for step, spent in {"wait": waited, **result.timings}.items())
    facts = facts_of(cutout, result, asked)
    response.headers.update(
        {
            "X-Width": str(facts.width),
            "X-Height": str(facts.height),
            **{f"X-Foreground-{name.title()}": str(value) for name, value in foreground.items()},
            "X-Type": asked.type,
            "X-Credits-Charged": "0",
            "X-Matting-Found": "true" if facts.found else "false",
            "X-Matting-Uncertainty": f"{facts.uncertainty:.4f}",
            "Server-Timing": ", ".join(timing),
            "Vary": "Accept",
        }
    )
    if facts.warnings:
        response.headers["X-Warning"] = "; ".join(facts.warnings)
    return response


def _with_body(result: Result, foreground: dict[str, int], accept: str) -> Response:
    """The file itself, or JSON around it."""
    if not wants_json(accept, result.media_type):
        return Response(result.data, media_type=result.media_type)
    encoded = base64.b64encode(result.data).decode()
    places = {f"foreground_{name}": value for name, value in foreground.items()}
    return JSONResponse({"data": {"result_b64": encoded, **places}})


def _foreground(pha: Alpha) -> dict[str, int]:
    """Where in the result its subject is, in pixels; zeros where there is none."""
    box = subject_box(pha)
    if box is None:
        return {"top": 0, "left": 0, "width": 0, "height": 0}
    return {"top": box.top, "left": box.left, "width": box.width, "height": box.height}
