"""`/v1/video`: a clip as a job, its state, its result."""

from __future__ import annotations

import shutil
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Security
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.security import APIKeyHeader
from starlette.datastructures import UploadFile

from matting_api import openapi_jobs
from matting_api.errors import ApiError, bad_request
from matting_api.jobs.clips import FIELDS, SOURCE, count_frames, read_order, result_of
from matting_api.jobs.job import DONE, Job
from matting_api.jobs.store import JobStore
from matting_api.paths import VIDEO
from matting_api.routes.uploads import store_upload

MEDIA = {".webm": "video/webm", ".mov": "video/quicktime", ".mp4": "video/mp4"}


def router(jobs: JobStore, with_keys: bool) -> APIRouter:
    """The endpoints; `with_keys` as of the photos' router."""
    needs = [Security(APIKeyHeader(name="X-Api-Key", auto_error=False))] if with_keys else []
    routes = APIRouter(default_response_class=Response, dependencies=needs)

    @routes.post(VIDEO, openapi_extra=openapi_jobs.VIDEO, status_code=202, summary="Cut a subject out of a clip")
    async def start(request: Request) -> Response:
        async with request.form(max_files=1, max_fields=len(FIELDS)) as form:
            file = form.get("video_file")
            if not isinstance(file, UploadFile):
                raise bad_request(
                    "missing_source", "No clip given", "expected the clip as the file video_file of a form"
                )
            fields = {key: str(value) for key, value in form.multi_items() if key != "video_file"}
            read_order(fields)
            folder = await to_thread.run_sync(jobs.new_folder)
            try:
                await store_upload(file, folder / SOURCE)
                frames = await to_thread.run_sync(count_frames, folder)
                job = await to_thread.run_sync(jobs.add, folder, fields, frames)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return JSONResponse(described(job), 202, {"Location": f"{VIDEO}/{job.name}"})

    @routes.get(VIDEO + "/{job_id}", openapi_extra=openapi_jobs.VIDEO_STATE, summary="How far a clip is")
    async def state(job_id: str) -> Response:
        return JSONResponse(described(await to_thread.run_sync(jobs.get, job_id)))

    @routes.get(VIDEO + "/{job_id}/result", openapi_extra=openapi_jobs.VIDEO_RESULT, summary="A clip's result")
    async def result(job_id: str) -> Response:
        job = await to_thread.run_sync(jobs.get, job_id)
        if job.state != DONE:
            raise ApiError(409, "not_ready", "Not done", f"got a clip that is {job.state}, expected done; ask again")
        path = result_of(job)
        return FileResponse(path, media_type=MEDIA[path.suffix], filename=path.name)

    @routes.delete(
        VIDEO + "/{job_id}", openapi_extra=openapi_jobs.VIDEO_DELETE, status_code=204, summary="Forget a clip"
    )
    async def remove(job_id: str) -> Response:
        await to_thread.run_sync(jobs.remove, job_id)
        return Response(status_code=204)

    return routes


def described(job: Job) -> dict[str, Any]:
    """A job as JSON."""
    rate, left = job.rate, job.seconds_left
    return {
        "id": job.name,
        "status": job.state,
        "frames": job.total,
        "done": job.done,
        "frames_per_second": None if rate is None else round(rate, 2),
        "seconds_left": None if left is None else round(left, 1),
        "result": f"{VIDEO}/{job.name}/result" if job.state == DONE else None,
        **({"error": job.error} if job.error else {}),
    }
