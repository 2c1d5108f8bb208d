"""remove.bg's other two endpoints: `/v1.0/account` and `/v1.0/improve`."""

from __future__ import annotations

import logging
from collections.abc import Callable

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers

from matting_api import openapi
from matting_api.concurrency import Turns
from matting_api.errors import ApiError
from matting_api.middleware.rate_limit import Allowance
from matting_api.paths import ACCOUNT, IMPROVE
from matting_api.request.body import CORRECTION, RESULT, Form, read_form
from matting_api.samples import BoxUnusable, Sample, SampleBox

log = logging.getLogger("api")
UNLIMITED = 1_000_000  # credits to show where there is no quota: programs refuse to start at 0


def router(
    quota: Allowance,
    box: SampleBox | None,
    body_limit: Callable[[str, Headers], int],
    turns: Turns,
) -> APIRouter:
    """The endpoints.

    Parameters
    ----------
    quota : what callers have left of a day.
    box : where photos are kept; None keeps none.
    body_limit : largest body in bytes, by path and headers.
    turns : bounds how many photos, and samples among them, are worked on.
    """
    routes = APIRouter()

    @routes.head(ACCOUNT, include_in_schema=False)
    @routes.get(ACCOUNT, summary="What is left of the quota, as credits", openapi_extra=openapi.ACCOUNT)
    async def account(request: Request) -> JSONResponse:
        left = quota.left(request.state.caller.name) if quota.most else UNLIMITED
        credits = {"total": left, "subscription": left, "payg": 0, "enterprise": 0}
        return JSONResponse({"data": {"attributes": {"credits": credits, "api": {"free_calls": left, "sizes": "all"}}}})

    @routes.post(IMPROVE, summary="Keep a photo that went wrong", openapi_extra=openapi.IMPROVE)
    async def improve(request: Request) -> JSONResponse:
        if box is None:
            detail = "this server keeps no photos; start it with --samples FOLDER to keep them there"
            raise ApiError(403, "improve_not_supported", "Photos are not kept", detail)
        limit = body_limit(request.url.path, request.headers)
        async with read_form(request, limit) as form, turns.work(request.state.caller):
            sample = await _read_sample(form)
            try:
                kept = await to_thread.run_sync(box.keep, sample)
            except BoxUnusable as error:
                log.error("box of samples: %s", error.__cause__)
                raise
        return JSONResponse({"id": kept})

    return routes


async def _read_sample(form: Form) -> Sample:
    read = {source.field: await source.read() for source in (form.result, form.correction) if source}
    return Sample(
        photo=await form.photo.read(),
        name=form.fields.get("image_filename") or form.photo.name,
        tag=form.fields.get("tag", ""),
        result=read.get(RESULT),
        correction=read.get(CORRECTION),
    )
