"""Tells visitors apart: each has a secret of its own in a cookie, and a folder that nobody else's requests may name."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from matting_client import InputError
from matting_client.system import household
from starlette.requests import HTTPConnection

from matting_ui.errors import UploadGone

COOKIE = "matting_visitor"
_SECRET = re.compile(r"[0-9a-f]{32}", re.ASCII)
UPLOADS = "uploads"  # below the private folder


def new_secret() -> str:
    """A secret for a cookie."""
    return secrets.token_hex(16)


class Visitors:
    """Who sent a request, and which files are theirs.

    A browser and Gradio's Python client keep the cookie they are given; a program that keeps none is known by its
    address. The names of folders are made with a secret of this process, so that one tells nothing of the cookie.

    Parameters
    ----------
    folder : private folder of uploads and results, with its links resolved.
    """

    def __init__(self, folder: Path) -> None:
        self.uploads = folder / UPLOADS
        self._salt = secrets.token_bytes(16)

    def name(self, request: HTTPConnection) -> str:
        """What stands for the visitor who sent a request: 32 hexadecimal digits."""
        secret = request.cookies.get(COOKIE, "")
        host = request.client.host if request.client else ""
        return self.named(secret) if _SECRET.fullmatch(secret) else self._digest(f"address {host}")

    def named(self, secret: str) -> str:
        """What stands for the visitor whose cookie holds a secret."""
        return self._digest(f"cookie {secret}")

    def _digest(self, known_by: str) -> str:
        return sha256(self._salt + known_by.encode()).hexdigest()[:32]

    def caller(self, request: HTTPConnection) -> tuple[str, str]:
        """Household and name of the visitor who sent a request."""
        return household(request.client.host if request.client else None), self.name(request)

    def new_cookie(self, request: HTTPConnection) -> str | None:
        """A Set-Cookie header for a visitor who has no secret yet; None for one who has."""
        if _SECRET.fullmatch(request.cookies.get(COOKIE, "")):
            return None
        secure = "; Secure" if request.url.scheme == "https" else ""
        return f"{COOKIE}={new_secret()}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def folder(self, visitor: str) -> Path:
        """Where a visitor's uploads lie; it may not exist yet."""
        return self.uploads / visitor

    def check(self, visitor: str, data: Any) -> None:
        """Check every file that a call's data names, wherever in it, before anything is opened.

        Addresses are taken out, for a file is found by its path alone.

        Parameters
        ----------
        visitor : see `name`.
        data : of JSON; changed in place.

        Raises
        ------
        InputError
            A path that is not of a regular file among the visitor's own uploads, or an address without one.
        """
        folder = self.folder(visitor)
        for each in _objects(data):
            _check_file(each, folder)

    def owned(self, visitor: str, data: Any) -> Iterator[Path]:
        """The visitor's own uploads that a call's data names; for a call that was not checked yet."""
        for each in _objects(data):
            with suppress(UploadGone):
                yield regular_file(each.get("path"), self.folder(visitor))


def _objects(data: Any) -> Iterator[dict[Any, Any]]:
    """All objects in a call's data, wherever in it."""
    left = [data]
    while left:  # a loop, since a stranger chooses the depth
        each = left.pop()
        if isinstance(each, list | tuple):
            left += each
        elif isinstance(each, dict):
            left += each.values()
            yield each


def _check_file(data: dict[Any, Any], folder: Path) -> None:
    path = data.get("path")
    address = data.get("url")
    if path is None and address is not None:
        raise InputError("photo", "an address", "an uploaded file", "upload it first")
    if path is not None:
        regular_file(path, folder)
    if "url" in data:
        data["url"] = None


def regular_file(place: Any, folder: Path) -> Path:
    """The path, links followed, of a regular file below a folder; nothing outside of the folder is looked at.

    Raises
    ------
    UploadGone
        It is no such file. The error is the same whether there is another file of that name or none.
    """
    error = UploadGone(_shown(place), "no uploaded file")
    if not isinstance(place, str) or "\0" in place:
        raise error
    try:
        named = Path(place)
        if ".." in named.parts or not named.is_relative_to(folder):
            raise error
        path = named.resolve()
        if path.is_relative_to(folder) and path.is_file():
            return path
    except (OSError, RuntimeError, ValueError):  # too long, a ring of links, no text for this file system
        pass
    raise error


def _shown(place: Any) -> str:
    return Path(place).name[:100] if isinstance(place, str) else "photo"
