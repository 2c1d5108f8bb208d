"""Which hosts and origins are answered."""

from __future__ import annotations

import socket

import httpx
import pytest
from matting_api.middleware.hosts import Hosts
from matting_client import OptionError
from matting_client.hosts import read_hosts
from starlette.datastructures import Headers

from tests.unit.api.conftest import Serve, error

LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def refused(hosts: Hosts, method: str = "POST", path: str = "/v1/alpha", **headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = hosts.check(method, path, Headers(named))
    return found.status if found else None


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:7860", "localhost.", "127.0.0.1", "127.9.9.9:1", "[::1]:7860", "[::ffff:127.0.0.1]"],
)
def test_loopback_is_always_known(host: str) -> None:
    assert refused(Hosts("192.168.1.5"), host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "a.localhost"),
        *("127.1", "192.168.1.6", "0x7f000001", "localhost@evil.example", "localhost:1:2", "[::1", "http://localhost"),
    ],
)
def test_other_hosts_are_unknown(host: str) -> None:
    assert refused(Hosts("192.168.1.5", ("photos.example",)), host=host) == 421


def test_the_bound_address_and_the_allowed_names_are_known() -> None:
    assert refused(Hosts("192.168.1.5"), host="192.168.1.5:7860") is None
    assert refused(Hosts("Matting"), host="matting:7860") is None
    assert refused(Hosts("2001:DB8:0::1"), host="[2001:db8::1]:7860") is None
    for everywhere in ("0.0.0.0", "::", ""):
        assert refused(Hosts(everywhere), host="192.168.1.5:7860") is None
        assert refused(Hosts(everywhere), host="[2001:db8::1]") is None
        assert refused(Hosts(everywhere), host="evil.example") == 421
    hosts = Hosts("127.0.0.1", read_hosts("Photos.example, shop.example:8443 *.lan"))
    for known in ("photos.example", "photos.example:99", "shop.example", "shop.example:8443", "a.lan", "a.b.lan:1"):
        assert refused(hosts, host=known) is None
    for unknown in ("lan", "xphotos.example", "a.photos.example"):
        assert refused(hosts, host=unknown) == 421
    assert refused(Hosts("127.0.0.1", ("*",)), host="anything.example") is None


def test_only_balancers_leave_the_host_out(api: httpx.Client) -> None:
    """In HTTP/1.0, which knows no Host; browsers always send one."""
    for path, status in (("/livez", 200), ("/readyz", 200), ("/v2/health", 200), ("/metrics", 421), ("/", 421)):
        with socket.create_connection((api.base_url.host, api.base_url.port)) as link:
            link.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            head = link.makefile("rb").readline()
        assert int(head.split()[1]) == status, path
    assert refused(Hosts("0.0.0.0"), host="") == refused(Hosts("0.0.0.0")) == 421


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "null", "", "http://localhost:3000", "http://127.0.0.1:7860", "https://localhost"),
        *("chrome-extension://localhost:7860", "file://", "localhost:7860", "http://localhost:7860.evil.example"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_foreign_origins(origin: str, method: str) -> None:
    for hosts in (Hosts("127.0.0.1"), Hosts("127.0.0.1", ("*",))):
        assert refused(hosts, method, "/", host="localhost:7860", origin=origin) == 403


def test_own_origins() -> None:
    assert refused(Hosts("127.0.0.1"), host="localhost:7860", origin="http://localhost:7860") is None
    assert refused(Hosts("127.0.0.1"), host="[::1]:7860", origin="http://[::1]:7860") is None
    # Behind a proxy that does not hand on the name by which it was called.
    behind = Hosts("127.0.0.1", ("photos.example", "shop.example:8443"))
    for origin in ("https://photos.example", "https://Shop.example:8443"):
        assert refused(behind, host="127.0.0.1:7860", origin=origin) is None
    own = {"host": "127.0.0.1:7860", "origin": "https://photos.example"}
    assert refused(behind, **own, sec_fetch_site="same-origin") is None
    assert refused(behind, **own, sec_fetch_site="cross-site") == 403
    for origin in ("https://photos.example:8443", "https://shop.example"):
        assert refused(behind, host="127.0.0.1:7860", origin=origin) == 403


def test_without_an_origin() -> None:
    hosts = Hosts("127.0.0.1")
    for path in ("/", "/metrics", "/v1/alpha"):
        assert refused(hosts, "GET", path, host="localhost") is None  # a program
        for site in ("same-origin", "none"):
            assert refused(hosts, "GET", path, host="localhost", sec_fetch_site=site) is None
        for site in ("cross-site", "same-site", "new-kind"):
            assert refused(hosts, "GET", path, host="localhost", sec_fetch_site=site) == 403
            link = Headers({"host": "localhost", "sec-fetch-site": site, **LINK})
            assert (hosts.check("GET", path, link) is None) == (path == "/")
            assert hosts.check("POST", path, link) is not None
    frame = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert hosts.check("GET", "/", Headers({"host": "localhost", **frame})) is not None


@pytest.mark.parametrize("path", ["/logout", "/logout/"])
def test_nobody_is_logged_out_by_others(path: str) -> None:
    hosts = Hosts("0.0.0.0", ("box.lan",))
    own = "http://box.lan:7860/"
    assert refused(hosts, "GET", path, host="box.lan:7860", referer=own) is None
    assert refused(hosts, "GET", path, host="localhost", sec_fetch_site="same-origin") is None
    for referer in ({}, {"referer": "http://evil.example/box.lan:7860"}):
        assert refused(hosts, "GET", path, host="box.lan:7860", **referer) == 403


@pytest.mark.parametrize("text", ["http://a.example", "a/b", "a..b", "*a", "*.*", "a:b", "a b;c", "é.example"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(OptionError, match="--allowed-hosts"):
        read_hosts(text)
    assert read_hosts("") == ()


@pytest.mark.parametrize("path", ["/v1.0/removebg", "/v1/cutout", "/metrics", "/readyz", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_everything_is_guarded(api: httpx.Client, path: str, method: str) -> None:
    foreign = api.request(method, path, headers={"Origin": "https://evil.example"})
    assert (foreign.status_code, error(foreign)["code"]) == (403, "foreign_origin")
    rebound = api.request(method, path, headers={"Host": "evil.example"})
    assert (rebound.status_code, error(rebound)["code"]) == (421, "misdirected_request")
    assert "access-control-allow-origin" not in foreign.headers


def test_what_is_open_to_invited_websites(serve: Serve) -> None:
    """Jobs and clips, too; and a refusal advises what helps."""
    shop = "https://shop.example"
    api = serve(origins=(shop,))
    for path, method, asked in (
        ("/v1/cutout", "POST", "x-matting-model"),
        ("/v1/jobs", "POST", "idempotency-key,content-type"),
        ("/v1/jobs/none", "DELETE", "x-api-key"),
        ("/v1/video", "POST", "x-api-key"),
        ("/v1/video/none/result", "GET", "authorization"),
    ):
        ask = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
        allowed = api.options(path, headers={"Origin": shop, **ask})
        assert allowed.status_code == 200, allowed.text
        assert method in allowed.headers["access-control-allow-methods"]
    found = api.delete("/v1/jobs/none", headers={"Origin": shop})
    assert (found.status_code, found.headers["access-control-allow-origin"]) == (404, shop)
    assert "Location" in found.headers["access-control-expose-headers"]
    for path in ("/metrics", "/v1/jobsx", "/v1/cutout/x", "/"):
        detail = error(api.get(path, headers={"Origin": shop}))["detail"]
        assert path in detail and "one of --origins" in detail and "--allowed-hosts" not in detail
    stranger = error(api.get("/v1/jobs/none", headers={"Origin": "https://evil.example"}))["detail"]
    assert "--origins" in stranger and "--allowed-hosts" in stranger


def test_the_option(serve: Serve) -> None:
    api = serve(allowed_hosts=("photos.example",))
    headers = {"Host": "photos.example", "Origin": "https://photos.example"}
    assert api.get("/livez", headers=headers).status_code == 200
    assert 'code="misdirected_request"' not in api.get("/metrics").text
    api.get("/livez", headers={"Host": "evil.example"})
    assert 'matting_failures_total{code="misdirected_request"} 1.0' in api.get("/metrics").text
