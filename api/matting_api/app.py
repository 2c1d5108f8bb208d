"""The REST API, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from anyio import to_thread
from fastapi import FastAPI
from matting_client.imaging.decode import warm_up
from starlette.datastructures import Headers
from starlette.types import ASGIApp

from matting_api import errors, openapi, paths
from matting_api.concurrency import Turns
from matting_api.hosts import Hosts
from matting_api.middleware.body_limits import Guard
from matting_api.middleware.rate_limit import Gate
from matting_api.model_client import Service
from matting_api.request.body import MAX_TEXT_BYTES, content_type
from matting_api.request.fetch import Fetcher
from matting_api.routes import health, photos, video
from matting_api.settings import Settings

OVERHEAD_BYTES = 64 * 1024  # of a form around its file
OTHER_BYTES = 1024 * 1024


def create_api(settings: Settings, service: Service | None = None, fetcher: Fetcher | None = None) -> FastAPI:
    """The API without the outer guard; see `create_app`."""
    used = service or Service(settings)
    turns = Turns(settings.workers, settings.waiting)
    used.metrics.watch(turns)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warm_up()
        yield
        await to_thread.run_sync(used.close)

    app = FastAPI(
        title="unet-matting",
        version="1.0",
        description=openapi.ABOUT,
        openapi_url=paths.OPENAPI,
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    errors.install(app)
    app.add_middleware(Gate, keys=settings.keys, rate=settings.rate, quota=settings.quota)
    fetches = fetcher or (Fetcher(settings.limits.max_bytes) if settings.urls else None)
    app.include_router(photos.router(used, turns, fetches, with_keys=bool(settings.keys)))
    app.include_router(video.router(used.videos, with_keys=bool(settings.keys)))
    app.include_router(health.router(used, turns))
    return app


def body_limit(settings: Settings, path: str, headers: Headers) -> int:
    """Largest body in bytes of a request to `path`."""
    file_bytes = settings.max_upload_mb * 2**20 + OVERHEAD_BYTES
    if path == "/gradio_api/upload":
        return file_bytes
    if path.startswith(paths.MCP):  # a photo in Base64 within JSON
        return 2 * file_bytes
    is_form = content_type(headers) == "multipart/form-data"
    if path == paths.REMOVEBG:
        return 2 * file_bytes if is_form else min(2 * file_bytes, MAX_TEXT_BYTES)
    if path in paths.PHOTOS:
        return 2 * file_bytes if is_form else settings.max_upload_mb * 2**20
    if path == paths.VIDEO:
        return file_bytes
    return OTHER_BYTES


def create_app(settings: Settings, fetcher: Fetcher | None = None) -> Guard:
    """The API alone, with its guard: for tests and for those who need no page."""
    service = Service(settings)
    api = create_api(settings, service, fetcher)
    return guard(api, settings, service)


def guard(app: ASGIApp, settings: Settings, service: Service) -> Guard:
    """The outermost layer around everything that answers on the port."""
    limit = partial(body_limit, settings)
    return Guard(app, limit, service.metrics.answered, Hosts(settings.host, settings.allowed_hosts))
