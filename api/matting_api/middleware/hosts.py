"""Which names the server answers to, and which websites may send it requests.

A browser lets every website send requests to every address, this server's on loopback among them. Two checks stop what
that allows. A website whose name is made to lead here (DNS rebinding) shows its own name in `Host`, which is on no
list. A website under its own address shows it in `Origin`, or its kind in `Sec-Fetch-Site`. Programs send neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from matting_client import OptionError
from matting_client.system import is_loopback
from starlette.datastructures import Headers

from matting_api import paths
from matting_api.errors import ApiError

ANY_ADDRESS = ("", "0.0.0.0", "::")
DOCUMENTS = ("/", "/openapi.json")  # what a link on another website may open
LOGOUT = "/logout"  # Gradio changes state on this GET
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_.-]+))(?::(?P<port>\d{1,5}))?")
_ENTRY = re.compile(r"\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
_SHOWN = 100  # characters of a header in an error


def read_hosts(text: str) -> tuple[str, ...]:
    """Names for `--allowed-hosts`, with spaces or commas between them, in small letters.

    Each is a host with or without a port, ``*.domain`` for all hosts below one, or ``*`` for all.

    Raises
    ------
    OptionError
        One of them is no such name, an URL for example.
    """
    entries = tuple(text.lower().replace(",", " ").split())
    for entry in entries:
        if not _ENTRY.fullmatch(entry):
            raise OptionError(
                "--allowed-hosts",
                f"{entry[:_SHOWN]!r}",
                "a host such as photos.example.com, photos.example.com:8443 or *.example.com",
            )
    return entries


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
            raise OptionError("--origins", repr(entry[:_SHOWN]), "one such as https://shop.example.com or *")
    return entries


def is_for_others(path: str) -> bool:
    """Whether other websites may be allowed to ask for a path: the API, never the page."""
    return path in paths.PUBLIC or path.startswith(tuple(f"{each}/" for each in paths.BACKGROUND))


@dataclass(frozen=True)
class Hosts:
    """Decides by a request's headers alone whether it is answered.

    Parameters
    ----------
    bound : the address or name that the server listens on.
    allowed : further names, as of `read_hosts`.
    origins : other websites that may use the API, as of `read_origins`.

    Notes
    -----
    Loopback names and the bound address are always accepted. A server that listens on all addresses accepts every
    address written as numbers: no website can bear such a name.
    """

    bound: str
    allowed: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def check(self, method: str, path: str, headers: Headers) -> ApiError | None:
        """The error that refuses a request, or None."""
        host = headers.get("host", "").lower()
        if host and not self._is_ours(host):  # only programs leave it out
            detail = (
                f"got the Host {host[:_SHOWN]!r}, expected localhost, the server's address or one of --allowed-hosts; "
                "start the server with this name in --allowed-hosts to open it"
            )
            return ApiError(421, "misdirected_request", "Unknown host", detail)
        if self._is_foreign(method, path, headers, host):
            return ApiError(403, "foreign_origin", "Request of another website", self._why_foreign(path, headers))
        return None

    def invites(self, origin: str) -> bool:
        """Whether the pages of an origin may use the API."""
        return bool(origin) and (origin in self.origins or "*" in self.origins)

    def _why_foreign(self, path: str, headers: Headers) -> str:
        got = "got a request that another website sent"
        if self.invites(headers.get("origin", "")):
            return f"{got}, one of --origins, expected one for the API's paths; {path[:_SHOWN]} is not open to websites"
        return (
            f"{got}, expected one of the server's own page or of a program; start the server with the site in "
            "--origins to open the API to it, or, where it is this server behind a proxy, with its host (and port) in "
            "--allowed-hosts"
        )

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found["v6"] or found["name"]).rstrip(".")
        if is_loopback(name) or (_is_address(name) and self.bound in ANY_ADDRESS):
            return True
        allowed = (_without_port(entry) for entry in self.allowed)
        return name == self.bound.lower() or any(_matches(name, entry) for entry in allowed)

    def _is_foreign(self, method: str, path: str, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            is_invited = is_for_others(path) and self.invites(origin)
            return not is_invited and not self._is_own_origin(origin.lower(), host)
        site = headers.get("sec-fetch-site")
        if site in ("same-origin", "none"):
            return False
        if site is not None:
            return not _opens_a_document(method, path, headers)
        # Browsers send no such header to plain http under a name. Their POSTs have an Origin all the same, and of the
        # GETs only this one changes state.
        return path.rstrip("/") == LOGOUT and _netloc(headers.get("referer", "").lower()) != host

    def _is_own_origin(self, origin: str, host: str) -> bool:
        place = _netloc(origin)
        if not place:
            return False
        # A proxy may show us another Host than the one it was called by.
        return place == host or any(_matches(place, entry) for entry in self.allowed if entry != "*")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(entry: str) -> str:
    return re.sub(r":\d+$", "", entry).strip("[]")


def _matches(name: str, entry: str) -> bool:
    """Whether a host, with its port where one is meant, is the one or below the one of an entry."""
    if entry == "*":
        return True
    if entry.startswith("*."):
        return name.endswith(entry[1:])
    return name == entry


def _netloc(url: str) -> str:
    """Host and port of an http or https address, as a browser writes them: without the scheme's usual port."""
    scheme, separator, rest = url.partition("://")
    return rest.partition("/")[0] if separator and scheme in ("http", "https") else ""


def _opens_a_document(method: str, path: str, headers: Headers) -> bool:
    """Whether somebody follows a link to the page, rather than a frame, a picture or a script asking for it."""
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_navigation and method in ("GET", "HEAD") and path in DOCUMENTS
