"""What is the same for all work that outlives its request: where to ask for its state, fetch its result, end it."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from matting_api.errors import ApiError, no_such_job
from matting_api.jobs.job import DONE, FAILED, Job
from matting_api.jobs.kinds import Kind
from matting_api.jobs.store import JobStore
from matting_api.openapi_fields import TEXT, Json
from matting_api.routes.result import ResultFile

# Declared here: FastAPI would add a 422 to a parameter of its own, and any text may be asked for.
_BY_ID: Json = {"parameters": [{"name": "job_id", "in": "path", "required": True, "schema": TEXT}]}


def job_router(jobs: JobStore, kind: Kind) -> APIRouter:
    """The endpoints of jobs that were taken."""
    routes = APIRouter(default_response_class=Response)
    place = kind.path + "/{job_id}"

    @routes.head(place, include_in_schema=False)
    @routes.get(
        place, openapi_extra={**kind.state, **_BY_ID}, summary=f"How far a {kind.noun} is", name=f"{kind.noun}_state"
    )
    async def state(request: Request) -> Response:
        job = await to_thread.run_sync(jobs.get, request.path_params["job_id"])
        try:
            return JSONResponse(await to_thread.run_sync(kind.described, job))
        except FileNotFoundError:  # it is being swept
            raise no_such_job() from None

    @routes.head(f"{place}/result", include_in_schema=False)
    @routes.get(
        f"{place}/result",
        openapi_extra={**kind.result, **_BY_ID},
        summary=f"A {kind.noun}'s result",
        name=f"{kind.noun}_result",
    )
    async def result(request: Request) -> Response:
        job = await to_thread.run_sync(jobs.get, request.path_params["job_id"])
        if job.state != DONE:
            remedy = "its state says why" if job.state == FAILED else "ask again"
            detail = f"got a {kind.noun} that is {job.state}, expected done; {remedy}"
            raise ApiError(409, "not_ready", "Not done", detail)
        path = kind.result_of(job)
        return ResultFile(path, media_type=kind.media[path.suffix], filename=path.name)

    @routes.delete(
        place,
        openapi_extra={**kind.delete, **_BY_ID},
        status_code=204,
        summary=f"Forget a {kind.noun}",
        name=f"forget_{kind.noun}",
    )
    async def remove(request: Request) -> Response:
        await to_thread.run_sync(jobs.remove, request.path_params["job_id"])
        return Response(status_code=204)

    return routes


def accepted_answer(kind: Kind, job: Job) -> Response:
    """The answer to a job that was taken."""
    return JSONResponse(kind.described(job), 202, {"Location": kind.place(job)})
