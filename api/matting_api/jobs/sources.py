"""Where the photos of a job come from: a ZIP, addresses, a bucket."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from matting_client.imaging.litter import is_litter

from matting_api.errors import bad_request
from matting_api.jobs.archive import open_archive, read_entry
from matting_api.jobs.buckets import Buckets
from matting_api.jobs.job import Job
from matting_api.request.fetch import Fetcher

SOURCE = "source.zip"
Read = Callable[[int], bytes]


@dataclass(frozen=True)
class Elsewhere:
    """What a server may use beside its own disk.

    Attributes
    ----------
    fetcher : fetches photos by their address; None where that is not allowed.
    buckets : those that jobs may name; None for none.
    """

    fetcher: Fetcher | None = None
    buckets: Buckets | None = None


def list_archive(path: Path, name: str = "archive") -> list[str]:
    """Names of the photos of a ZIP; `name` is what errors call it.

    Raises
    ------
    ApiError
        It is none, or holds too much.
    """
    with open_archive(path, name) as archive:
        return [each.filename for each in _photos(archive)]


@contextmanager
def open_source(job: Job, elsewhere: Elsewhere, most_bytes: int) -> Iterator[Read]:
    """Open what a job's photos come from; yields what reads one by its number, from several threads at once.

    What is read from elsewhere raises `Cancelled` when the job is.
    """
    names: list[str] = job.order["names"]
    if place := job.order.get("bucket"):
        buckets = need_buckets(elsewhere, "bucket")
        below = buckets.check(place, "bucket")
        yield lambda number: job.wait_for(buckets.read(below, names[number], most_bytes))
    elif job.order["by_address"]:
        yield lambda number: job.wait_for(_fetched(elsewhere.fetcher, names[number]))
    else:
        with open_archive(job.folder / SOURCE) as archive:
            entries = _photos(archive)  # not by their names, which several may share
            yield lambda number: read_entry(archive, entries[number], most_bytes)


def need_buckets(elsewhere: Elsewhere, field: str) -> Buckets:
    """The buckets that a server may use. Raises ApiError, which names `field`, where it may use none."""
    if elsewhere.buckets is None:
        detail = f"{field}: this server uses no buckets; it has to be started with --jobs-buckets"
        raise bad_request(f"{field}_not_supported", f"{field} is not supported", detail)
    return elsewhere.buckets


def stem_of(job: Job, name: str) -> str:
    """The name of a photo's file without its folders and ending; empty where there is none."""
    try:
        return PurePosixPath(unquote(urlsplit(name).path) if job.order["by_address"] else name).stem
    except ValueError:  # no address: this photo will fail
        return ""


async def _fetched(fetcher: Fetcher | None, address: str) -> bytes:
    if fetcher is None:
        detail = "the server was started without --urls"
        raise bad_request("image_url_not_supported", "Addresses are not supported", detail)
    file = await fetcher.fetch(address, "image_url")
    try:
        return await file.read()
    finally:
        await file.close()


def _photos(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The photos of a ZIP, in its order."""
    return [each for each in archive.infolist() if _is_photo(each)]


def _is_photo(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a file that somebody means."""
    return not entry.is_dir() and not is_litter(PurePosixPath(entry.filename))
