"""Clips that are cut out in the background."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matting_client import Options, OutputError
from matting_client.processing import BLUR
from matting_client.video.background import Background, Blurred, FromOptions
from matting_client.video.pipeline import Plan
from matting_client.video.reader import VideoFile
from matting_client.video.writer import CODECS

from matting_api.errors import ApiError, bad_request
from matting_api.jobs import disk
from matting_api.jobs.job import DONE, NOTE, Cancelled, Job

MOST_JOBS = 8
MOST_FRAMES = 20_000  # of a clip: 11 minutes at 30 a second
KEPT_SECONDS = 3600.0
FIELDS = ("format", "background", "alpha_only")
SOURCE, FIELD = "source", "video_file"
NAME = "file_name"  # of the clip, in an order beside its fields: what errors call it
Convert = Callable[[Plan, Path, Callable[[], None]], None]
log = logging.getLogger("jobs")


@dataclass(frozen=True)
class Order:
    """What a visitor wants of a clip: `suffix` is .webm, .mov or .mp4."""

    suffix: str
    options: Options
    background: Background


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
    if alpha_only and background is not None:
        raise bad_request(
            "invalid_parameter", "Invalid parameter", "alpha_only: got background beside it, expected one of them"
        )
    if suffix == ".mp4" and background is None and not alpha_only:
        raise bad_request("invalid_parameter", "Invalid parameter", "format: mp4 cannot be transparent; add background")
    if background == BLUR:
        return Order(suffix, Options(alpha_only=alpha_only), Blurred())
    return Order(suffix, Options(background=background, alpha_only=alpha_only), FromOptions())


def _order_of(job: Job) -> Order:
    return read_order({name: value for name, value in job.order.items() if name in FIELDS})


def count_frames(folder: Path, name: str = FIELD) -> int | None:
    """How many frames the clip in a folder has, as far as is known; `name` is what errors call it.

    Raises
    ------
    InputError, ApiError
        It cannot be used.
    """
    count = VideoFile(folder / SOURCE, name=name).clip.count
    if count is not None and count > MOST_FRAMES:
        detail = f"{name}: got about {count} frames, expected at most {MOST_FRAMES}; send a part of the clip"
        raise ApiError(413, "file_too_large", "Clip too long", detail)
    return count


def result_of(job: Job) -> Path:
    """The result of a clip, once it is complete."""
    return job.folder / f"cutout{_order_of(job).suffix}"


def work(job: Job, convert: Convert) -> None:
    """Cut a clip out; `convert` as `Service.make_clip`.

    Raises
    ------
    Cancelled, MattingError, ApiError
        Among them StorageFailed: the disk is full, or its part that is left to others is reached.
    """
    order, name = _order_of(job), job.order.get(NAME, FIELD)
    job.done = 0

    def step() -> None:
        job.done += 1
        if job.stop.is_set():
            raise Cancelled
        disk.check_space(job.folder)
        if job.done > MOST_FRAMES:
            detail = f"{name}: got more than {MOST_FRAMES} frames; send a part"
            raise bad_request("invalid_parameter", "Clip too long", detail)

    source = VideoFile(job.folder / SOURCE, name=name)
    try:
        convert(Plan(source, order.options, order.background), result_of(job), step)
    except OutputError as error:  # its text holds the server's path
        if isinstance(error.__context__, OSError):
            raise disk.failed(error) from None
        log.error("%s", error)
        detail = "the result cannot be encoded; choose another format"
        raise bad_request("invalid_parameter", "Result cannot be encoded", detail) from None


def clear(job: Job) -> None:
    """Remove what nobody fetches of a clip that is over, what an unfinished result left among it."""
    stays = {NOTE, result_of(job).name} if job.state == DONE else {NOTE}
    for path in job.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in stays:
            path.unlink(missing_ok=True)
