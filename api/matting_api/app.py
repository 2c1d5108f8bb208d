"""The REST API, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader
from matting_client.imaging.decode import warm_up
from matting_ui import ids
from starlette.datastructures import Headers
from starlette.types import ASGIApp

from matting_api import errors, openapi, openapi_jobs, paths
from matting_api.concurrency import Turns
from matting_api.jobs.photos import MOST_ARCHIVE_BYTES
from matting_api.jobs.setup import open_jobs
from matting_api.middleware.cors import Cors, RootPath
from matting_api.middleware.guard import Guard
from matting_api.middleware.guesses import Guesses
from matting_api.middleware.hosts import Hosts
from matting_api.middleware.incoming import Incoming
from matting_api.middleware.proxies import Proxies
from matting_api.middleware.rate_limit import DAY, MINUTE, Allowance, Gate
from matting_api.model_client import Service
from matting_api.request.body import MAX_TEXT_BYTES, content_type
from matting_api.request.fetch import Fetcher
from matting_api.routes import account, health, jobs, photos, reference, video
from matting_api.samples import SampleBox
from matting_api.settings import Settings

OVERHEAD_BYTES = 64 * 1024  # of a form around its file
OTHER_BYTES = 1024 * 1024


class _Api(FastAPI):
    """FastAPI with the schemas that our endpoints' descriptions name."""

    def openapi(self) -> dict[str, Any]:
        """What /openapi.json says."""
        told = super().openapi()
        told.setdefault("components", {}).setdefault("schemas", {}).update(openapi.SCHEMAS | openapi_jobs.SCHEMAS)
        return told


def create_api(settings: Settings, service: Service, fetcher: Fetcher | None = None) -> FastAPI:
    """The API without the outer guard; see `create_app`."""
    turns = Turns(settings.workers, settings.waiting)
    service.queues.append(turns)
    service.metrics.watch_turns(turns)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warm_up()
        yield
        await to_thread.run_sync(service.close)

    app = _Api(
        title="unet-matting",
        version="1.0",
        description=openapi.ABOUT,
        openapi_url=paths.OPENAPI,
        docs_url=None,  # its page would load scripts from another host; ours is `reference`
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,  # what clients that are made of it call their functions
        responses={421: openapi.error_answer(*openapi.MISDIRECTED)},
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        lifespan=lifespan,
    )
    errors.install(app, turns.expected_wait)
    guesses = Guesses("key", service.metrics.attempted)
    rate = Allowance(settings.rate, MINUTE)
    quota = Allowance(settings.quota, DAY)
    app.add_middleware(Gate, keys=settings.keys, rate=rate, quota=quota, guesses=guesses, keys_file=settings.keys_file)
    fetches = fetcher or (Fetcher(settings.limits.max_bytes, ports=settings.url_ports) if settings.urls else None)
    # For the API's description alone: `Gate` checks the key.
    keyed = [Security(APIKeyHeader(name="X-Api-Key", auto_error=False))] if settings.keys else []
    app.include_router(photos.router(service, turns, fetches), dependencies=keyed)
    box = SampleBox(settings.samples, settings.limits) if settings.samples else None
    app.include_router(account.router(quota, box, turns), dependencies=keyed)
    opened = open_jobs(settings, service, fetches)
    root_path = settings.root_path
    app.include_router(video.router(opened.clips, settings.clip_bytes, settings.limits, root_path), dependencies=keyed)
    app.include_router(
        jobs.router(
            opened.photos,
            opened.elsewhere,
            settings.limits.max_bytes,
            with_webhooks=opened.webhooks is not None,
            root_path=root_path,
        ),
        dependencies=keyed,
    )
    app.include_router(health.router(service, turns))
    app.include_router(reference.router(app.openapi))
    return app


def body_limit(settings: Settings, path: str, headers: Headers) -> int:
    """Largest body in bytes of a request to `path`."""
    file_bytes = settings.max_upload_mb * 2**20 + OVERHEAD_BYTES
    if path == "/gradio_api/upload":
        return max(file_bytes, settings.clip_bytes + OVERHEAD_BYTES)
    if path.startswith(ids.MCP):  # a photo in Base64 within JSON
        return 2 * file_bytes
    is_form = content_type(headers) == "multipart/form-data"
    if path == paths.REMOVEBG:
        return 2 * file_bytes if is_form else min(2 * file_bytes, MAX_TEXT_BYTES)
    if path == paths.IMPROVE:
        return 3 * file_bytes if is_form else min(2 * file_bytes, MAX_TEXT_BYTES)  # with a result and a correction
    if path in paths.PHOTOS:
        return 3 * file_bytes if is_form else settings.max_upload_mb * 2**20  # with a background and a mask
    if path == paths.VIDEO:
        return settings.clip_bytes + file_bytes  # with a background
    if path == paths.JOBS:
        return MOST_ARCHIVE_BYTES + OVERHEAD_BYTES if is_form else MAX_TEXT_BYTES
    return OTHER_BYTES


def create_app(settings: Settings, fetcher: Fetcher | None = None) -> ASGIApp:
    """The API alone, with its guard: for tests and for those who need no page."""
    service = Service(settings)
    api = create_api(settings, service, fetcher)
    return guard(api, settings, service)


def guard(app: ASGIApp, settings: Settings, service: Service) -> ASGIApp:
    """The outermost layer around everything that answers on the port."""
    incoming = Incoming()
    service.metrics.watch_incoming(incoming)
    hosts = Hosts(settings.host, settings.allowed_hosts, settings.origins)
    guarded: ASGIApp = Guard(
        app,
        partial(body_limit, settings),
        service.metrics.answered,
        hosts=hosts,
        proxies=Proxies(settings.trusted_proxies),
        incoming=incoming,
        end_waiting=service.end_waiting,
    )
    if service.tracing is not None:
        guarded = service.tracing.around(guarded)
    if settings.origins:
        guarded = Cors(guarded, hosts)
    return RootPath(guarded, settings.root_path) if settings.root_path else guarded
