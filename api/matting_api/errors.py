"""Every failure as remove.bg's JSON: ``{"errors": [{"title", "code", "detail"}]}``."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from matting_client import (
    InputError,
    MattingError,
    ModelError,
    NoFace,
    OptionError,
    OutputError,
    ServerBusy,
    ServerUnavailable,
    SeveralFaces,
    TooLarge,
)
from matting_client.system import is_disk_full
from starlette.exceptions import HTTPException

from matting_api import unserved

CLIENT_GONE = 499  # a status for the metrics: nobody reads the answer
GONE_SECONDS = 5  # for Retry-After
LONGEST_WAIT = 600  # for Retry-After of jobs: a place may become free at any time
_LATER = {"Retry-After": str(GONE_SECONDS)}
# Status and title of each kind of the client's errors; the code is the error's own.
_ANSWERS: dict[type, tuple[int, str]] = {
    TooLarge: (413, "Image too large"),
    NoFace: (400, "No face found"),
    SeveralFaces: (400, "Several faces found"),
    InputError: (400, "Image cannot be used"),
    OutputError: (400, "Result cannot be encoded"),
    OptionError: (400, "Invalid parameter"),
    ServerBusy: (503, "Server busy"),
    ServerUnavailable: (503, "Server unavailable"),
    ModelError: (503, "Model unavailable"),
}
# Where the model lives is nobody's business outside; /readyz says it to those who run the server.
_INSTEAD: dict[type, str] = {
    ServerUnavailable: "The model does not answer now; try again later",
    ModelError: "The model cannot be used; the server's log says why",
}
Kind = TypeVar("Kind", bound="ApiError")


@dataclass
class ApiError(Exception):
    """A request that is answered with an error."""

    status: int
    code: str
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)


def too_large(name: str, most_bytes: int) -> ApiError:
    """413: the photo `name` of a job has more bytes than a photo may have."""
    return ApiError(413, "file_too_large", "Image too large", f"{name[:100]}: expected at most {most_bytes} bytes")


def too_many_jobs(most: int, seconds_left: list[float]) -> ApiError:
    """503: no other job may be here; `seconds_left`: of each that is over, until it is forgotten."""
    remedy = (
        f"delete those of the {len(seconds_left)} that are over whose results you have, or " if seconds_left else ""
    )
    detail = f"got {most + 1} jobs, expected at most {most} here; {remedy}try again later"
    wait = min((LONGEST_WAIT, *(max(1, math.ceil(left)) for left in seconds_left)))
    return ApiError(503, "server_busy", "Server busy", detail, {"Retry-After": str(wait)})


def no_such_job() -> ApiError:
    """404: there is no job of this name, or its time is over."""
    return ApiError(404, "not_found", "No such job", "got an id of no job here; results are kept for a time only")


def bad_request(code: str, title: str, detail: str) -> ApiError:
    """An error of the request's own making: 400."""
    return ApiError(400, code, title, detail)


def body(code: str, title: str, detail: str = "") -> dict[str, list[dict[str, str]]]:
    """The JSON of one error; half a surrogate pair, which JSON may bring and UTF-8 has no bytes for, becomes "?"."""
    detail = (detail or title).encode(errors="replace").decode()
    return {"errors": [{"title": title, "code": code, "detail": detail}]}


def response(request: Request, error: ApiError) -> JSONResponse:
    """The answer for an error, whose code the request remembers for the metrics."""
    request.state.error_code = error.code
    return JSONResponse(body(error.code, error.title, error.detail), error.status, error.headers)


def of_storage(error: OSError, place: str = "the server's temporary folder") -> ApiError:
    """The answer where a file cannot be written at a `place` of the server's."""
    if is_disk_full(error):
        detail = f"{place} is full; try again later"
        return ApiError(507, "insufficient_storage", "Insufficient storage", detail, _LATER)
    detail = f"{place} cannot be used; the server's log says why"
    return ApiError(503, "storage_unavailable", "Storage unavailable", detail, _LATER)


def storage_error(kind: type[Kind], error: OSError, place: str) -> Kind:
    """`of_storage` as an error of a `kind`."""
    told = of_storage(error, place)
    return kind(told.status, told.code, told.title, told.detail, told.headers)


def server_ending() -> ApiError:
    """503: the service was told to end before it was this request's turn; another server, or the next one, answers."""
    text = "The server is ending; send the request again"
    return ApiError(503, "server_unavailable", "Server unavailable", text, _LATER)


def translate(error: MattingError, busy_seconds: int) -> ApiError:
    """The client's error as an answer; `busy_seconds` after which it is worth to ask a busy model again."""
    kind = next((each for each in type(error).__mro__ if each in _ANSWERS), None)
    if kind is None:
        return ApiError(500, "internal_error", "Internal error", "The result could not be made")
    status, title = _ANSWERS[kind]
    headers = _LATER if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    if kind is ServerBusy:
        headers = {"Retry-After": str(busy_seconds)}
    return ApiError(status, error.code, title, _INSTEAD.get(kind, str(error)), headers)


def as_reason(error: Exception) -> dict[str, str]:
    """Why a job, or a photo of one, failed: title, code and detail. What nobody foresaw is logged."""
    if isinstance(error, MattingError):
        error = translate(error, GONE_SECONDS)
    if not isinstance(error, ApiError):
        logging.getLogger("jobs").error("a job failed", exc_info=error)
        error = ApiError(500, "internal_error", "Internal error", "the server's log says more")
    return {"title": error.title, "code": error.code, "detail": error.detail}


def install(app: FastAPI, busy_seconds: Callable[[], int]) -> None:
    """Answer every failure of an app in this form; `busy_seconds`: see `translate`."""
    log = logging.getLogger("api")

    @app.exception_handler(ApiError)
    async def _api(request: Request, error: ApiError) -> JSONResponse:
        return response(request, error)

    @app.exception_handler(MattingError)
    async def _matting(request: Request, error: MattingError) -> JSONResponse:
        answer = translate(error, busy_seconds())
        if answer.status >= 500:
            log.warning("%s", error)
        return response(request, answer)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        detail = str(error.detail)
        headers = error.headers or {}
        if status == HTTPStatus.NOT_FOUND:
            detail = unserved.of_path(request.scope["path"])
        elif status == HTTPStatus.METHOD_NOT_ALLOWED and (taken := unserved.methods_of(request)):
            detail = unserved.of_method(request, taken)
            headers = {"Allow": ", ".join(taken)}
        return response(request, ApiError(status, status.name.lower(), status.phrase, detail, headers))

    @app.exception_handler(OSError)
    async def _storage(request: Request, error: OSError) -> JSONResponse:
        log.error("temporary folder: %s", error)
        return response(request, of_storage(error))

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> JSONResponse:
        return response(request, ApiError(500, "internal_error", "Internal error", "The server's log says more"))
