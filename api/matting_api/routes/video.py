"""`/v1/video`: a clip as a job, its state, its result."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Security
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.security import APIKeyHeader
from matting_client import Options
from matting_client.video.background import BLUR, Blurred, FromOptions
from matting_client.video.writer import CODECS
from starlette.datastructures import UploadFile

from matting_api import openapi
from matting_api.errors import GONE_SECONDS, ApiError, bad_request, translate
from matting_api.paths import VIDEO
from matting_api.video_jobs import DONE, FAILED, Order, VideoJob, VideoJobs, seconds_left

CHUNK_BYTES = 1 << 20
FIELDS = ("format", "background", "alpha_only")
MEDIA = {".webm": "video/webm", ".mov": "video/quicktime", ".mp4": "video/mp4"}


def router(jobs: VideoJobs, with_keys: bool) -> APIRouter:
    """The endpoints; `with_keys` as of the photos' router."""
    needs = [Security(APIKeyHeader(name="X-Api-Key", auto_error=False))] if with_keys else []
    routes = APIRouter(default_response_class=Response, dependencies=needs)

    @routes.post(VIDEO, openapi_extra=openapi.VIDEO, status_code=202, summary="Cut a subject out of a clip")
    async def start(request: Request) -> Response:
        async with request.form(max_files=1, max_fields=len(FIELDS)) as form:
            file = form.get("video_file")
            if not isinstance(file, UploadFile):
                raise bad_request(
                    "missing_source", "No clip given", "expected the clip as the file video_file of a form"
                )
            order = read_order({key: str(value) for key, value in form.multi_items() if key != "video_file"})
            folder = await to_thread.run_sync(jobs.new_folder)
            await _store(file, folder)
        job = await to_thread.run_sync(jobs.add, folder, order)
        return JSONResponse(described(job), 202, {"Location": f"{VIDEO}/{job.name}"})

    @routes.get(VIDEO + "/{job_id}", openapi_extra=openapi.VIDEO_STATE, summary="How far a clip is")
    async def state(job_id: str) -> Response:
        return JSONResponse(described(await to_thread.run_sync(jobs.get, job_id)))

    @routes.get(VIDEO + "/{job_id}/result", openapi_extra=openapi.VIDEO_RESULT, summary="A clip's result")
    async def result(job_id: str) -> Response:
        job = await to_thread.run_sync(jobs.get, job_id)
        if job.state != DONE:
            raise ApiError(409, "not_ready", "Not done", f"got a clip that is {job.state}, expected done; ask again")
        return FileResponse(job.result, media_type=MEDIA[job.order.suffix], filename=job.result.name)

    @routes.delete(VIDEO + "/{job_id}", openapi_extra=openapi.VIDEO_DELETE, status_code=204, summary="Forget a clip")
    async def remove(job_id: str) -> Response:
        await to_thread.run_sync(jobs.remove, job_id)
        return Response(status_code=204)

    return routes


async def _store(file: UploadFile, folder: Path) -> None:
    """Copy an upload into its folder, which goes when that fails."""
    try:
        with (folder / "source").open("wb") as target:
            while part := await file.read(CHUNK_BYTES):
                await to_thread.run_sync(target.write, part)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def read_order(fields: dict[str, str]) -> Order:
    """What the fields of a form ask for.

    Raises
    ------
    ApiError, OptionError
    """
    for name in fields:
        if name not in FIELDS:
            raise bad_request(
                "unsupported_parameter", "Unsupported parameter", f"{name[:50]}: expected {', '.join(FIELDS)}"
            )
    suffix = "." + fields.get("format", "webm")
    if suffix not in CODECS:
        raise bad_request(
            "invalid_parameter", "Invalid parameter", f"format: got {suffix[1:51]!r}, expected webm, mov or mp4"
        )
    flag = fields.get("alpha_only", "false").lower()
    if flag not in ("true", "false"):
        raise bad_request(
            "invalid_parameter", "Invalid parameter", f"alpha_only: got {flag[:50]!r}, expected true or false"
        )
    alpha_only = flag == "true"
    background = fields.get("background") or None
    if suffix == ".mp4" and background is None and not alpha_only:
        raise bad_request("invalid_parameter", "Invalid parameter", "format: mp4 cannot be transparent; add background")
    if background == BLUR:
        return Order(suffix, Options(alpha_only=alpha_only), Blurred())
    return Order(suffix, Options(background=background, alpha_only=alpha_only), FromOptions())


def described(job: VideoJob) -> dict[str, Any]:
    """A job as JSON."""
    rate, left = job.rate, seconds_left(job)
    told: dict[str, Any] = {
        "id": job.name,
        "status": job.state,
        "frames": job.frames,
        "done": job.done,
        "frames_per_second": None if rate is None else round(rate, 2),
        "seconds_left": None if left is None else round(left, 1),
        "result": f"{VIDEO}/{job.name}/result" if job.state == DONE else None,
    }
    if job.state == FAILED and job.error is not None:
        error = translate(job.error, GONE_SECONDS)
        told["error"] = {"title": error.title, "code": error.code, "detail": error.detail}
    return told
