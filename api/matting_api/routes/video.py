"""`/v1/video`: a clip as a job."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from matting_api import openapi_jobs
from matting_api.jobs.clips import NAME, SOURCE, count_frames, read_order, result_of
from matting_api.jobs.job import Job
from matting_api.jobs.store import JobStore
from matting_api.paths import VIDEO
from matting_api.routes.background import Kind, job_router
from matting_api.routes.uploads import read_upload, store_upload


def _rate(job: Job) -> dict[str, Any]:
    rate = job.rate
    return {"frames_per_second": None if rate is None else round(rate, 2)}


CLIPS = Kind(
    path=VIDEO,
    noun="clip",
    count="frames",
    more=_rate,
    result_of=result_of,
    media={".webm": "video/webm", ".mov": "video/quicktime", ".mp4": "video/mp4"},
    state=openapi_jobs.VIDEO_STATE,
    result=openapi_jobs.VIDEO_RESULT,
    delete=openapi_jobs.VIDEO_DELETE,
)


def router(jobs: JobStore, root_path: str) -> APIRouter:
    """The endpoints; `root_path` as of `Kind`."""
    kind = replace(CLIPS, root_path=root_path)
    routes = job_router(jobs, kind)

    @routes.post(VIDEO, openapi_extra=openapi_jobs.VIDEO, status_code=202, summary="Cut a subject out of a clip")
    async def start_clip(request: Request) -> Response:
        async with read_upload(request, "video_file", "No clip given", "the clip") as (file, name, fields):
            read_order(fields)
            folder = await to_thread.run_sync(jobs.new_folder)
            try:
                await store_upload(file, folder / SOURCE)
                frames = await to_thread.run_sync(count_frames, folder, name)
                job = await to_thread.run_sync(jobs.add, folder, {**fields, NAME: name}, frames)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return kind.accepted(job)

    return routes
