"""Which names the server answers to, and which websites may send it requests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from matting_client import OptionError
from matting_client.hosts import SHOWN, Names, netloc
from starlette.datastructures import Headers
from starlette.types import Scope

from matting_api import paths
from matting_api.errors import ApiError

DOCUMENTS = ("/", "/openapi.json")  # what a link on another website may open
LOGOUT = "/logout"  # Gradio changes state on this GET
_ORIGIN = re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


def read_origins(text: str) -> tuple[str, ...]:
    """Origins for `--origins`, with spaces or commas between them; ``*`` for all.

    Raises
    ------
    OptionError
        One of them is none.
    """
    entries = tuple(text.replace(",", " ").split())
    for entry in entries:
        if entry != "*" and not _ORIGIN.fullmatch(entry):
            raise OptionError("--origins", repr(entry[:SHOWN]), "one such as https://shop.example.com or *")
    return entries


def is_for_others(path: str) -> bool:
    """Whether other websites may be allowed to ask for a path: the API, never the page."""
    return path in paths.PUBLIC or path.startswith(tuple(f"{each}/" for each in paths.BACKGROUND))


@dataclass(frozen=True)
class Hosts(Names):
    """Decides by a request's headers and path whether it is answered.

    Parameters
    ----------
    origins : other websites that may use the API, as of `read_origins`.
    """

    origins: tuple[str, ...] = ()

    def check(self, method: str, path: str, headers: Headers) -> ApiError | None:
        """The error that refuses a request, or None."""
        if detail := self.misdirected(headers, is_probe=path in paths.PROBES):
            return ApiError(421, "misdirected_request", "Unknown host", detail)
        if self.is_foreign(headers):
            is_refused = not self._is_welcome(method, path, headers)
        else:
            is_refused = path.rstrip("/") == LOGOUT and _may_come_from_anywhere(headers)
        if is_refused:
            return ApiError(403, "foreign_origin", "Request of another website", self._why_foreign(path, headers))
        return None

    def drop_other_addresses(self, scope: Scope) -> None:
        """Take out what would make Gradio write another address than ours into the page."""
        scope["headers"] = [each for each in scope["headers"] if not self._misleads(*each)]

    def invites(self, origin: str) -> bool:
        """Whether the pages of an origin may use the API."""
        return bool(origin) and (origin in self.origins or "*" in self.origins)

    def _misleads(self, name: bytes, value: bytes) -> bool:
        host = value.partition(b",")[0].strip().decode("latin-1")
        return name == b"x-gradio-server" or (name == b"x-forwarded-host" and not self.is_ours(host.lower()))

    def _why_foreign(self, path: str, headers: Headers) -> str:
        got = "got a request that another website sent"
        if self.invites(headers.get("origin", "")):
            return f"{got}, one of --origins, expected one for the API's paths; {path[:SHOWN]} is not open to websites"
        return (
            f"{got}, expected one of the server's own page or of a program; start the server with the site in "
            "--origins to open the API to it, or, where it is this server behind a proxy, with its host (and port) in "
            "--allowed-hosts"
        )

    def _is_welcome(self, method: str, path: str, headers: Headers) -> bool:
        """Whether another website may send this request."""
        origin = headers.get("origin")
        if origin is not None:
            return is_for_others(path) and self.invites(origin)
        return _opens_a_document(method, path, headers)


def _may_come_from_anywhere(headers: Headers) -> bool:
    """Whether nothing tells that a request is of the server's own page.

    Browsers send no Sec-Fetch-Site to plain http under a name. Their POSTs have an Origin all the same; a GET that
    changes state has only this.
    """
    if "origin" in headers or "sec-fetch-site" in headers:
        return False
    return netloc(headers.get("referer", "").lower()) != headers.get("host", "").lower()


def _opens_a_document(method: str, path: str, headers: Headers) -> bool:
    """Whether somebody follows a link to the page, rather than a frame, a picture or a script asking for it."""
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_navigation and method in ("GET", "HEAD") and path in DOCUMENTS
