"""The REST API: `POST /v1.0/removebg`, `/livez`, `/readyz` and `/openapi.json`."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from matting_client import EngineError
from starlette.datastructures import Headers

from api import errors, schema
from api.form import MAX_TEXT_BYTES, content_type, read_form
from api.guard import Guard
from api.parameters import Parameters, read_parameters
from api.service import Service
from api.settings import Settings
from api.turns import Turns

REMOVEBG, LIVE, READY, OPENAPI = "/v1.0/removebg", "/livez", "/readyz", "/openapi.json"
OVERHEAD_BYTES = 64 * 1024  # of a form around its file
OTHER_BYTES = 1024 * 1024
CLIENT_GONE = 499  # nobody reads it
PROBES = 4  # readiness checks at once


def create_api(settings: Settings, service: Service | None = None) -> FastAPI:
    """The API without the outer guard; see `create_app`."""
    used = service or Service(settings)
    turns = Turns(settings.workers, settings.waiting)
    threads, probes = CapacityLimiter(settings.workers), CapacityLimiter(PROBES)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(used.close)

    app = FastAPI(title="unet-matting", version="1.0", docs_url=None, redoc_url=None, lifespan=lifespan)
    errors.install(app)

    @app.post(REMOVEBG, openapi_extra=schema.REMOVEBG, response_class=Response, summary="Cut a subject out")
    async def removebg(request: Request) -> Response:
        async with turns.enter(), read_form(request) as form:
            asked = read_parameters(form.fields)
            async with turns.work():
                if await request.is_disconnected():
                    return Response(status_code=CLIENT_GONE)
                photo = await form.photo()
                job = partial(_respond, used, photo, form.name, asked, request.headers.get("accept", ""))
                return await to_thread.run_sync(job, limiter=threads)

    @app.head(LIVE, include_in_schema=False)
    @app.get(LIVE, summary="The process is alive")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.head(READY, include_in_schema=False)
    @app.get(READY, summary="The model answers")
    async def readyz() -> JSONResponse:
        try:
            await to_thread.run_sync(used.check_ready, limiter=probes)
        except EngineError as error:
            reason = errors.body("not_ready", "Not ready", str(error))
            return JSONResponse({"status": "not ready", **reason}, 503, {"Retry-After": str(errors.GONE_SECONDS)})
        return JSONResponse({"status": "ready", "model": settings.model})

    return app


def body_limit(settings: Settings, path: str, headers: Headers) -> int:
    """Largest body in bytes of a request to `path`."""
    file_bytes = settings.max_upload_mb * 2**20 + OVERHEAD_BYTES
    if path == "/gradio_api/upload":
        return file_bytes
    if path == REMOVEBG:
        return file_bytes if content_type(headers) == "multipart/form-data" else min(2 * file_bytes, MAX_TEXT_BYTES)
    return OTHER_BYTES


def _respond(service: Service, photo: bytes, name: str, asked: Parameters, accept: str) -> Response:
    """Cut out and encode; in a thread."""
    cutout = service.cutout(photo, asked.options, name)
    data = cutout.to_bytes()
    if accept.partition(",")[0].partition(";")[0].strip() == "application/json":
        response: Response = JSONResponse({"data": {"result_b64": base64.b64encode(data).decode()}})
    else:
        response = Response(data, media_type=f"image/{asked.options.format}")
    height, width = cutout.rgb.shape[:2]
    response.headers["X-Width"], response.headers["X-Height"] = str(width), str(height)
    response.headers["X-Type"] = "other" if asked.type == "auto" else asked.type
    response.headers["X-Credits-Charged"] = "0"
    timing = (f"{step};dur={1000 * spent:.1f}" for step, spent in cutout.seconds.items())
    response.headers["Server-Timing"] = ", ".join(timing)
    return response


def create_app(settings: Settings) -> Guard:
    """The API alone, with its guard: for tests and for those who need no page."""
    return Guard(create_api(settings), lambda path, headers: body_limit(settings, path, headers))
