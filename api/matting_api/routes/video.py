"""`/v1/video`: a clip as a job."""

from __future__ import annotations

import shutil
from dataclasses import replace

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from matting_client.video.inspection import MOST

from matting_api import openapi_jobs
from matting_api.jobs.clips import NAME, SOURCE, count_frames, read_order
from matting_api.jobs.kinds import CLIPS
from matting_api.jobs.store import JobStore
from matting_api.paths import VIDEO
from matting_api.routes.background import accepted_answer, job_router
from matting_api.routes.uploads import read_upload, store_upload


def router(jobs: JobStore, root_path: str) -> APIRouter:
    """The endpoints; `root_path` as of `Kind`."""
    kind = replace(CLIPS, root_path=root_path)
    routes = job_router(jobs, kind)
    looks = CapacityLimiter(MOST)  # whoever waits to be inspected takes no thread from others

    @routes.post(VIDEO, openapi_extra=openapi_jobs.VIDEO, status_code=202, summary="Cut a subject out of a clip")
    async def start_clip(request: Request) -> Response:
        async with read_upload(request, "video_file", "No clip given", "the clip") as (file, name, fields):
            read_order(fields)
            folder = await to_thread.run_sync(jobs.new_folder)
            try:
                await store_upload(file, folder / SOURCE)
                frames = await to_thread.run_sync(count_frames, folder, name, limiter=looks)
                job = await to_thread.run_sync(jobs.add, folder, {**fields, NAME: name}, frames)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return accepted_answer(kind, job)

    return routes
