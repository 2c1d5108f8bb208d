"""`/v1/jobs`: many photos as one job."""

from __future__ import annotations

import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from matting_api import openapi_jobs
from matting_api.errors import bad_request
from matting_api.jobs import photos
from matting_api.jobs.kinds import PHOTOS
from matting_api.jobs.sources import SOURCE, Elsewhere, list_archive, need_buckets
from matting_api.jobs.store import JobStore
from matting_api.paths import JOBS
from matting_api.request.body import content_type
from matting_api.request.coding import decoded
from matting_api.request.fetch import Fetcher
from matting_api.request.fields import given_twice
from matting_api.request.jobs import OF_JOBS, read_job, refuse_of_one_photo
from matting_api.request.parameters import MODEL_HEADER
from matting_api.request.texts import kind_of, parse_json
from matting_api.routes.background import accepted_answer, job_router
from matting_api.routes.uploads import fields_of_address, read_upload, store_upload

KEY_HEADER = "Idempotency-Key"
MOST_KEY = 128
MOST_VALUES = 50_000  # of an order: 10,000 addresses, whose colons and commas count


def router(jobs: JobStore, elsewhere: Elsewhere, most_bytes: int, *, with_webhooks: bool, root_path: str) -> APIRouter:
    """The endpoints.

    Parameters
    ----------
    jobs : does them.
    elsewhere : what photos may come from and results may go to.
    most_bytes : of a photo.
    with_webhooks : somebody may be told of the end.
    root_path : as of `Kind`.
    """
    kind = replace(PHOTOS, root_path=root_path)
    routes = job_router(jobs, kind)

    @routes.post(JOBS, openapi_extra=openapi_jobs.JOBS, status_code=202, summary="Cut the subjects out of many photos")
    async def start_job(request: Request) -> Response:
        mark = _mark(request)
        if known := jobs.find(mark):
            request.state.bill.give_back()  # it is counted already
            return accepted_answer(kind, known)
        folder = await to_thread.run_sync(jobs.new_folder)
        try:
            if content_type(request.headers) == "application/json":
                body = b"".join([part async for part in decoded(request)])
                order = await to_thread.run_sync(_read_json, body, fields_of_address(request))
            else:
                order = await _read_form(request, folder)
            await _check_webhook(order["webhook"], elsewhere.fetcher if with_webhooks else None)
            order["fields"] = read_job(_with_model(order["fields"], request))
            await _check_places(order, elsewhere, most_bytes)
            photos.check_count(len(order["names"]))
            request.state.bill.take(len(order["names"]))
            job = await to_thread.run_sync(jobs.add, folder, order, len(order["names"]), mark)
            if job.folder != folder:  # the same order came twice at once
                request.state.bill.give_back()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return accepted_answer(kind, job)

    return routes


def _mark(request: Request) -> str:
    """The caller's name for an order that may be sent again, which means something to this caller only; "" for none."""
    given = request.headers.get(KEY_HEADER, "")
    if len(given) > MOST_KEY:
        detail = f"{KEY_HEADER}: got {len(given)} characters, expected at most {MOST_KEY}"
        raise bad_request("invalid_parameter", "Invalid header", detail)
    return sha256(f"{request.state.caller.name}\n{given}".encode()).hexdigest() if given else ""


def _with_model(fields: dict[str, str], request: Request) -> dict[str, str]:
    """The fields, with the model that a proxy chose where the caller names none."""
    return {**fields, "model": fields.get("model") or request.headers.get(MODEL_HEADER, "")}


async def _read_form(request: Request, folder: Path) -> dict[str, Any]:
    async with read_upload(request, "archive", "No photos given", "a ZIP of photos") as upload:
        refuse_of_one_photo(upload.texts)  # before the archive is copied
        await store_upload(upload.file, folder / SOURCE)
    names = await to_thread.run_sync(list_archive, folder / SOURCE, upload.name)
    return _order(names, upload.texts)


def _read_json(body: bytes, address: dict[str, str]) -> dict[str, Any]:
    """An order from its JSON and what stands in the address; what is null or an empty text is not given."""
    found = parse_json(body, MOST_VALUES)
    if isinstance(found, dict):
        if twice := found.keys() & address.keys():
            raise given_twice(min(twice))
        found = {name: value for name, value in {**found, **address}.items() if value is not None}
    if not isinstance(found, dict) or (found.get("urls", "") == "") == (found.get("bucket", "") == ""):
        detail = "expected an object with urls, a list of addresses, or with bucket, such as s3://photos/2026"
        raise bad_request("missing_source", "No photos given", detail)
    refuse_of_one_photo(found)
    urls = found.pop("urls", "") or []
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise bad_request("missing_source", "No photos given", "urls: expected a list of addresses")
    for name, value in found.items():
        if not isinstance(value, str | int | float):
            detail = f"{name[:50]}: got {kind_of(value)}, expected a text, a number or a truth"
            raise bad_request("invalid_parameter", "Invalid parameter", detail)
    fields = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}
    if bucket := fields.pop("bucket", ""):
        return _order([], fields, bucket=bucket)
    # Half a surrogate pair, which JSON may bring and UTF-8 has no bytes for, becomes "?": that address fails alone.
    return _order([url.encode(errors="replace").decode() for url in urls], fields, by_address=True)


def _order(names: list[str], fields: dict[str, str], *, by_address: bool = False, bucket: str = "") -> dict[str, Any]:
    """What a job's note keeps: `names` of photos, and where those are."""
    of_job = {name: fields.pop(name, "") for name in OF_JOBS}
    return {"names": names, "by_address": by_address, "bucket": bucket, **of_job, "fields": fields}


async def _check_places(order: dict[str, Any], elsewhere: Elsewhere, most_bytes: int) -> None:
    """Refuse what the server may not use; list the photos of a bucket."""
    if order["target"]:
        need_buckets(elsewhere, "target").check(order["target"], "target", writes=True)
    if order["by_address"]:
        if elsewhere.fetcher is None:
            detail = "urls: this server fetches nothing from other hosts; send a ZIP as the file archive of a form"
            raise bad_request("image_url_not_supported", "urls is not supported", detail)
    elif order["bucket"]:
        buckets = need_buckets(elsewhere, "bucket")
        place = buckets.check(order["bucket"], "bucket")
        order["names"] = await buckets.list_photos(place, photos.MOST_PHOTOS, most_bytes)


async def _check_webhook(address: str, fetcher: Fetcher | None) -> None:
    if not address:
        return
    if fetcher is None:
        detail = "webhook: this server tells nobody; start it with --urls, --jobs-folder and --webhook-secret-file"
        raise bad_request("unsupported_parameter", "Unsupported parameter", detail)
    await fetcher.check(address, "webhook")
