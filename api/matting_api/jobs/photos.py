"""Many photos as one job: each is read, cut out and kept, and what came of it is told."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from matting_client.imaging.encode import SUFFIX_OF_FORMAT
from matting_ui.filenames import portable, unique_names

from matting_api.errors import ApiError, as_reason, bad_request
from matting_api.jobs import disk
from matting_api.jobs.buckets import TargetFailed
from matting_api.jobs.job import Cancelled, Job
from matting_api.jobs.results import (
    EMPTY,
    FACTS,
    PART,
    RESULTS,
    Target,
    done_fields,
    drop_facts,
    keep_facts,
    keep_failure,
    open_target,
    outcomes_by_number,
    told_of,
)
from matting_api.jobs.sources import SOURCE, Elsewhere, Read, open_source, stem_of
from matting_api.produce import Facts
from matting_api.request.parameters import Asked, read_cutout

MOST_JOBS = 20
MOST_PHOTOS = 10_000
MOST_ARCHIVE_BYTES = 2**30
KEPT_SECONDS = 24 * 3600.0
BEGUN = "begun"
MOST_BEGINS = 3  # of a photo that ends the process again and again; fewer than a job's


class Make(Protocol):
    """Makes a result of a photo's bytes, its name and what was asked for, and tells of it."""

    def __call__(self, photo: bytes, name: str, asked: Asked) -> tuple[bytes, Facts]: ...


def check_count(count: int) -> None:
    """Refuse jobs of no photos or of too many."""
    if not 1 <= count <= MOST_PHOTOS:
        raise bad_request("invalid_parameter", "Number of photos", f"got {count} photos, expected 1 to {MOST_PHOTOS}")


def work(job: Job, make: Make, elsewhere: Elsewhere, most_bytes: int, workers: int) -> None:
    """Do what of a job has no outcome yet, and tell of all.

    After a kill what is there stays, and only what is missing is done.

    Parameters
    ----------
    make : makes a photo's result.
    elsewhere : what photos may come from and results may go to.
    most_bytes : of a photo.
    workers : photos at once.

    Raises
    ------
    Cancelled, ApiError
    """
    names: list[str] = job.order["names"]
    if done_fields(job).exists():  # the process was killed between the last two steps
        job.done = len(names)
        return
    asked = read_cutout(job.order["fields"], has_background=False)
    ending = f"-cutout{SUFFIX_OF_FORMAT[asked.options.format]}"
    files = unique_names(portable(stem_of(job, name), ending) for name in names)
    with disk.storage_errors():
        for name in (RESULTS, FACTS, BEGUN):
            (job.folder / name).mkdir(exist_ok=True)
    target = open_target(job, elsewhere)
    with open_source(job, elsewhere, most_bytes) as read:
        _do_missing(_Bench(job, asked, files, read, make, target), workers)
    if job.stop.is_set():
        raise Cancelled
    told = told_of(job, files)
    job.patiently(lambda: target.finish(told))


def clear(job: Job) -> None:
    """Remove what nobody fetches of a job that is over; failures and what tells of empty results are counted."""
    for name in (SOURCE, PART):
        (job.folder / name).unlink(missing_ok=True)
    shutil.rmtree(job.folder / BEGUN, ignore_errors=True)
    for path in (*(job.folder / RESULTS).glob("*"), *(job.folder / FACTS).glob("*")):
        if path.suffix not in (".json", EMPTY):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Bench:
    """A job's photos in work: where they come from, what is done with them, and where results go."""

    job: Job
    asked: Asked
    files: list[str]
    read: Read
    make: Make
    target: Target

    def make_one(self, number: int) -> bool:
        """Bring about the outcome of a photo; False when the end was asked for before.

        Raises
        ------
        TargetFailed, StorageFailed
            No other result can be kept either.
        """
        begun = self.job.folder / BEGUN / f"{number:06}"
        try:
            if self.job.stop.is_set():
                return False
            disk.check_space(self.job.folder)
            _note_begin(begun, self.job.order["names"][number])
            self._cut_out(number)
        except (Cancelled, TargetFailed, disk.StorageFailed) as error:
            begun.unlink(missing_ok=True)  # it did not end the process
            drop_facts(self.job, number)
            if isinstance(error, Cancelled):
                return False
            raise
        except Exception as error:  # one photo stops nothing
            keep_failure(self.job, number, as_reason(error))
        begun.unlink(missing_ok=True)
        return True

    def _cut_out(self, number: int) -> None:
        name = self.job.order["names"][number]
        photo = self.job.patiently(lambda: self.read(number))
        result, facts = self.job.patiently(lambda: self.make(photo, name, asked=self.asked))
        keep_facts(self.job, number, facts)
        self.job.patiently(lambda: self.target.keep(number, self.files[number], result))


def _do_missing(bench: _Bench, workers: int) -> None:
    found = outcomes_by_number(bench.job)
    bench.job.resume(len(found))
    missing = [number for number in range(len(bench.files)) if number not in found]
    with ThreadPoolExecutor(workers, "photos") as pool:
        try:
            for future in as_completed([pool.submit(bench.make_one, number) for number in missing]):
                bench.job.done += future.result()
        except BaseException:  # the rest would be cut out for nothing
            pool.shutdown(cancel_futures=True)
            raise


def _note_begin(begun: Path, name: str) -> None:
    """Write down that a photo is in work, a byte each time.

    Raises
    ------
    ApiError
        The process has ended at it again and again.
    StorageFailed
    """
    with disk.storage_errors(), begun.open("ab") as file:
        if file.tell() >= MOST_BEGINS:
            detail = f"{name[:100]}: the server ended {MOST_BEGINS} times while it worked on this photo; leave it out"
            raise ApiError(500, "internal_error", "Internal error", detail)
        file.write(b".")
