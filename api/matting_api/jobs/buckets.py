"""S3-compatible buckets that photos come from and results go to; the server alone says which, and by whose leave."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import anyio
from matting_client import OptionError
from matting_client.imaging.formats import SUFFIXES
from matting_client.imaging.litter import is_litter

from matting_api.errors import GONE_SECONDS, ApiError, bad_request, too_large

if TYPE_CHECKING:
    from obstore.store import S3Store

TOTAL_SECONDS = 20.0  # for a listing, and for each object
TRIES_AGAIN = 2
MOST_PATH_BYTES = 1024 - 256  # S3 allows 1024 of a key; the rest is for a result's name
CONTENT_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".json": "application/json"}
READ_ONLY = ":ro"
_STATUS = re.compile(r"status code: (\d{3})")
_ANOTHER_REGION = "redirect without LOCATION"
# Not 400: it is said of a request that came too slowly, too.
_REFUSALS = (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
log = logging.getLogger("jobs")


@dataclass(frozen=True)
class Place:
    """A folder of a bucket, such as 2026/may; "" is all of it."""

    bucket: str
    folder: str = ""

    def holds(self, other: Place) -> bool:
        """Whether another place is this one, or below it."""
        below = not self.folder or f"{other.folder}/".startswith(f"{self.folder}/")
        return self.bucket == other.bucket and below


@dataclass(frozen=True)
class Grant:
    """A place that callers may name."""

    place: Place
    writable: bool


class BucketUnavailable(ApiError):
    """A bucket does not answer now."""


class TargetFailed(ApiError):
    """Results cannot be put where they are wanted, none of them."""


class TargetUnavailable(TargetFailed, BucketUnavailable):
    """And it may be otherwise soon."""


def read_grants(text: str) -> tuple[Grant, ...]:
    """Grants from a text such as "results, photos/2026:ro".

    Raises
    ------
    OptionError
        A place is none.
    """
    grants = []
    for word in text.replace(",", " ").split():
        place = _parse("s3://" + word.removeprefix("s3://").removesuffix(READ_ONLY))
        if place is None:
            raise OptionError("--jobs-buckets", f"{word[:100]!r}", "buckets such as results or photos/2026:ro")
        grants.append(Grant(place, not word.endswith(READ_ONLY)))
    return tuple(grants)


class Buckets:
    """Reads and writes objects below the places granted; safe to use from several threads.

    The endpoint, the region and the credentials are those of the environment ($AWS_ENDPOINT_URL, $AWS_REGION,
    $AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY, or a machine's role), never of a caller.
    """

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self._grants = grants
        self._lock = threading.Lock()
        self._stores: dict[str, S3Store] = {}

    def check(self, text: str, field: str, *, writes: bool = False) -> Place:
        """The place that a caller means.

        Raises
        ------
        ApiError
            It is none, or not granted; names `field`.
        """
        place = _parse(text)
        if place is None:
            detail = f"{field}: got no usable place, expected one such as s3://bucket/folder"
            raise bad_request(f"invalid_{field}", f"Invalid {field}", detail)
        granted = [grant for grant in self._grants if grant.place.holds(place)]
        if not granted:
            detail = f"{field}: got a place that this server may not use; ask who runs it which it may (--jobs-buckets)"
            raise bad_request(f"{field}_refused", f"{field} is refused", detail)
        if writes and not any(grant.writable for grant in granted):
            detail = f"{field}: got a place that this server only reads; name another for the results"
            raise bad_request(f"{field}_refused", f"{field} is refused", detail)
        return place

    async def list_photos(self, place: Place, most: int, most_bytes: int) -> list[str]:
        """Keys of the photos below a place, in order.

        Parameters
        ----------
        most : objects; with more, nothing is listed to its end.
        most_bytes : of each.

        Raises
        ------
        ApiError
            There are more or none, one is larger, or the bucket does not answer.
        """
        found: dict[str, int] = {}
        with _told("bucket"):
            with anyio.fail_after(TOTAL_SECONDS):
                async for page in self._store(place.bucket).list(place.folder or None):
                    found.update((entry["path"], entry["size"]) for entry in page)
                    if len(found) > most:
                        detail = f"bucket: got more than {most} objects, expected at most so many; name a folder of it"
                        raise bad_request("invalid_parameter", "Number of photos", detail)
        photos = [key for key, size in found.items() if _is_photo(key, size)]
        if not photos:
            detail = f"bucket: got a folder without photos, expected 1 to {most} below it; name another"
            raise bad_request("invalid_parameter", "Number of photos", detail)
        for key in photos:
            if found[key] > most_bytes:
                raise too_large(key, most_bytes)
        return sorted(photos)

    async def read(self, place: Place, key: str, most_bytes: int) -> bytes:
        """An object's bytes.

        Raises
        ------
        ApiError
            It is gone or too large, or the bucket refuses.
        BucketUnavailable
        """
        with _told("bucket", key):
            answer = await self._store(place.bucket).get_async(key)
            if answer.meta["size"] > most_bytes:  # before any of it is read
                raise too_large(key, most_bytes)
            data = bytearray()
            async for chunk in answer.stream():
                data += chunk
                if len(data) > most_bytes:
                    raise too_large(key, most_bytes)
        return bytes(data)

    async def write(self, place: Place, name: str, data: bytes) -> None:
        """Put a file into a place in one step; one of the same name is replaced.

        Raises
        ------
        TargetFailed
            The bucket refuses, or as `TargetUnavailable` does not answer.
        """
        key = f"{place.folder}/{name}" if place.folder else name
        kind = CONTENT_TYPES[PurePosixPath(name).suffix]
        try:
            with _told("target"):
                store = self._store(place.bucket)
                await store.put_async(key, data, attributes={"Content-Type": kind}, use_multipart=False)
        except ApiError as error:
            failed = TargetUnavailable if isinstance(error, BucketUnavailable) else TargetFailed
            raise failed(error.status, error.code, error.title, error.detail, error.headers) from None

    def _store(self, bucket: str) -> S3Store:
        from obstore.store import S3Store

        with self._lock:
            if bucket not in self._stores:
                endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
                self._stores[bucket] = S3Store(
                    bucket,
                    client_options={
                        "allow_http": endpoint.startswith("http://"),
                        "timeout": timedelta(seconds=TOTAL_SECONDS),
                    },
                    retry_config={"max_retries": TRIES_AGAIN, "retry_timeout": timedelta(seconds=TOTAL_SECONDS)},
                )
            return self._stores[bucket]


@contextmanager
def _told(field: str, name: str = "") -> Iterator[None]:
    """What the library raises, as errors that name `field`, and an object where one is meant."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise _as_told(error, field, name) from None


def _as_told(error: Exception, field: str, name: str) -> ApiError:
    """What a caller is told of an error; where the bucket lives is told to the log alone."""
    from obstore.exceptions import InvalidPathError

    log.warning("%s", str(error).partition("\n\nDebug source:")[0])
    about = f"{field}: {name[:100]}" if name else field
    status = _status(error)
    if isinstance(error, InvalidPathError):  # S3 knows such names, the library does not
        got = "got an object whose name has a control character, or nothing, . or .. between slashes"
        return bad_request(f"invalid_{field}", f"Invalid {field}", f"{about}: {got}; rename it, or name another folder")
    if status == HTTPStatus.NOT_FOUND:
        missing = "it is not there" if name else "got a bucket that is not there"
        return bad_request(f"{field}_failed", f"{field} cannot be used", f"{about}: {missing}")
    if status in _REFUSALS:
        detail = f"{about}: the bucket refuses this server; its log says more"
        return bad_request(f"{field}_refused", f"{field} is refused", detail)
    detail = f"{field}: the bucket does not answer now; try again later, the server's log says more"
    headers = {"Retry-After": str(GONE_SECONDS)}
    return BucketUnavailable(503, f"{field}_failed", f"{field} cannot be used", detail, headers)


def _status(error: Exception) -> int:
    """The status that a store answered with, 0 without any; where the library lists, only its text has it."""
    text = str(error)
    if _ANOTHER_REGION in text:
        return HTTPStatus.MOVED_PERMANENTLY
    found = _STATUS.search(text)
    return int(found[1]) if found else 0


def _parse(text: str) -> Place | None:
    """A place from s3://bucket/folder, or None."""
    found = _PLACE.fullmatch(text)
    if found is None or len(text.encode(errors="replace")) > MOST_PATH_BYTES or not text.isprintable():
        return None
    folder = (found[2] or "").removesuffix("/")
    if folder and any(part in ("", ".", "..") for part in folder.split("/")):
        return None
    return Place(found[1], folder)


def _is_photo(key: str, size: int) -> bool:
    """Whether an object is a file that somebody means, and none that some programs add to show a folder."""
    path = PurePosixPath(key)
    return not is_litter(path) and (size > 0 or path.suffix.lower() in SUFFIXES)
