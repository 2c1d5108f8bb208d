"""What is the same for all work that outlives its request: where to ask for its state, fetch its result, end it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Security
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.security import APIKeyHeader

from matting_api.errors import ApiError
from matting_api.jobs.job import DONE, Job
from matting_api.jobs.store import JobStore
from matting_api.openapi_fields import Json


@dataclass(frozen=True)
class Kind:
    """A kind of jobs.

    Attributes
    ----------
    path : of the endpoint that takes them.
    noun : what errors call one.
    count : what its photos or frames are called in its description.
    more : what else its description says.
    result_of : the file that a caller gets of one that is done.
    media : types of such files by their ending.
    state, result, delete : what the API's description says of the endpoints.
    """

    path: str
    noun: str
    count: str
    more: Callable[[Job], dict[str, Any]]
    result_of: Callable[[Job], Path]
    media: Mapping[str, str]
    state: Json
    result: Json
    delete: Json

    def described(self, job: Job) -> dict[str, Any]:
        """A job as JSON."""
        left = job.seconds_left
        return {
            "id": job.name,
            "status": job.state,
            self.count: job.total,
            "done": job.done,
            **self.more(job),
            "seconds_left": None if left is None else round(left, 1),
            "result": f"{self.path}/{job.name}/result" if job.state == DONE else None,
            **({"error": job.error} if job.error else {}),
        }

    def accepted(self, job: Job) -> Response:
        """The answer to a job that was taken."""
        return JSONResponse(self.described(job), 202, {"Location": f"{self.path}/{job.name}"})


def job_router(jobs: JobStore, kind: Kind, *, with_keys: bool) -> APIRouter:
    """The endpoints of jobs that were taken; `with_keys` as of the photos' router."""
    needs = [Security(APIKeyHeader(name="X-Api-Key", auto_error=False))] if with_keys else []
    routes = APIRouter(default_response_class=Response, dependencies=needs)
    place = kind.path + "/{job_id}"

    @routes.get(place, openapi_extra=kind.state, summary=f"How far a {kind.noun} is")
    async def state(job_id: str) -> Response:
        job = await to_thread.run_sync(jobs.get, job_id)
        return JSONResponse(await to_thread.run_sync(kind.described, job))

    @routes.get(f"{place}/result", openapi_extra=kind.result, summary=f"A {kind.noun}'s result")
    async def result(job_id: str) -> Response:
        job = await to_thread.run_sync(jobs.get, job_id)
        if job.state != DONE:
            detail = f"got a {kind.noun} that is {job.state}, expected done; ask again"
            raise ApiError(409, "not_ready", "Not done", detail)
        path = kind.result_of(job)
        return FileResponse(path, media_type=kind.media[path.suffix], filename=path.name)

    @routes.delete(place, openapi_extra=kind.delete, status_code=204, summary=f"Forget a {kind.noun}")
    async def remove(job_id: str) -> Response:
        await to_thread.run_sync(jobs.remove, job_id)
        return Response(status_code=204)

    return routes
