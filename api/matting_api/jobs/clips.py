"""Clips that are cut out in the background."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

from matting_client import OutputError, TooLarge
from matting_client.imaging.decode import read
from matting_client.imaging.encode import encode
from matting_client.processing import BACKDROPS
from matting_client.types import Picture
from matting_client.video.job import frames_done
from matting_client.video.order import Order, check_frames, parse_moment
from matting_client.video.pipeline import Plan

from matting_api.errors import ApiError, bad_request
from matting_api.jobs import disk
from matting_api.jobs.job import DONE, NOTE, Cancelled, Job
from matting_api.request.fields import read_colour, read_flag, refuse_unknown

MOST_JOBS = 8
KEPT_SECONDS = 3600.0
FIELDS = ("format", "background", "alpha_only", "start", "end")
SOURCE = "source"
FIELD = "video_file"
BEHIND, PICTURE = "bg_image_file", "background.png"  # in a form, and in a job's folder
NAME = "file_name"  # of the clip, in an order beside its fields: what errors call it
Convert = Callable[[Plan, Path, Callable[[], None]], None]
log = logging.getLogger("jobs")


def read_order(fields: dict[str, str], picture: Picture | None = None) -> Order:
    """What the fields of a form ask for, with a picture behind; an empty one is not given.

    Raises
    ------
    ApiError, OptionError
    """
    refuse_unknown(fields, FIELDS)
    behind = fields.get("background", "")
    background = behind if behind in BACKDROPS else read_colour("background", behind)
    if background and picture is not None:
        raise bad_request("invalid_parameter", "Two backgrounds", f"got background and {BEHIND}, expected one of them")
    alpha_only = read_flag("alpha_only", fields.get("alpha_only", ""))
    order = Order.of(_format_of(fields), background if picture is None else picture, alpha_only)
    return order.between(_moment(fields, "start") or Fraction(0), _moment(fields, "end"))


def _moment(fields: Mapping[str, str], name: str) -> Fraction | None:
    try:
        return parse_moment(fields[name].strip()) if fields.get(name) else None
    except ValueError as error:
        raise bad_request("invalid_parameter", "Invalid parameter", f"{name}: {error}") from None


def _format_of(fields: Mapping[str, str]) -> str:
    return fields.get("format") or "webm"


def _order_of(job: Job) -> Order:
    behind = job.folder / PICTURE
    fields = {name: value for name, value in job.order.items() if name in FIELDS}
    return read_order(fields, read(behind) if behind.exists() else None)


def keep_picture(folder: Path, picture: Picture) -> None:
    """Put the picture behind a clip into the folder of its job. Raises StorageFailed."""
    disk.write_file(folder / PICTURE, encode(picture, "png"))


def count_frames(folder: Path, order: Order, name: str = FIELD) -> int | None:
    """How many frames of the clip in a folder are wanted, as far as is known; `name` is what errors call it.

    Raises
    ------
    InputError, ApiError
        It cannot be used.
    """
    try:
        return order.open(folder / SOURCE, name).clip.count
    except TooLarge as error:
        raise ApiError(413, "file_too_large", "Clip too long", str(error)) from None


def result_of(job: Job) -> Path:
    """The result of a clip, once it is complete."""
    return job.folder / f"cutout.{_format_of(job.order)}"


def work(job: Job, convert: Convert) -> None:
    """Cut a clip out; `convert` as `Service.make_clip`.

    Raises
    ------
    Cancelled, MattingError, ApiError
        Among them StorageFailed: the disk is full, or its part that is left to others is reached.
    """
    order = _order_of(job)
    name = job.order.get(NAME, FIELD)
    target = result_of(job)

    def go_on() -> None:
        if job.stop.is_set():
            raise Cancelled

    def step() -> None:
        job.done += 1
        go_on()
        disk.check_space(job.folder)
        try:
            check_frames(name, job.done)
        except TooLarge as error:
            raise bad_request("invalid_parameter", "Clip too long", str(error)) from None

    source = order.source(job.folder / SOURCE, name)
    source.go_on = go_on

    def go_through() -> None:
        job.resume(frames_done(target, {}))  # the key of `Service.make_clip`
        convert(Plan(source, order.options, order.background), target, step)

    try:
        job.patiently(go_through)
    except OutputError as error:  # its text holds the server's path
        if isinstance(error.__context__, OSError):
            raise disk.disk_failure(error) from None
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
