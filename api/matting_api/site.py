"""The API and the page together, behind one guard."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from matting_client import Cutout, Options
from matting_client.video.pipeline import Plan
from matting_ui.app import Door, mount_page
from matting_ui.context import Host, KeepSample
from matting_ui.errors import NoRoom
from starlette.types import ASGIApp

from matting_api.app import create_api, guard
from matting_api.errors import ApiError
from matting_api.middleware.guesses import Guesses
from matting_api.middleware.logins import Logins
from matting_api.model_client import Service
from matting_api.samples import BoxUnusable, Sample, SampleBox
from matting_api.settings import Settings

TAG = "page"  # of samples that came from there
log = logging.getLogger("page")


def create_site(settings: Settings, folder: Path) -> ASGIApp:
    """Everything that answers on the port; uploads and results of the page lie in `folder`."""
    service = Service(settings)
    guesses = Guesses("password", service.metrics.attempted)
    host = Host(
        cut=partial(_cutout, service),
        convert=partial(_convert, service),
        keep_output=service.keep,
        status=service.status,
        model=settings.model,
        workers=settings.workers,
        limits=settings.limits,
        clip_bytes=settings.clip_bytes,
        keep_sample=_sample_keeper(settings),
    )
    door = Door(
        auth=Logins(settings.logins, guesses).check if settings.logins else None,
        root_path=settings.root_path,
        url=f"http://{settings.local_address}",
        has_tools=settings.mcp,
    )
    site = mount_page(create_api(settings, service), host, folder, service.close, door)
    return guard(site, settings, service)


def _cutout(service: Service, photo: bytes, options: Options, name: str, model: str | None) -> Cutout:
    with service.traced("page photo") as note:
        cutout = service.cutout(photo, options, name, model)
        note(cutout.seconds)
        return cutout


def _convert(service: Service, plan: Plan, target: Path, on_frame: Callable[[], None]) -> None:
    with service.traced("page clip"):
        service.convert(plan, target, on_frame)


def _sample_keeper(settings: Settings) -> KeepSample | None:
    """What keeps photos that went wrong; None where the server keeps none."""
    if settings.samples is None:
        return None
    box = SampleBox(settings.samples, settings.limits)

    def keep(photo: bytes, name: str, correction: bytes | None) -> None:
        try:
            box.keep(Sample(photo, name, TAG, correction=correction))
        except ApiError as error:
            if isinstance(error, BoxUnusable):
                log.error("box of samples: %s", error.__cause__)
            raise NoRoom("sample", problem=error.detail) from None

    return keep
