"""The jobs of a server, put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matting_api.jobs import clips, photos
from matting_api.jobs.buckets import Buckets
from matting_api.jobs.job import Job
from matting_api.jobs.kinds import PHOTOS
from matting_api.jobs.shelf import check_ours
from matting_api.jobs.sources import Elsewhere
from matting_api.jobs.store import JobStore
from matting_api.jobs.webhooks import Webhooks
from matting_api.model_client import Service
from matting_api.produce import Beside, Facts, facts_of, produce
from matting_api.request.fetch import Fetcher
from matting_api.request.parameters import Asked
from matting_api.settings import Settings

JOB = "matting.job"  # attribute of spans
PHOTOS_FOLDER, CLIPS_FOLDER = "photos", "clips"  # of the jobs' folder


@dataclass(frozen=True)
class Jobs:
    """The stores of each kind, what photo jobs may use, and who tells of those that are over."""

    clips: JobStore
    photos: JobStore
    elsewhere: Elsewhere
    webhooks: Webhooks | None


def open_jobs(settings: Settings, service: Service, fetcher: Fetcher | None) -> Jobs:
    """Take up what is left in the jobs' folder, and begin; the service's end is theirs.

    Raises
    ------
    OptionError
        The folder cannot be used.
    """
    folder = settings.jobs_folder
    if folder is not None:
        _check(folder)
    elsewhere = Elsewhere(fetcher, Buckets(settings.jobs_buckets) if settings.jobs_buckets else None)
    webhooks = _open_webhooks(settings, service, fetcher)

    def make(photo: bytes, name: str, asked: Asked, job: str) -> tuple[bytes, Facts]:
        with service.traced("job photo", **{JOB: job}) as note:
            cutout, result = produce(service, (photo, name), Beside(), asked)
            note(result.timings)
            return result.data, facts_of(cutout, result, asked)

    def work_on_photos(job: Job) -> None:
        photos.work(
            job,
            partial(make, job=job.name),
            elsewhere,
            settings.limits.max_bytes,
            workers=max(1, settings.workers // 2),  # whoever waits for an answer goes first
        )

    def work_on_clip(job: Job) -> None:
        with service.traced("job clip", **{JOB: job.name}):
            clips.work(job, service.make_clip)

    def tell(job: Job) -> None:
        _count(service, job)
        if webhooks is not None and job.order["webhook"]:
            webhooks.send(job.order["webhook"], job.name, replace(PHOTOS, root_path=settings.root_path).described(job))

    photo_jobs = JobStore(
        folder and folder / PHOTOS_FOLDER,
        most=photos.MOST_JOBS,
        kept_seconds=photos.KEPT_SECONDS,
        work=work_on_photos,
        over=tell,
        clear=photos.clear,
    )
    service.close_with(photo_jobs.close)
    clip_jobs = JobStore(
        folder and folder / CLIPS_FOLDER,
        most=clips.MOST_JOBS,
        kept_seconds=clips.KEPT_SECONDS,
        work=work_on_clip,
        over=partial(_count, service),
        clear=clips.clear,
    )
    service.close_with(clip_jobs.close)
    service.metrics.watch_jobs("photos", photo_jobs.count)
    service.metrics.watch_jobs("clips", clip_jobs.count)
    return Jobs(clip_jobs, photo_jobs, elsewhere, webhooks)


def _check(folder: Path) -> None:
    """Both places, before work begins in one."""
    for name in (PHOTOS_FOLDER, CLIPS_FOLDER):
        check_ours(folder / name)


def _count(service: Service, job: Job) -> None:
    if job.error:
        service.metrics.failed(job.error["code"])


def _open_webhooks(settings: Settings, service: Service, fetcher: Fetcher | None) -> Webhooks | None:
    if settings.jobs_folder is None or fetcher is None or not settings.webhook_secret:
        return None
    webhooks = Webhooks(settings.jobs_folder / "webhooks", settings.webhook_secret, fetcher)
    service.close_with(webhooks.close)
    return webhooks
