"""Where the results of a job go: into a ZIP, or into a bucket, with a list of what came of each photo.

Every photo's outcome is a file that appears when it is whole, named by the photo's number: a result, the JSON of an
error, or nothing but a mark where the result itself lies in a bucket. What is told of a result beside its file lies in
a folder of its own, and is there before the outcome is.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from matting_api.jobs import disk
from matting_api.jobs.buckets import Buckets, Place
from matting_api.jobs.job import Job
from matting_api.jobs.sources import Elsewhere, need_buckets
from matting_api.produce import Facts

RESULTS = "results"
ARCHIVE = "results.zip"
LIST = "results.json"
PART = "results.part"  # of the archive
IN_BUCKET = ".put"  # ending of the mark
FACTS = "facts"
FOUND, EMPTY = ".found", ".empty"  # endings of what is told of a result; the empty ones are counted by it


class Target(Protocol):
    """Takes the results of one job."""

    def keep(self, number: int, file: str, data: bytes) -> None:
        """Keep a photo's result, which is called `file` in the end; several threads do so at once."""

    def finish(self, told: list[dict[str, Any]]) -> None:
        """Write down what came of each photo, as the last of all."""


def open_target(job: Job, elsewhere: Elsewhere) -> Target:
    """Where a job's results go.

    Raises
    ------
    ApiError
        To a place that the server may not use any more.
    """
    if place := job.order.get("target"):
        buckets = need_buckets(elsewhere, "target")
        return ToBucket(job, buckets, buckets.check(place, "target", writes=True))
    return ToArchive(job)


def done_fields(job: Job) -> Path:
    """What a caller gets of a job that is done."""
    return job.folder / (LIST if job.order.get("target") else ARCHIVE)


def outcomes_by_number(job: Job) -> dict[int, Path]:
    """What came of each photo so far, by its number."""
    return {int(path.stem): path for path in (job.folder / RESULTS).iterdir() if path.stem.isdecimal()}


def count_failed(job: Job) -> int:
    """How many photos have failed so far."""
    return sum(1 for _ in (job.folder / RESULTS).glob("*.json"))


def count_empty(job: Job) -> int:
    """In how many photos nothing was found so far."""
    return sum(1 for _ in (job.folder / FACTS).glob(f"*{EMPTY}"))


def keep_facts(job: Job, number: int, facts: Facts) -> None:
    """Write down what is told of a photo's result, before the result itself."""
    drop_facts(job, number)  # of an attempt that a kill ended
    disk.write_file(_facts_file(job, number, FOUND if facts.found else EMPTY), json.dumps(asdict(facts)).encode())


def drop_facts(job: Job, number: int) -> None:
    """Forget what is told of a photo that has no result. Raises StorageFailed."""
    with disk.storage_errors():
        for ending in (FOUND, EMPTY):
            _facts_file(job, number, ending).unlink(missing_ok=True)


def keep_failure(job: Job, number: int, reason: dict[str, str]) -> None:
    """Write down why there is no result of a photo."""
    drop_facts(job, number)
    disk.write_file(job.folder / RESULTS / f"{number:06}.json", json.dumps(reason).encode())


def told_of(job: Job, files: list[str]) -> list[dict[str, Any]]:
    """What came of each photo, in their order: the name among `files` and the facts, or an error."""
    found = outcomes_by_number(job)
    told: list[dict[str, Any]] = []
    for number, (photo, file) in enumerate(zip(job.order["names"], files, strict=True)):
        path = found[number]
        if path.suffix == ".json":
            told.append({"photo": photo, "error": json.loads(path.read_bytes())})
        else:
            told.append({"photo": photo, "file": file, **_facts(job, number)})
    return told


def _facts(job: Job, number: int) -> dict[str, Any]:
    """What is told of a photo's result; nothing where an earlier version of this program made it."""
    for ending in (FOUND, EMPTY):
        path = _facts_file(job, number, ending)
        if path.exists():
            told: dict[str, Any] = json.loads(path.read_bytes())
            return {name: value for name, value in told.items() if name != "warnings" or value}
    return {}


def _facts_file(job: Job, number: int, ending: str) -> Path:
    return job.folder / FACTS / f"{number:06}{ending}"


@dataclass(frozen=True)
class ToArchive:
    """Results that are fetched as one ZIP."""

    job: Job

    def keep(self, number: int, file: str, data: bytes) -> None:
        disk.write_file(self.job.folder / RESULTS / f"{number:06}{Path(file).suffix}", data)

    def finish(self, told: list[dict[str, Any]]) -> None:
        """Write the archive, which appears when it is whole. Raises StorageFailed."""
        found = outcomes_by_number(self.job)
        part = self.job.folder / PART
        with disk.storage_errors():
            disk.check_space(self.job.folder, sum(path.stat().st_size for path in found.values()))
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
                for number, each in enumerate(told):
                    if "file" in each:
                        archive.write(found[number], each["file"])
                archive.writestr(LIST, _as_json(told))
            part.replace(self.job.folder / ARCHIVE)


@dataclass(frozen=True)
class ToBucket:
    """Results that appear in a bucket one by one; one that a kill came upon is put there again, under the same name."""

    job: Job
    buckets: Buckets
    place: Place

    def keep(self, number: int, file: str, data: bytes) -> None:
        self.job.wait_for(self.buckets.write(self.place, file, data))
        disk.write_file(self.job.folder / RESULTS / f"{number:06}{IN_BUCKET}", b"")

    def finish(self, told: list[dict[str, Any]]) -> None:
        data = _as_json(told).encode()
        self.job.wait_for(self.buckets.write(self.place, LIST, data))
        disk.write_file(self.job.folder / LIST, data)


def _as_json(told: list[dict[str, Any]]) -> str:
    return json.dumps(told, ensure_ascii=False, indent=1)
