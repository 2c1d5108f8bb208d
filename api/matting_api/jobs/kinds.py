"""The kinds of work that outlives its request, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matting_api import openapi_jobs
from matting_api.jobs.clips import result_of
from matting_api.jobs.job import DONE, Job
from matting_api.jobs.results import count_empty, count_failed, done_fields
from matting_api.openapi_fields import Json
from matting_api.paths import JOBS, VIDEO


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
    root_path : below which a proxy shows the server; "" for none.
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
    root_path: str = ""

    def place(self, job: Job) -> str:
        """The path at which a caller finds a job."""
        return f"{self.root_path}{self.path}/{job.name}"

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
            "result": f"{self.place(job)}/result" if job.state == DONE else None,
            **({"error": job.error} if job.error else {}),
        }


def _counts_and_target(job: Job) -> dict[str, Any]:
    target = job.order.get("target")
    return {"failed": count_failed(job), "empty": count_empty(job), **({"target": target} if target else {})}


PHOTOS = Kind(
    path=JOBS,
    noun="job",
    count="photos",
    more=_counts_and_target,
    result_of=done_fields,
    media={".zip": "application/zip", ".json": "application/json"},
    state=openapi_jobs.JOBS_STATE,
    result=openapi_jobs.JOBS_RESULT,
    delete=openapi_jobs.JOBS_DELETE,
)


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
