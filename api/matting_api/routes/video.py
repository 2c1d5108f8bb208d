"""`/v1/video`: a clip as a job."""

from __future__ import annotations

import shutil
from dataclasses import replace

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from matting_client import Limits, TooLarge
from matting_client.imaging.limits import megabytes
from matting_client.types import Picture
from matting_client.video.inspection import MOST
from matting_client.video.order import read_behind

from matting_api import openapi_jobs
from matting_api.jobs.clips import BEHIND, FIELD, NAME, SOURCE, count_frames, keep_picture, read_order
from matting_api.jobs.kinds import CLIPS
from matting_api.jobs.store import JobStore
from matting_api.paths import VIDEO
from matting_api.request.multipart import Part
from matting_api.routes.background import accepted_answer, job_router
from matting_api.routes.uploads import read_upload, shown_name, store_upload


def router(jobs: JobStore, clip_bytes: int, limits: Limits, root_path: str) -> APIRouter:
    """The endpoints.

    Parameters
    ----------
    clip_bytes, limits : largest clip, and picture behind it.
    root_path : as of `Kind`.
    """
    kind = replace(CLIPS, root_path=root_path)
    routes = job_router(jobs, kind)
    looks = CapacityLimiter(MOST)  # what waits to be inspected takes no thread from others, and is not in memory

    @routes.post(VIDEO, openapi_extra=openapi_jobs.VIDEO, status_code=202, summary="Cut a subject out of a clip")
    async def start_clip(request: Request) -> Response:
        async with read_upload(request, FIELD, "No clip given", "the clip", BEHIND) as upload:
            _check_size(upload.file, clip_bytes)
            picture = None
            if upload.picture is not None:
                picture = await to_thread.run_sync(_picture, upload.picture, limits, limiter=looks)
            order = read_order(upload.texts, picture)
            folder = await to_thread.run_sync(jobs.new_folder)
            try:
                if picture is not None:
                    await to_thread.run_sync(keep_picture, folder, picture)
                await store_upload(upload.file, folder / SOURCE)
                frames = await to_thread.run_sync(count_frames, folder, order, upload.name, limiter=looks)
                job = await to_thread.run_sync(jobs.add, folder, {**upload.texts, NAME: upload.name}, frames)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return accepted_answer(kind, job)

    return routes


def _picture(part: Part, limits: Limits) -> Picture:
    _check_size(part, limits.max_bytes)
    return read_behind(part.file.file.read(), shown_name(part), limits)


def _check_size(part: Part, most: int) -> None:
    if part.size > most:
        raise TooLarge(shown_name(part), megabytes(part.size), f"at most {megabytes(most)}", "save it smaller")
