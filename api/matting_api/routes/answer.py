"""From bytes of a photo to an answer."""

from __future__ import annotations

import base64
import io
import time
import zipfile

import numpy as np
from fastapi.responses import JSONResponse, Response
from matting_client import Cutout
from matting_client.budget import room_for
from matting_client.imaging.decode import decode
from matting_client.imaging.encode import encode
from numpy.typing import NDArray

from matting_api.model_client import Service
from matting_api.request.parameters import Asked


def answer(
    service: Service,
    photo: tuple[bytes, str],
    background: tuple[bytes, str] | None,
    asked: Asked,
    accept: str,
    waited: float,
) -> Response:
    """Cut out and encode; in a thread.

    Parameters
    ----------
    photo, background : bytes of a file, and what errors call it.
    asked : what the result is.
    accept : the request's header; application/json asks for base64 in JSON.
    waited : seconds the request waited for its turn.

    Raises
    ------
    MattingError
    """
    behind = decode(*background, service.settings.limits) if background else None  # first: it is cheap to refuse
    with room_for(*photo, service.settings.limits):
        cutout = service.cutout(photo[0], asked.options, photo[1], asked.model)
        steps = set(cutout.seconds)
        data, kind, size = _zip(cutout) if asked.as_zip else _picture(cutout, behind)
    service.metrics.spent({step: spent for step, spent in cutout.seconds.items() if step not in steps})
    if accept.partition(",")[0].partition(";")[0].strip() == "application/json":
        response: Response = JSONResponse({"data": {"result_b64": base64.b64encode(data).decode()}})
    else:
        response = Response(data, media_type=kind)
    response.headers["X-Width"], response.headers["X-Height"] = str(size[0]), str(size[1])
    if cutout.origin.notes:
        response.headers["X-Warning"] = "; ".join(cutout.origin.notes)
    response.headers["X-Type"] = asked.type
    response.headers["X-Credits-Charged"] = "0"
    response.headers["X-Matting-Found"] = "false" if cutout.is_empty else "true"
    response.headers["X-Matting-Uncertainty"] = f"{cutout.uncertainty:.4f}"
    timing = (f"{step};dur={1000 * spent:.1f}" for step, spent in {"wait": waited, **cutout.seconds}.items())
    response.headers["Server-Timing"] = ", ".join(timing)
    return response


def _picture(cutout: Cutout, background: NDArray[np.uint8] | None) -> tuple[bytes, str, tuple[int, int]]:
    """The result as a file, its type, and its width and height."""
    start = time.perf_counter()
    picture = cutout.render(background)
    cutout.seconds["compose"] = time.perf_counter() - start
    start = time.perf_counter()
    data = encode(picture, cutout.options.format, cutout.options.quality)
    cutout.seconds["encode"] = time.perf_counter() - start
    return data, f"image/{cutout.options.format}", (picture.shape[1], picture.shape[0])


def _zip(cutout: Cutout) -> tuple[bytes, str, tuple[int, int]]:
    """The same with colours and alpha as two files, smaller and quicker to make than a PNG with both."""
    start = time.perf_counter()
    fgr, pha = cutout.layers()
    cutout.seconds["compose"] = time.perf_counter() - start
    start = time.perf_counter()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:  # both are compressed already
        file.writestr("color.jpg", encode(fgr, "jpeg", cutout.options.quality))
        file.writestr("alpha.png", encode(pha, "png"))
    cutout.seconds["encode"] = time.perf_counter() - start
    return buffer.getvalue(), "application/zip", (pha.shape[1], pha.shape[0])
