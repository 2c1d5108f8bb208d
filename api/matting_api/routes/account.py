"""remove.bg's other two endpoints: `/v1.0/account` and `/v1.0/improve`."""

from __future__ import annotations

import logging

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from matting_api import openapi
from matting_api.concurrency import Turns
from matting_api.errors import ApiError, bad_request
from matting_api.middleware.rate_limit import Allowance
from matting_api.paths import ACCOUNT, IMPROVE
from matting_api.request.body import CORRECTION, RESULT, SAMPLE, Form, read_form
from matting_api.request.fields import refuse_unknown
from matting_api.samples import BoxUnusable, Sample, SampleBox

log = logging.getLogger("api")
SAMPLE_FIELDS = ("image_filename", "tag")
UNLIMITED = 1_000_000  # credits to show where there is no quota: programs refuse to start at 0


def router(quota: Allowance, box: SampleBox | None, turns: Turns) -> APIRouter:
    """The endpoints.

    Parameters
    ----------
    quota : what callers have left of a day.
    box : where photos are kept; None keeps none.
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
        async with read_form(request) as form, turns.work(request.state.caller):
            sample = await _read_sample(form)
            try:
                kept = await to_thread.run_sync(box.keep, sample)
            except BoxUnusable as error:
                log.error("box of samples: %s", error.__cause__)
                raise
        return JSONResponse({"id": kept})

    return routes


async def _read_sample(form: Form) -> Sample:
    """A form as a sample. Raises ApiError where it has more than belongs to one, or the photo has to be fetched."""
    refuse_unknown(form.fields, SAMPLE_FIELDS)
    for source in (form.background, form.mask):
        if source is not None:
            detail = f"{source.field}: got what belongs to no sample, expected {' and '.join(SAMPLE)} beside the photo"
            raise bad_request("unsupported_parameter", "Unsupported parameter", detail)
    if form.photo.is_address:
        detail = "image_url: got an address, expected the photo itself as image_file or image_file_b64"
        raise bad_request("image_url_not_supported", "image_url is not supported", detail)
    read = {source.field: await source.read() for source in (form.result, form.correction) if source}
    return Sample(
        photo=await form.photo.read(),
        name=form.fields.get("image_filename") or form.photo.name,
        tag=form.fields.get("tag", ""),
        result=read.get(RESULT),
        correction=read.get(CORRECTION),
    )
