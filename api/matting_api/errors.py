"""Every failure as remove.bg's JSON: ``{"errors": [{"title", "code", "detail"}]}``."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
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
from starlette.exceptions import HTTPException

from matting_api import unserved

GONE_SECONDS = 5  # for Retry-After
_LATER = {"Retry-After": str(GONE_SECONDS)}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
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
    if error.errno in _FULL:
        detail = f"{place} is full; try again later"
        return ApiError(507, "insufficient_storage", "Insufficient storage", detail, _LATER)
    detail = f"{place} cannot be used; the server's log says why"
    return ApiError(503, "storage_unavailable", "Storage unavailable", detail, _LATER)


def storage_error(kind: type[Kind], error: OSError, place: str) -> Kind:
    """`of_storage` as an error of a `kind`."""
    told = of_storage(error, place)
    return kind(told.status, told.code, told.title, told.detail, told.headers)


def ending() -> ApiError:
    """503: the service was told to end before it was this request's turn; another server, or the next one, answers."""
    text = "The server is ending; send the request again"
    return ApiError(503, "server_unavailable", "Server unavailable", text, _LATER)


def translate(error: MattingError, busy_seconds: int) -> ApiError:
    """The client's error as an answer; `busy_seconds` after which it is worth to ask a busy model again."""
    detail = str(error)
    if isinstance(error, TooLarge):
        return ApiError(413, "file_too_large", "Image too large", detail)
    if isinstance(error, NoFace):
        return bad_request("no_face", "No face found", detail)
    if isinstance(error, SeveralFaces):
        return bad_request("several_faces", "Several faces found", detail)
    if isinstance(error, InputError):
        return bad_request("invalid_image", "Image cannot be used", detail)
    if isinstance(error, OutputError):
        return bad_request("invalid_parameter", "Result cannot be encoded", detail)
    if isinstance(error, OptionError):
        return bad_request("invalid_parameter", "Invalid parameter", detail)
    if isinstance(error, ServerBusy):
        return ApiError(503, "server_busy", "Server busy", detail, {"Retry-After": str(busy_seconds)})
    if isinstance(error, ServerUnavailable):
        # Where the model lives is nobody's business outside; /readyz says it to those who run the server.
        text = "The model does not answer now; try again later"
        return ApiError(503, "server_unavailable", "Server unavailable", text, _LATER)
    if isinstance(error, ModelError):
        text = "The model cannot be used; the server's log says why"
        return ApiError(503, "model_unavailable", "Model unavailable", text, _LATER)
    return ApiError(500, "internal_error", "Internal error", "The result could not be made")


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
        detail, headers = str(error.detail), error.headers or {}
        if status == HTTPStatus.NOT_FOUND:
            detail = unserved.of_path(request.scope["path"])
        elif status == HTTPStatus.METHOD_NOT_ALLOWED and (taken := unserved.methods_of(request)):
            detail, headers = unserved.of_method(request, taken), {"Allow": ", ".join(taken)}
        return response(request, ApiError(status, status.name.lower(), status.phrase, detail, headers))

    @app.exception_handler(OSError)
    async def _storage(request: Request, error: OSError) -> JSONResponse:
        log.error("temporary folder: %s", error)
        return response(request, of_storage(error))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return response(request, ApiError(422, "invalid_request", "Invalid request", f"{where}: {first['msg']}"))

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> JSONResponse:
        return response(request, ApiError(500, "internal_error", "Internal error", "The server's log says more"))
