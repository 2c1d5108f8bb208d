"""Which names a server answers to, and which of the requests that browsers send are its own pages'.

A browser lets every website send requests to every address, this server's on loopback among them. Two checks stop what
that allows. A website whose name is made to lead here (DNS rebinding) shows its own name in `Host`, which is on no
list. A website under its own address shows it in `Origin`, or its kind in `Sec-Fetch-Site`. Programs send neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from matting_client.errors import OptionError
from matting_client.system import is_loopback, parse_address

ANY_ADDRESS = ("", "0.0.0.0", "::")
SHOWN = 100  # characters of a header in an error
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_.-]+))(?::(?P<port>\d{1,5}))?")
_ENTRY = re.compile(r"\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::\d{1,5})?|\[[0-9a-f:.]+\](?::\d{1,5})?")


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
                f"{entry[:SHOWN]!r}",
                "a host such as photos.example.com, photos.example.com:8443 or *.example.com",
            )
    return entries


@dataclass(frozen=True)
class Names:
    """Decides by a request's headers alone whose it is; they are looked up in small letters.

    Parameters
    ----------
    bound : the address or name that the server listens on.
    allowed : further names, as of `read_hosts`.

    Notes
    -----
    Loopback names and the bound address are always accepted. A server that listens on all addresses accepts every
    address written as numbers: no website can bear such a name.
    """

    bound: str
    allowed: tuple[str, ...] = ()

    def misdirected(self, headers: Mapping[str, str], *, is_probe: bool = False) -> str:
        """What is wrong with a request's Host; empty where the server goes by it.

        Parameters
        ----------
        is_probe : the path only tells how the server does. Balancers ask for it in HTTP/1.0, which knows no Host.
        """
        host = headers.get("host", "").lower()
        if self.is_ours(host) or (is_probe and not host):
            return ""
        got = f"the Host {host[:SHOWN]!r}" if host else "no Host"
        return (
            f"got {got}, expected localhost, the server's address or one of --allowed-hosts; "
            "start the server with this name in --allowed-hosts to open it"
        )

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether the page of another website has sent a request."""
        origin = headers.get("origin")
        if origin is not None and not self._is_own_origin(origin.lower(), headers.get("host", "").lower()):
            return True
        return headers.get("sec-fetch-site", "none") not in ("same-origin", "none")

    def is_ours(self, host: str) -> bool:
        """Whether the server goes by a host, with or without a port, in small letters."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found["v6"] or found["name"]).rstrip(".")
        address = parse_address(name)
        if is_loopback(name) or (address is not None and self.bound in ANY_ADDRESS):
            return True
        bound = self.bound.lower().strip("[]")
        if name == bound or (address is not None and address == parse_address(bound)):
            return True
        return any(_matches(name, _without_port(entry)) for entry in self.allowed)

    def _is_own_origin(self, origin: str, host: str) -> bool:
        place = netloc(origin)
        if not place:
            return False
        # A proxy may show us another Host than the one it was called by.
        return place == host or any(_matches(place, entry) for entry in self.allowed if entry != "*")


def netloc(url: str) -> str:
    """Host and port of an http or https address, as a browser writes them: without the scheme's usual port."""
    scheme, separator, rest = url.partition("://")
    return rest.partition("/")[0] if separator and scheme in ("http", "https") else ""


def _without_port(entry: str) -> str:
    return re.sub(r":\d+$", "", entry).strip("[]")


def _matches(name: str, entry: str) -> bool:
    """Whether a host, with its port where one is meant, is the one or below the one of an entry."""
    if entry == "*":
        return True
    if entry.startswith("*."):
        return name.endswith(entry[1:])
    return name == entry
