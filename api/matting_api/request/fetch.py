"""Pictures from other hosts, without reaching anything that only this machine or its network can reach.

The name of a host is resolved here, every address is checked, and the connection goes to an address that was checked:
a name that changes its mind in between gains nothing. Each redirect is treated in the same way.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address

import anyio
import httpx
from starlette.datastructures import UploadFile

from matting_api.errors import ApiError, bad_request, of_storage
from matting_api.request.multipart import new_file
from matting_api.request.networks import Address, is_public

MAX_REDIRECTS = 5
MAX_URL = 2048
TOTAL_SECONDS, STEP_SECONDS = 20.0, 5.0  # for the whole picture with its redirects, and for each wait within
PORTS = frozenset((80, 443))
LENGTH_DIGITS = 20  # of any size in bytes; Python refuses to read a number of thousands of digits
_MEANT = {"webhook": "done"}  # fields whose addresses are of no picture, and an example of each
Book = Callable[[int], None]


def _book_nothing(size: int) -> None:
    """For files whose number is bounded elsewhere."""


class Fetcher:
    """Fetches pictures by their address.

    Parameters
    ----------
    max_bytes : largest accepted file.
    is_allowed : which addresses may be connected to.
    ports : and at which ports; None for all.
    """

    def __init__(
        self,
        max_bytes: int,
        is_allowed: Callable[[Address], bool] = is_public,
        ports: frozenset[int] | None = PORTS,
    ) -> None:
        self._max_bytes = max_bytes
        self._is_allowed = is_allowed
        self._ports = ports

    async def fetch(self, url: str, field: str, book: Book = _book_nothing) -> UploadFile:
        """The file at an http or https address, at its beginning; the caller closes it.

        Parameters
        ----------
        book : told the size of each part before it is stored; what it raises ends the fetch.

        Raises
        ------
        ApiError
            The address is none or refused, the file is too large or too slow, or does not come. Errors name `field`.
        """
        try:
            with anyio.fail_after(TOTAL_SECONDS):
                return await self._follow(url, field, book)
        except TimeoutError:
            raise _failed(field, f"it did not come within {TOTAL_SECONDS:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # hosts may answer anything
            raise _failed(field, _why(error)) from None

    async def check(self, url: str, field: str) -> None:
        """Refuse an address that `post` would never call, now that its sender hears of it.

        Raises
        ------
        ApiError
            The address is none or refused; errors name `field`. A host that is not known now may be so later.
        """
        place = _parse(url, field)
        try:
            with anyio.fail_after(STEP_SECONDS):
                await self._resolve(place, field)
        except TimeoutError:
            return
        except ApiError as error:
            if error.code == f"{field}_refused":
                raise

    async def post(self, url: str, field: str, body: bytes, headers: dict[str, str]) -> int:
        """Send a body to an http or https address, which must be public; returns the answer's status.

        Raises
        ------
        ApiError
            The address is none or refused, or does not answer in time; errors name `field`.
        """
        try:
            with anyio.fail_after(TOTAL_SECONDS):
                place = _parse(url, field)
                address = await self._resolve(place, field)
                settings = httpx.Timeout(STEP_SECONDS)
                # Streamed, so that nothing of the answer's body is read: it may be endless, or unpack to anything.
                async with (
                    httpx.AsyncClient(verify=_trust(), timeout=settings, trust_env=False) as client,
                    client.stream(
                        "POST",
                        place.copy_with(host=str(address)),
                        content=body,
                        headers={**headers, "Host": place.netloc.decode(), "Accept-Encoding": "identity"},
                        extensions={"sni_hostname": place.host},
                    ) as response,
                ):
                    return response.status_code
        except TimeoutError:
            raise _failed(field, f"it did not answer within {TOTAL_SECONDS:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise _failed(field, _why(error)) from None

    async def _follow(self, url: str, field: str, book: Book) -> UploadFile:
        place = _parse(url, field)
        for _ in range(MAX_REDIRECTS + 1):
            address = await self._resolve(place, field)
            settings = httpx.Timeout(STEP_SECONDS)
            # A client for each hop, which keeps no connection and no cookie; no proxy of the environment either.
            async with (
                httpx.AsyncClient(verify=_trust(), timeout=settings, trust_env=False) as client,
                client.stream(
                    "GET",
                    place.copy_with(host=str(address)),
                    headers={"Host": place.netloc.decode(), "Accept": "image/*", "Accept-Encoding": "identity"},
                    extensions={"sni_hostname": place.host},
                ) as response,
            ):
                if not response.has_redirect_location:
                    return await self._receive(response, field, book)
                place = _parse(_target(place, response), field)
        raise _failed(field, f"got more than {MAX_REDIRECTS} redirects")

    async def _resolve(self, place: httpx.URL, field: str) -> Address:
        port = place.port or (443 if place.scheme == "https" else 80)
        if self._ports is not None and port not in self._ports:
            allowed = ", ".join(str(each) for each in sorted(self._ports))
            raise bad_request(
                f"{field}_refused", f"{field} is refused", f"{field}: got the port {port}, expected one of {allowed}"
            )
        try:
            found = await asyncio.get_running_loop().getaddrinfo(place.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise _failed(field, "the host is not known") from None
        addresses = [ip_address(entry[4][0]) for entry in found]
        if not addresses or not all(self._is_allowed(address) for address in addresses):
            detail = f"{field}: got an address of this server's own network, expected one of the public internet"
            raise bad_request(f"{field}_refused", f"{field} is refused", detail)
        return addresses[0]

    async def _receive(self, response: httpx.Response, field: str, book: Book) -> UploadFile:
        if response.status_code != 200:
            raise _failed(field, f"the host answered with {response.status_code}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _failed(field, "the host sent it compressed")
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:LENGTH_DIGITS]) > self._max_bytes:
            raise self._too_large(field)
        file = new_file()
        size = 0
        try:
            async for part in response.aiter_raw():
                size += len(part)
                if size > self._max_bytes:
                    raise self._too_large(field)
                book(len(part))
                await _store(file, part)
            await file.seek(0)
        except BaseException:
            await file.close()
            raise
        return file

    def _too_large(self, field: str) -> ApiError:
        detail = f"{field}: got a larger file, expected at most {self._max_bytes / 2**20:.0f} MB; make it smaller"
        return ApiError(413, "file_too_large", "Image too large", detail)


async def _store(file: UploadFile, part: bytes) -> None:
    try:
        await file.write(part)
    except OSError as error:  # not the other host's fault
        raise of_storage(error) from None


def _parse(text: str, field: str) -> httpx.URL:
    try:
        url = httpx.URL(text.strip()) if len(text) <= MAX_URL else None
    except (httpx.InvalidURL, ValueError):
        url = None
    if url is None or url.scheme not in ("http", "https") or not url.host or url.userinfo or not _is_port(url.port):
        # What came is not repeated: it may hold a password.
        detail = f"{field}: got no usable address, expected one such as https://host/{_MEANT.get(field, 'photo.jpg')}"
        raise bad_request(f"invalid_{field}", f"Invalid {field}", detail)
    return url


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 65536


def _target(place: httpx.URL, response: httpx.Response) -> str:
    try:
        return str(place.join(response.headers["location"]))
    except (httpx.InvalidURL, ValueError):
        return ""


def _why(error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not valid for its name, or of nobody whom this server trusts"
    return f"the transfer failed ({type(error).__name__})"


def _failed(field: str, reason: str) -> ApiError:
    detail = f"{field}: the picture cannot be fetched, {reason}; send it as a file instead"
    if field in _MEANT:
        detail = f"{field}: the address cannot be reached, {reason}"
    return bad_request(f"{field}_failed", f"{field} cannot be fetched", detail)


@lru_cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
