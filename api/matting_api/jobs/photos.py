"""Many photos as one job: from a ZIP or from addresses, to a ZIP of results with a list of what came of each."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

from matting_client import OutputError, ServerBusy, ServerUnavailable
from matting_client.imaging.encode import SUFFIX_OF_FORMAT, write
from matting_ui.filenames import portable, unique

from matting_api.errors import ApiError, as_reason, bad_request, of_storage
from matting_api.jobs.job import Cancelled, Job
from matting_api.request.fetch import Fetcher
from matting_api.request.parameters import Asked, read_cutout

MOST_JOBS = 20
MOST_PHOTOS = 10_000
MOST_ARCHIVE_BYTES = 2**30
KEPT_SECONDS = 24 * 3600.0
SOURCE, RESULTS, BEGUN, ARCHIVE = "source.zip", "results", "begun", "results.zip"
MOST_BEGINS = 3  # of a photo that ends the process again and again; fewer than a job's
TRIES, PAUSE_SECONDS = 30, 5.0  # for a model that does not answer, beyond the client's own patience
Read = Callable[[str], bytes]
log = logging.getLogger("jobs")


class Make(Protocol):
    """Makes a result of a photo's bytes, its name and what was asked for."""

    def __call__(self, photo: bytes, name: str, asked: Asked) -> bytes: ...


def list_archive(path: Path, most_bytes: int) -> list[str]:
    """Names of the photos of a ZIP.

    Raises
    ------
    ApiError
        It is none, or holds too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [each for each in archive.infolist() if _is_photo(each)]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        raise bad_request("invalid_archive", "Invalid archive", "archive: got no readable ZIP; pack it again") from None
    for each in entries:
        if each.file_size > most_bytes:
            name = each.filename[:100]
            raise ApiError(413, "file_too_large", "Image too large", f"{name}: expected at most {most_bytes} bytes")
    return [each.filename for each in entries]


def check_count(count: int) -> None:
    """Refuse jobs of no photos or of too many."""
    if not 1 <= count <= MOST_PHOTOS:
        raise bad_request("invalid_parameter", "Number of photos", f"got {count} photos, expected 1 to {MOST_PHOTOS}")


def work(job: Job, make: Make, fetcher: Fetcher | None, most_bytes: int, workers: int) -> None:
    """Do what of a job has no outcome yet, and pack all outcomes.

    Every photo's outcome is a file that appears when it is whole, named by the photo's number: after a kill what is
    there stays, and only what is missing is done.

    Parameters
    ----------
    make : makes a photo's result.
    fetcher : fetches photos by their address.
    most_bytes : of a photo.
    workers : photos at once.

    Raises
    ------
    Cancelled
    """
    names: list[str] = job.order["names"]
    if (job.folder / ARCHIVE).exists():  # the process was killed between the last two steps
        job.done = len(names)
        return
    asked = read_cutout(job.order["fields"], False)
    (job.folder / RESULTS).mkdir(exist_ok=True)
    (job.folder / BEGUN).mkdir(exist_ok=True)
    found = outcomes(job)
    job.resume(len(found))
    missing = [number for number in range(len(names)) if number not in found]
    with _source(job, fetcher, most_bytes) as read, ThreadPoolExecutor(workers, "photos") as pool:
        one = partial(_one, job, read, partial(make, asked=asked), SUFFIX_OF_FORMAT[asked.options.format])
        for future in as_completed([pool.submit(one, number) for number in missing]):
            job.done += future.result()
    if job.stop.is_set():
        raise Cancelled
    pack(job, names)
    (job.folder / SOURCE).unlink(missing_ok=True)
    shutil.rmtree(job.folder / BEGUN)
    for path in (job.folder / RESULTS).iterdir():
        if path.suffix != ".json":  # of failures, which are counted
            path.unlink()


def _one(job: Job, read: Read, make: Callable[[bytes, str], bytes], suffix: str, number: int) -> bool:
    """Bring about the outcome of a photo; False when the end was asked for before."""
    begun = job.folder / BEGUN / f"{number:06}"
    name = job.order["names"][number]
    try:
        if job.stop.is_set():
            return False
        _note_begin(begun, name)
        photo = read(name)
        _keep(job.folder / RESULTS / f"{number:06}{suffix}", _patiently(job, lambda: make(photo, name)))
    except Cancelled:
        begun.unlink(missing_ok=True)  # it did not end the process
        return False
    except Exception as error:  # one photo stops nothing
        reason = json.dumps(as_reason(error)).encode()
        write(job.folder / RESULTS / f"{number:06}.json", reason)
    begun.unlink(missing_ok=True)
    return True


def _note_begin(begun: Path, name: str) -> None:
    """Write down that a photo is in work, a byte each time.

    Raises
    ------
    ApiError
        The process has ended at it again and again.
    """
    with begun.open("ab") as file:
        if file.tell() >= MOST_BEGINS:
            detail = f"{name[:100]}: the server ended {MOST_BEGINS} times while it worked on this photo; leave it out"
            raise ApiError(500, "internal_error", "Internal error", detail)
        file.write(b".")


def _keep(path: Path, data: bytes) -> None:
    try:
        write(path, data)
    except OutputError as error:
        log.error("%s", error)
        raise of_storage(OSError(errno.ENOSPC, "")) from None


def _patiently(job: Job, make: Callable[[], bytes]) -> bytes:
    """Make a result, and wait for a model that does not answer.

    Raises
    ------
    Cancelled
    MattingError, ApiError
        As of `make`.
    """
    for left in range(TRIES, -1, -1):
        try:
            return make()
        except (ServerBusy, ServerUnavailable):
            if left == 0:
                raise
        if job.stop.wait(PAUSE_SECONDS):
            raise Cancelled
    raise AssertionError


@contextmanager
def _source(job: Job, fetcher: Fetcher | None, most_bytes: int) -> Iterator[Read]:
    """Open what a job's photos come from; yields what reads one by its name, from several threads at once."""
    if not job.order["by_address"]:
        with zipfile.ZipFile(job.folder / SOURCE) as archive:
            yield partial(_unpacked, archive, most_bytes)
        return

    def fetch(address: str) -> bytes:
        if fetcher is None:
            raise bad_request(
                "image_url_not_supported", "Addresses are not supported", "the server was started without --urls"
            )
        return asyncio.run(_fetched(fetcher, address))

    yield fetch


def _unpacked(archive: zipfile.ZipFile, most_bytes: int, name: str) -> bytes:
    try:
        with archive.open(name) as file:
            data = file.read(most_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError):
        raise bad_request(
            "invalid_archive", "Invalid archive", f"{name[:100]}: cannot be unpacked; pack it again"
        ) from None
    if len(data) > most_bytes:  # whatever the archive's list says
        raise ApiError(413, "file_too_large", "Image too large", f"{name[:100]}: expected at most {most_bytes} bytes")
    return data


def outcomes(job: Job) -> dict[int, Path]:
    """What came of each photo so far, by its number: a result, or the JSON of an error."""
    return {int(path.stem): path for path in (job.folder / RESULTS).iterdir() if path.stem.isdecimal()}


def failures(job: Job) -> int:
    """How many photos have failed so far."""
    return sum(1 for _ in (job.folder / RESULTS).glob("*.json"))


def pack(job: Job, names: list[str]) -> None:
    """Write the archive of results, which appears when it is whole."""
    by_number = outcomes(job)
    found = [by_number[number] for number in range(len(names))]
    stems = [PurePosixPath(urlsplit(name).path if job.order["by_address"] else name).stem for name in names]
    files = unique(portable(stem, f"-cutout{path.suffix}") for stem, path in zip(stems, found, strict=True))
    told: list[dict[str, Any]] = []
    part = job.folder / "results.part"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, path, file in zip(names, found, files, strict=True):
            if path.suffix == ".json":
                told.append({"photo": name, "error": json.loads(path.read_bytes())})
            else:
                archive.write(path, file)
                told.append({"photo": name, "file": file})
        archive.writestr("results.json", json.dumps(told, ensure_ascii=False, indent=1))
    part.replace(job.folder / ARCHIVE)


def _is_photo(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a file that somebody means, and not one that a Mac adds."""
    path = PurePosixPath(entry.filename)
    return not entry.is_dir() and "__MACOSX" not in path.parts and not path.name.startswith(".")


async def _fetched(fetcher: Fetcher, address: str) -> bytes:
    file = await fetcher.fetch(address, "image_url")
    try:
        return await file.read()
    finally:
        await file.close()
