"""How the server is: `/livez`, `/readyz`, `/v2/health` and `/metrics`."""

from __future__ import annotations

from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from matting_client import EngineError, __version__

from matting_api import errors, openapi
from matting_api.concurrency import Turns
from matting_api.metrics import CONTENT_TYPE
from matting_api.model_client import Service
from matting_api.paths import HEALTH, LIVE, METRICS, READY

PROBES = 4  # checks at once


def router(service: Service, turns: Turns) -> APIRouter:
    """The endpoints, which need no key."""
    routes = APIRouter()
    probes = CapacityLimiter(PROBES)
    settings = service.settings

    @routes.head(LIVE, include_in_schema=False)
    @routes.get(LIVE, summary="The process is alive", openapi_extra=openapi.example({"status": "alive"}))
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @routes.head(READY, include_in_schema=False)
    @routes.get(READY, summary="The model answers", openapi_extra=openapi.READY)
    async def readyz() -> JSONResponse:
        try:
            await to_thread.run_sync(service.check_ready, limiter=probes)
        except EngineError as error:
            reason = errors.body("not_ready", "Not ready", str(error))
            return JSONResponse({"status": "not ready", **reason}, 503, {"Retry-After": str(errors.GONE_SECONDS)})
        return JSONResponse({"status": "ready", "model": settings.model})

    @routes.head(HEALTH, include_in_schema=False)
    @routes.get(HEALTH, summary="Model, engine, batches and queue", openapi_extra=openapi.HEALTH)
    async def health() -> dict[str, Any]:
        try:
            found = {"status": "ready", **await to_thread.run_sync(service.status, limiter=probes)}
        except EngineError:
            found = {"status": "not ready", "server": None, "batches": None, "run": None}
        return {
            **found,
            "version": __version__,
            "model": settings.model,
            "engine": settings.engine,
            "queue": {
                "working": turns.working,
                "waiting": turns.waiting,
                "workers": settings.workers,
                "places": settings.waiting,
            },
        }

    @routes.head(METRICS, include_in_schema=False)
    @routes.get(METRICS, summary="Counters for Prometheus", response_class=Response, openapi_extra=openapi.METRICS)
    async def metrics() -> Response:
        try:
            await to_thread.run_sync(service.check_ready, limiter=probes)
            service.metrics.note_ready(is_ready=True)
        except EngineError:
            service.metrics.note_ready(is_ready=False)
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    return routes
