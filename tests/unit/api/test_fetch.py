"""Pictures by address, from a real server, and from those who would use this one to reach its own network."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

import httpx
import numpy as np
import pytest
import trustme
from matting_api.errors import ApiError
from matting_api.middleware import incoming
from matting_api.request import fetch
from matting_api.request.fetch import Fetcher
from matting_api.request.networks import Address, is_public
from matting_api.routes import photos

from tests.unit.api.conftest import Serve, encode, error, pixels
from tests.unit.api.test_removebg import PATH

HERE, OTHER = "127.0.0.1", "127.0.0.2"
LIMIT = 100_000
PHOTO = encode(np.full((40, 50, 3), 255, np.uint8))


def only_here(address: Address) -> bool:
    """Stands for the internet: one address of this machine, and no other of it."""
    return str(address) == HERE


class Site(BaseHTTPRequestHandler):
    """A host on the internet, with good and hostile pages."""

    protocol_version = "HTTP/1.1"
    server: Host

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Host", "")))
        name, _, rest = self.path.lstrip("/").partition("/")
        getattr(self, f"_{name.partition('?')[0].partition('.')[0]}", self._none)(rest)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _none(self, _: str) -> None:
        self._answer(404, b"")

    def _photo(self, _: str) -> None:
        assert not self.headers.get("Cookie") and self.headers.get("Accept-Encoding") == "identity"
        self._answer(200, PHOTO)

    def _text(self, _: str) -> None:
        self._answer(200, b"no picture")

    def _hops(self, rest: str) -> None:
        left = int(rest)
        self._answer(302, b"", Location=f"/hops/{left - 1}" if left > 1 else "../photo.png", Set_Cookie="a=b")

    def _to(self, rest: str) -> None:
        self._answer(301, b"", Location=rest)

    def _long(self, _: str) -> None:
        self._answer(200, b"", Content_Length=str(LIMIT + 1))

    def _endless(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        except OSError:
            self.close_connection = True

    def _slow(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            self.close_connection = True

    def _short(self, _: str) -> None:
        self._answer(200, b"abc", Content_Length="1000")
        self.close_connection = True

    def _packed(self, _: str) -> None:
        self._answer(200, b"abc", Content_Encoding="gzip")

    def log_message(self, *_: Any) -> None:
        pass


class Host(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, context: ssl.SSLContext | None = None) -> None:
        super().__init__((address, 0), Site)
        self.seen: list[tuple[str, str]] = []
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, *_: Any) -> None:
        pass  # those who are refused go away in the middle


@contextmanager
def run(host: Host) -> Iterator[Host]:
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield host
    finally:
        host.shutdown()
        thread.join()
        host.server_close()


@pytest.fixture
def host() -> Iterator[Host]:
    with run(Host(HERE)) as host:
        yield host


@pytest.fixture
def inner() -> Iterator[Host]:
    """A host of the own network, which must never be asked."""
    with run(Host(OTHER)) as host:
        yield host


def get(url: str, fetcher: Fetcher | None = None) -> bytes:
    async def whole() -> bytes:
        file = await (fetcher or Fetcher(LIMIT, only_here, ports=None)).fetch(url, "image_url")
        try:
            return await file.read()
        finally:
            await file.close()

    return asyncio.run(whole())


def refused(url: str, fetcher: Fetcher | None = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        get(url, fetcher)
    assert caught.value.detail.startswith("image_url: ") and "\n" not in caught.value.detail
    return caught.value


PUBLIC = (
    "1.1.1.1", "93.184.216.34", "192.0.1.1", "168.63.129.17", "172.32.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1",
)  # fmt: skip
PRIVATE = (
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "192.0.2.1",
    "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd12::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::7f00:1",
    "192.0.0.192", "192.0.0.9", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "192.88.99.1", "5f00::1",
    "3fff::1", "2001:2::1", "4000::1", "::ffff:168.63.129.16", "64:ff9b::7f00:1", "64:ff9b:1::a00:1",
    "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1",
)  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


def test_a_photo_comes(host: Host) -> None:
    assert get(f"http://{HERE}:{host.port}/photo.png") == PHOTO
    assert host.seen == [("/photo.png", f"{HERE}:{host.port}")]


def test_five_redirects_and_no_more(host: Host) -> None:
    assert get(f"http://{HERE}:{host.port}/hops/5") == PHOTO
    assert "5 redirects" in refused(f"http://{HERE}:{host.port}/hops/6").detail
    assert "redirects" in refused(f"http://{HERE}:{host.port}/to/to/to").detail


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/photo.png",
        "http://localhost:{port}/photo.png",
        "http://127.1:{port}/photo.png",
        "http://2130706433:{port}/photo.png",
        "http://0x7f000001:{port}/photo.png",
        "http://0177.0.0.1:{port}/photo.png",
        "http://0:{port}/photo.png",
        "http://[::1]:{port}/photo.png",
        "http://[::ffff:127.0.0.1]:{port}/photo.png",
        "http://①②⑦.⓪.⓪.①:{port}/photo.png",
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
    ],
)
def test_the_own_network_is_refused(host: Host, url: str) -> None:
    """With the rule that servers have, under which this machine is not the internet."""
    found = refused(url.format(port=host.port), Fetcher(LIMIT, ports=None))
    unusual = any(part in url for part in ("0177", "①"))  # no address for some resolvers
    assert (found.status, found.code) == (400, found.code if unusual else "image_url_refused")
    assert host.seen == []


def test_ports_of_the_web_only(host: Host) -> None:
    found = refused(f"http://{HERE}:{host.port}/photo.png", Fetcher(LIMIT, only_here))
    assert found.code == "image_url_refused" and "expected one of 80, 443" in found.detail
    assert get(f"http://{HERE}:{host.port}/photo.png", Fetcher(LIMIT, only_here, frozenset((host.port,)))) == PHOTO
    closed = refused(f"http://{HERE}/photo.png", Fetcher(LIMIT, only_here))
    assert closed.code == "image_url_failed"  # it was tried, at port 80
    found = refused(
        f"http://{HERE}:{host.port}/to/http://{HERE}:22/", Fetcher(LIMIT, only_here, frozenset((host.port,)))
    )
    assert found.code == "image_url_refused" and "the port 22" in found.detail


def test_redirects_into_the_own_network_are_refused(host: Host, inner: Host) -> None:
    for target in (f"http://{OTHER}:{inner.port}/photo.png", f"//{OTHER}:{inner.port}/photo.png"):
        assert refused(f"http://{HERE}:{host.port}/to/{target}").code == "image_url_refused"
    assert inner.seen == [] and len(host.seen) == 2


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/y", "gopher://x", "javascript:1", "http://"])
def test_redirects_elsewhere_are_refused(host: Host, target: str) -> None:
    """Some become paths of the same host, which lead nowhere."""
    assert refused(f"http://{HERE}:{host.port}/to/{target}").code in ("invalid_image_url", "image_url_failed")


def test_a_name_that_changes_its_address(host: Host, inner: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one that is connected to, and the name is asked for once."""
    answers = [HERE, OTHER, OTHER]
    asked: list[str] = []

    async def resolve(_: Any, name: str, port: int, **__: Any) -> list[Any]:
        asked.append(name)
        return [(2, 1, 6, "", (answers[len(asked) - 1], port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    assert get(f"http://photos.test:{host.port}/photo.png") == PHOTO
    assert asked == ["photos.test"] and host.seen == [("/photo.png", f"photos.test:{host.port}")]
    assert refused(f"http://photos.test:{inner.port}/photo.png").code == "image_url_refused"
    assert inner.seen == []


def test_a_name_with_one_private_address_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_: Any, name: str, port: int, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (each, port)) for each in (HERE, OTHER)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    assert refused(f"http://photos.test:{host.port}/photo.png").code == "image_url_refused"
    assert host.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "", "photo.jpg", "//host/a", "file:///etc/passwd", "ftp://host/a", "data:image/png;base64,aGk=", "http://",
        "http:///a", "http://user:secret@host/a", "http://[::1/a", "http://host:99999/a", "http://a\nb/",
        "https://" + "a" * 3000, "unix:///run/x.sock", "HTTP+UNIX://x", "http://\x00/",
    ],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    found = refused(url)
    assert (found.status, found.code) == (400, "invalid_image_url")
    assert "secret" not in found.detail


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("none", 400, "404"),
        ("long", 413, "larger"),
        ("endless", 413, "larger"),
        ("short", 400, "transfer failed"),
        ("packed", 400, "compressed"),
    ],
)
def test_what_cannot_be_used(host: Host, path: str, status: int, said: str) -> None:
    found = refused(f"http://{HERE}:{host.port}/{path}")
    assert found.status == status and said in found.detail


def test_slow_hosts_are_given_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon enough, the whole does not."""
    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.5)
    start = time.monotonic()
    assert "did not come" in refused(f"http://{HERE}:{host.port}/slow").detail
    assert time.monotonic() - start < 3


def test_nobody_there(host: Host) -> None:
    host.server_close()
    assert "transfer failed" in refused(f"http://{HERE}:{host.port}/photo.png").detail
    assert "not known" in refused("http://photos.invalid/").detail


def test_proxies_of_the_environment_are_not_used(host: Host, inner: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{OTHER}:{inner.port}")
    assert get(f"http://{HERE}:{host.port}/photo.png") == PHOTO
    assert inner.seen == []


def test_the_certificate_must_be_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to an address, and the certificate is still checked for the name."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("photos.test").configure_cert(context)

    async def resolve(_: Any, name: str, port: int, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (HERE, port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    with run(Host(HERE, context)) as host:
        assert "certificate" in refused(f"https://photos.test:{host.port}/photo.png").detail  # not trusted
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        monkeypatch.setattr(fetch, "_trust", lambda: trust)
        assert get(f"https://photos.test:{host.port}/photo.png") == PHOTO
        other = f"https://other.test:{host.port}/photo.png"
        assert "certificate" in refused(other).detail
        with pytest.raises(ApiError) as told:
            asyncio.run(Fetcher(LIMIT, only_here, ports=None).post(other, "webhook", b"", {}))
        assert "certificate" in told.value.detail and "picture" not in told.value.detail


def test_by_the_api(serve: Serve, host: Host) -> None:
    api = serve(fetcher=Fetcher(LIMIT, only_here, ports=None))
    site = f"http://{HERE}:{host.port}"
    for send in ({"json": {"image_url": f"{site}/photo.png"}}, {"data": {"image_url": f"{site}/hops/2"}}):
        assert pixels(api.post(PATH, **send).content).shape == (40, 50, 4)
    behind = {"bg_image_url": f"{site}/photo.png", "format": "png"}
    dark = encode(np.zeros((40, 50, 3), np.uint8))
    assert (pixels(api.post("/v1/cutout", files={"image_file": dark}, data=behind).content) == 255).all()
    form = {"bg_image_url": (None, f"{site}/photo.png"), "image_file": ("dark.png", dark)}
    assert pixels(api.post("/v1/cutout", files=form).content).shape == (40, 50, 3)
    codes = {f"{site}/text": "invalid_image", f"{site}/none": "image_url_failed", "x": "invalid_image_url"}
    for url, code in codes.items():
        response = api.post(PATH, json={"image_url": url})
        assert (response.status_code, error(response)["code"]) == (400, code)
    assert error(api.post(PATH, json={"image_url": f"http://{OTHER}/"}))["code"] == "image_url_refused"
    host.seen.clear()
    response = api.post(PATH, json={"image_url": f"{site}/photo.png", "scale": "5%"})
    assert response.status_code == 400 and host.seen == []  # nothing is fetched for a request that cannot be


def test_switched_on_it_refuses_this_machine(serve: Serve, host: Host) -> None:
    api = serve(urls=True)
    response = api.post(PATH, json={"image_url": f"http://{HERE}:{host.port}/photo.png"})
    assert (response.status_code, error(response)["code"]) == (400, "image_url_refused")
    assert host.seen == []


def test_switched_off_it_is_refused(api: httpx.Client, host: Host) -> None:
    response = api.post(PATH, json={"image_url": f"http://{HERE}:{host.port}/photo.png"})
    assert (response.status_code, error(response)["code"]) == (400, "image_url_not_supported")
    assert host.seen == []


def test_fetches_are_bounded_together(serve: Serve, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is under way the next one waits, and a third is sent away: another host is not flooded from here."""
    monkeypatch.setattr(photos, "MOST_FETCHES", 1)
    may_end = threading.Event()

    def held(site: Site, _: str) -> None:
        assert may_end.wait(60)
        site._photo("")

    monkeypatch.setattr(Site, "_held", held, raising=False)
    api = serve(fetcher=Fetcher(LIMIT, only_here, ports=None), waiting=1)
    asked = {"image_url": f"http://{HERE}:{host.port}/held.png"}
    with ThreadPoolExecutor(3) as pool:
        try:
            sent = [pool.submit(api.post, PATH, json=asked) for _ in range(3)]
            refused = wait(sent, 60, FIRST_COMPLETED).done.pop().result()
            assert (refused.status_code, error(refused)["code"]) == (503, "server_busy")
            assert len(host.seen) <= 1
        finally:
            may_end.set()
        assert sorted(each.result().status_code for each in sent) == [200, 200, 503]


def test_fetched_files_are_counted_as_uploads_are(
    serve: Serve, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    api = serve(fetcher=Fetcher(LIMIT, only_here, ports=None))
    asked = {"image_url": f"http://{HERE}:{host.port}/photo.png"}
    monkeypatch.setattr(incoming, "DISK_BYTES", len(PHOTO) - 1)
    refused = api.post(PATH, json=asked)
    assert (refused.status_code, error(refused)["code"]) == (503, "server_busy")
    monkeypatch.setattr(incoming, "DISK_BYTES", len(PHOTO))
    assert [api.post(PATH, json=asked).status_code for _ in range(3)] == [200] * 3  # they are given back
    assert not any(record.exc_info for record in caplog.records)
