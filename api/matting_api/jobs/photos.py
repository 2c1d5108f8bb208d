"""Many photos as one job: from a ZIP or from addresses, to a ZIP of results with a list of what came of each."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from matting_client import MattingError, ServerBusy, ServerUnavailable
from matting_client.imaging.encode import SUFFIX_OF_FORMAT, write
from matting_ui.filenames import portable, unique

from matting_api.errors import GONE_SECONDS, ApiError, bad_request, translate
from matting_api.jobs.store import Cancelled, Job
from matting_api.request.fetch import Fetcher
from matting_api.request.parameters import Asked, read_cutout

MOST_JOBS = 20
MOST_PHOTOS = 10_000
MOST_ARCHIVE_BYTES = 2**30
KEPT_SECONDS = 24 * 3600.0
SOURCE, RESULTS, ARCHIVE = "source.zip", "results", "results.zip"
TRIES, PAUSE_SECONDS = 30, 5.0  # for a model that does not answer, beyond the client's own patience
Make = Callable[[bytes, str, Asked], bytes]


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
    make : makes a result of a photo's bytes, its name and what was asked for.
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
    missing = [number for number in range(len(names)) if outcome(job, number) is None]
    job.done = len(names) - len(missing)

    def one(number: int) -> None:
        if job.stop.is_set():
            return
        try:
            data = make_patiently(job, number)
            write(job.folder / RESULTS / f"{number:06}{SUFFIX_OF_FORMAT[asked.options.format]}", data)
        except (MattingError, ApiError) as error:
            told = translate(error, GONE_SECONDS) if isinstance(error, MattingError) else error
            reason = {"title": told.title, "code": told.code, "detail": told.detail}
            write(job.folder / RESULTS / f"{number:06}.json", json.dumps(reason).encode())
        job.done += 1

    def make_patiently(job: Job, number: int) -> bytes:
        photo = read_photo(job, number, fetcher, most_bytes)
        for left in range(TRIES, -1, -1):
            try:
                return make(photo, names[number], asked)
            except (ServerBusy, ServerUnavailable):
                if left == 0 or job.stop.wait(PAUSE_SECONDS):
                    raise
        raise AssertionError

    with ThreadPoolExecutor(workers, "photos") as pool:
        for future in [pool.submit(one, number) for number in missing]:
            future.result()
    if job.stop.is_set():
        raise Cancelled
    pack(job, names)
    (job.folder / SOURCE).unlink(missing_ok=True)
    for path in (job.folder / RESULTS).iterdir():
        if path.suffix != ".json":  # of failures, which are counted
            path.unlink()


def read_photo(job: Job, number: int, fetcher: Fetcher | None, most_bytes: int) -> bytes:
    """The bytes of a photo.

    Raises
    ------
    ApiError
    """
    name = job.order["names"][number]
    if job.order["by_address"]:
        if fetcher is None:
            raise bad_request(
                "image_url_not_supported", "Addresses are not supported", "the server was started without --urls"
            )
        return asyncio.run(_fetched(fetcher, name))
    try:
        with zipfile.ZipFile(job.folder / SOURCE) as archive, archive.open(name) as file:
            data = file.read(most_bytes + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError):
        raise bad_request(
            "invalid_archive", "Invalid archive", f"{name[:100]}: cannot be unpacked; pack it again"
        ) from None
    if len(data) > most_bytes:  # whatever the archive's list says
        raise ApiError(413, "file_too_large", "Image too large", f"{name[:100]}: expected at most {most_bytes} bytes")
    return data


def outcome(job: Job, number: int) -> Path | None:
    """What came of a photo: a result, or the JSON of an error."""
    return next((job.folder / RESULTS).glob(f"{number:06}.*"), None)


def failures(job: Job) -> int:
    """How many photos have failed so far."""
    return sum(1 for _ in (job.folder / RESULTS).glob("*.json"))


def pack(job: Job, names: list[str]) -> None:
    """Write the archive of results, which appears when it is whole."""
    found = [outcome(job, number) for number in range(len(names))]
    stems = [PurePosixPath(urlsplit(name).path if job.order["by_address"] else name).stem for name in names]
    files = unique(
        portable(stem, f"-cutout{path.suffix}") for stem, path in zip(stems, found, strict=True) if path is not None
    )
    told: list[dict[str, Any]] = []
    part = job.folder / "results.part"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, path, file in zip(names, found, files, strict=True):
            assert path is not None
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
