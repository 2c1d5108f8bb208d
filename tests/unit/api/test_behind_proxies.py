"""Page and API below a path, over TLS, behind the proxies that deploy/ has examples for."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from matting_api.app import body_limit
from matting_api.settings import Settings
from matting_bench.server_process import free_ports
from matting_ui import ids
from starlette.datastructures import Headers

from tests.support.programs import ROOT, caddy, example, nginx
from tests.unit.api.conftest import Serve, error, pixels
from tests.unit.api.test_main import START_SECONDS, process

NAME = "photos.example.com"
Start = Callable[[Path, str, int, int], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[str]:
    """Host and port of a page whose visitors come through a proxy."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--allowed-hosts", NAME, "--trusted-proxies", "127.0.0.1", "--root-path", "/matting", "--rate", "30"]
    with process(folder, repository, "--engine", "local", *options) as (_, url):
        yield url.removeprefix("http://")


def _nginx(folder: Path, site: str, port: int, plain: int) -> AbstractContextManager[None]:
    changes: dict[str, Any] = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/ssl/matting/fullchain.pem": folder / "chain.pem",
        "/etc/ssl/matting/key.pem": folder / "key.pem",
        "127.0.0.1:7860": site,
        "client_max_body_size 580m": "client_max_body_size 1m",
    }
    return nginx(folder, example("nginx.conf", changes), port)


def _caddy(folder: Path, site: str, port: int, plain: int) -> AbstractContextManager[None]:
    ports = f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n\tdefault_bind 127.0.0.1\n}}\n"
    certificate = f"{NAME} {{\n\ttls {folder}/chain.pem {folder}/key.pem"
    changes = {f"{NAME} {{": certificate, "127.0.0.1:7860": site, "max_size 580MiB": "max_size 1MiB"}
    return caddy(folder, ports + example("Caddyfile", changes), port)


@pytest.fixture(params=[_nginx, _caddy], ids=["nginx", "caddy"])
def client(request: pytest.FixtureRequest, site: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """Speaks to the proxy as if its name led there."""
    authority = trustme.CA()
    certificate = authority.issue_cert(NAME)
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(tmp_path / "chain.pem", append=True)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    port, plain = free_ports(2)

    def as_named(sent: httpx.Request) -> None:
        sent.headers["Host"] = f"{NAME}:{port}"
        sent.extensions["sni_hostname"] = NAME

    with (
        request.param(tmp_path, site, port, plain),
        httpx.Client(
            base_url=f"https://127.0.0.1:{port}",
            verify=trust,
            timeout=START_SECONDS,
            event_hooks={"request": [as_named]},
            headers={"X-Plain": str(plain)},
        ) as opened,
    ):
        yield opened


def test_below_a_path_over_tls(client: httpx.Client, portrait: bytes) -> None:
    home = f"https://{NAME}:{client.base_url.port}"
    page = client.get("/matting/")
    assert page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    for claimed in ({}, {"X-Forwarded-Host": "evil.example"}, {"X-Gradio-Server": "http://evil.example/"}):
        assert client.get("/matting/config", headers=claimed).json()["root"] == f"{home}/matting"
    assert client.get("/matting").headers["location"].removeprefix(home) == "/matting/"
    answer = client.post("/matting/v1/cutout", content=portrait, headers={"Origin": home})
    assert pixels(answer.content).shape == (400, 512, 4)
    foreign = client.post("/matting/v1/cutout", content=portrait, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert client.get("/other").status_code == 404
    call = f"/matting/gradio_api/call/{ids.API_PRESET}"
    begun = client.post(call, json={"data": ["product"]}).raise_for_status().json()
    assert "event: complete" in client.get(f"{call}/{begun['event_id']}").text  # events, one by one


def test_replicas_that_are_all_full_say_so(serve: Serve, portrait: bytes, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    changes = {"listen 80;": f"listen 127.0.0.1:{port};"}
    for here in ("10.0.0.11:7860", "10.0.0.12:7860"):
        changes[here] = serve(engine="triton", url="127.0.0.1:1", retry_seconds=0.0).base_url.netloc.decode()
    with nginx(tmp_path, example("nginx-replicas.conf", changes), port):
        for _ in range(3):
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/alpha", content=portrait, trust_env=False)
            assert answer.status_code == 503 and "retry-after" in answer.headers and error(answer)


@pytest.mark.parametrize(
    "name", ["deploy/nginx.conf", "deploy/nginx-replicas.conf", "deploy/Caddyfile", "docs/deployment.md"]
)
def test_proxies_let_in_what_the_api_takes(name: str) -> None:
    """Photo, background and mask in one form, a clip, and a job's ZIP; megabytes are of 2**20 bytes in both."""
    found = re.findall(r"(?:client_max_body_size|max_size) (\d+)(?:m;|MiB)", (ROOT / name).read_text(encoding="utf-8"))
    form = Headers({"content-type": "multipart/form-data; boundary=b"})
    *usual, archive = (
        body_limit(Settings(), path, form) for path in ("/v1/cutout", "/v1/video", "/gradio_api/upload", "/v1/jobs")
    )
    assert min(map(int, found)) * 2**20 >= max(usual), found
    assert name.startswith("docs/") or max(map(int, found)) * 2**20 >= archive


def test_a_zip_of_photos_may_be_larger_than_a_photo(client: httpx.Client) -> None:
    """The proxy, whose limit is 1 MiB here, lets it through to the API, which then says what is wrong with it."""
    archive = {"archive": ("photos.zip", bytes(2 * 2**20))}
    answer = client.post("/matting/v1/jobs", files=archive)
    assert (answer.status_code, error(answer)["code"]) == (400, "invalid_archive")
    photo = {"image_file": ("photo.png", bytes(2 * 2**20))}
    assert client.post("/matting/v1/cutout", files=photo).status_code == 413


def test_plain_http_is_sent_to_tls(client: httpx.Client) -> None:
    plain = client.headers["X-Plain"]
    moved = httpx.get(f"http://127.0.0.1:{plain}/matting/", headers={"Host": NAME}, timeout=60, trust_env=False)
    assert moved.status_code in (301, 308) and moved.headers["location"].startswith(f"https://{NAME}")


def test_callers_are_told_apart(client: httpx.Client, portrait: bytes) -> None:
    """By the address that the proxy saw, which is one for all of this test, whatever a caller writes."""
    left = [
        client.post("/matting/v1/alpha", content=portrait, headers={"X-Forwarded-For": forged}).headers
        for forged in ("203.0.113.1", "203.0.113.2")
    ]
    first, second = (int(headers["X-RateLimit-Remaining"]) for headers in left)
    assert second == first - 1
