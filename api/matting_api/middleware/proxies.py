"""Who a caller is when a proxy stands in between: only proxies that were named are believed."""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from matting_client import OptionError
from matting_client.system import household, parse_address
from starlette.datastructures import Headers
from starlette.types import Scope

Network = IPv4Network | IPv6Network
# Of the request that is answered, for what is called without it.
ADDRESS: ContextVar[str] = ContextVar("address", default="")
# Not x-forwarded-proto, which changes nothing but the scheme of the addresses in the answer, unless a proxy is trusted.
_FORWARDED = re.compile(rb"(x-forwarded-(?!proto).*|forwarded|x-real-ip)")


def read_networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks for `--trusted-proxies`, with spaces or commas between them.

    Raises
    ------
    OptionError
        One of them is none.
    """
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(ip_network(word))
        except ValueError:
            expected = "an address or a network such as 10.0.0.0/8"
            raise OptionError("--trusted-proxies", repr(word[:100]), expected) from None
    return tuple(found)


@dataclass(frozen=True)
class Proxies:
    """Tells a caller's address.

    Parameters
    ----------
    trusted : the addresses of proxies whose `X-Forwarded-For` is believed.
    """

    trusted: tuple[Network, ...] = ()

    def unwrap(self, scope: Scope) -> None:
        """Put the caller's address and scheme into a request; what no trusted proxy says of it is taken out."""
        peer = scope["client"][0] if scope.get("client") else ""
        ADDRESS.set(household(peer))
        if not self.is_trusted(peer):
            scope["headers"] = [each for each in scope["headers"] if not _FORWARDED.fullmatch(each[0].lower())]
            return
        headers = Headers(scope=scope)
        if headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower() == "https":
            scope["scheme"] = "https"
        client = self._client(peer, ",".join(headers.getlist("x-forwarded-for")))
        if client != peer:
            scope["client"] = (client, 0)
            ADDRESS.set(household(client))

    def _client(self, peer: str, forwarded: str) -> str:
        """The last address that no trusted proxy has; each proxy appends the one that it was called from."""
        client = peer
        for entry in reversed(forwarded.split(",")):
            address = parse_address(entry.strip())
            if address is None:
                return client
            client = str(address)
            if not self.is_trusted(client):
                return client
        return client

    def is_trusted(self, host: str) -> bool:
        """Whether an address is a trusted proxy's."""
        address = parse_address(host)
        return address is not None and any(address in network for network in self.trusted)
