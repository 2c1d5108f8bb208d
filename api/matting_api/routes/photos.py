"""The endpoints that take a photo: `/v1.0/removebg`, `/v1/cutout`, `/v1/alpha`, `/v1/idphoto` and `/v1/scene`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from matting_api import openapi
from matting_api.concurrency import Turns
from matting_api.errors import CLIENT_GONE, bad_request
from matting_api.model_client import Service
from matting_api.paths import ALPHA, CUTOUT, IDPHOTO, IMPROVE, REMOVEBG, SCENE
from matting_api.produce import Beside
from matting_api.request.body import Form, Source, read_form
from matting_api.request.fetch import Fetcher
from matting_api.request.idphoto import read_idphoto
from matting_api.request.parameters import MODEL_HEADER, Asked, read_alpha, read_cutout, read_model, read_removebg
from matting_api.request.scene import read_scene
from matting_api.routes.answer import answer

MOST_FETCHES = 16  # requests at once whose pictures are fetched from other hosts
Read = Callable[[Mapping[str, str], bool], Asked]


def router(service: Service, turns: Turns, fetcher: Fetcher | None) -> APIRouter:
    """The endpoints.

    Parameters
    ----------
    service : cuts out.
    turns : bounds how many photos are worked on, and who is next.
    fetcher : fetches pictures by address; None refuses to.
    """
    fetches = Turns(MOST_FETCHES, service.settings.waiting)
    service.queues.append(fetches)
    serve = _Serving(service, turns, fetcher, fetches, CapacityLimiter(service.settings.workers))
    routes = APIRouter(default_response_class=Response)

    default_size = "preview" if service.settings.preview_by_default else "auto"
    read_as_removebg = partial(read_removebg, default_size=default_size)

    @routes.post(REMOVEBG, openapi_extra=openapi.REMOVEBG, summary="Cut a subject out, as remove.bg does")
    async def removebg(request: Request) -> Response:
        return await serve(request, read_as_removebg, False)

    @routes.post(CUTOUT, openapi_extra=openapi.CUTOUT, summary="Cut a subject out")
    async def cutout(request: Request) -> Response:
        return await serve(request, read_cutout, True)

    @routes.post(ALPHA, openapi_extra=openapi.ALPHA, summary="The alpha of a photo")
    async def alpha(request: Request) -> Response:
        return await serve(request, read_alpha, True)

    @routes.post(IDPHOTO, openapi_extra=openapi.IDPHOTO, summary="An ID photo, or a sheet of them to print")
    async def idphoto(request: Request) -> Response:
        return await serve(request, read_idphoto, True)

    @routes.post(SCENE, openapi_extra=openapi.SCENE, summary="The subject in another scene, with its light")
    async def scene(request: Request) -> Response:
        return await serve(request, read_scene, True)

    return routes


@dataclass(frozen=True)
class _Serving:
    """From a request to its answer; attributes as of `router`, and some more.

    Attributes
    ----------
    fetches : bounds how many requests have their pictures fetched, so that nobody makes this server flood another.
    threads : that photos are worked on in, one for each turn; anyio's own 40 are for everything else.
    """

    service: Service
    turns: Turns
    fetcher: Fetcher | None
    fetches: Turns
    threads: CapacityLimiter

    async def __call__(self, request: Request, read: Read, takes_photo: bool) -> Response:
        async with read_form(request, takes_photo) as form:
            asked = read(form.fields, form.background is not None)
            if asked.model is None:
                asked = replace(asked, model=read_model(request.headers.get(MODEL_HEADER, "")))
            _check_beside(form, takes_photo)
            await self._fetch(request, form)
            start = time.perf_counter()
            async with self.turns.work(request.state.caller):
                waited = time.perf_counter() - start
                if await request.is_disconnected():
                    return Response(status_code=CLIENT_GONE)
                photo = await _load(form.photo)
                beside = await _load_beside(form)
                accept = request.headers.get("accept", "")
                job = partial(answer, self.service, photo, beside, asked, accept, waited)
                return await to_thread.run_sync(job, limiter=self.threads)

    async def _fetch(self, request: Request, form: Form) -> None:
        """Fetch the pictures that came as addresses, when it is the caller's turn."""
        sources = [each for each in (form.photo, form.background) if each is not None and each.is_address]
        if not sources:
            return
        async with self.fetches.work(request.state.caller):
            for source in sources:
                await source.fetch(self.fetcher, request.state.book)


def _check_beside(form: Form, takes_photo: bool) -> None:
    for source in (form.result, form.correction):
        if source is not None:
            detail = f"{source.field}: got a file that belongs to a sample; send it to {IMPROVE}"
            raise bad_request("unsupported_parameter", "Unsupported parameter", detail)
    if form.mask is not None and not takes_photo:
        detail = "mask_file: got a mask, which remove.bg does not know; send it to /v1/cutout"
        raise bad_request("unsupported_parameter", "Unsupported parameter", detail)


async def _load_beside(form: Form) -> Beside:
    return Beside(
        background=await _load(form.background) if form.background else None,
        mask=await _load(form.mask) if form.mask else None,
    )


async def _load(source: Source) -> tuple[bytes, str]:
    return await source.read(), source.name
