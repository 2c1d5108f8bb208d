"""Who a caller is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from matting_api.middleware.proxies import Proxies, read_networks
from matting_client import OptionError

from tests.unit.api.conftest import Serve
from tests.unit.api.test_main import START_SECONDS, process
from tests.unit.api.test_removebg import PATH


def client(peer: str, *forwarded: str, trusted: str = "") -> str:
    """The address of a caller whose request came from `peer`."""
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope: dict[str, Any] = {"type": "http", "client": (peer, 5), "headers": headers}
    Proxies(read_networks(trusted)).unwrap(scope)
    return str(scope["client"][0])


def test_nobody_is_believed_by_default() -> None:
    assert client("127.0.0.1", "1.2.3.4") == "127.0.0.1"
    assert client("10.0.0.9", "1.2.3.4", trusted="10.0.0.1") == "10.0.0.9"


def test_a_named_proxy_is_believed() -> None:
    for trusted in ("10.0.0.1", "10.0.0.0/8", "fd00::/8 10.0.0.0/24,192.168.0.0/16"):
        assert client("10.0.0.1", "1.2.3.4", trusted=trusted) == "1.2.3.4"
    assert client("::ffff:10.0.0.1", "1.2.3.4", trusted="10.0.0.1") == "1.2.3.4"
    assert client("10.0.0.1", "2001:db8::7", trusted="10.0.0.1") == "2001:db8::7"


def test_only_what_trusted_proxies_have_appended_counts() -> None:
    assert client("10.0.0.1", "6.6.6.6, 1.2.3.4", trusted="10.0.0.1") == "1.2.3.4"
    assert client("10.0.0.1", "6.6.6.6", "1.2.3.4, 10.0.0.2", trusted="10.0.0.0/8") == "1.2.3.4"
    assert client("10.0.0.1", "10.0.0.2", trusted="10.0.0.0/8") == "10.0.0.2"


@pytest.mark.parametrize(
    "junk", ["", "unknown", "1.2.3", "1.2.3.4:80", "a" * 1000, "1.2.3.4;", "::g", "localhost", "1.2.3.4,"]
)
def test_what_is_no_address_counts_for_nothing(junk: str) -> None:
    assert client("10.0.0.1", junk, trusted="10.0.0.1") == "10.0.0.1"


def test_what_strangers_say_of_the_way_is_taken_out() -> None:
    names = (b"X-Forwarded-For", b"x-forwarded-host", b"x-forwarded-proto", b"forwarded", b"x-real-ip", b"accept")
    scope: dict[str, Any] = {"type": "http", "client": ("9.9.9.9", 5), "headers": [(name, b"x") for name in names]}
    Proxies().unwrap(scope)
    assert scope["headers"] == [(b"x-forwarded-proto", b"x"), (b"accept", b"x")]  # which says nothing of the caller


def test_a_cookie_of_https_is_sent_by_nothing_else(tmp_path: Path, repository: Path) -> None:
    """Whether it is the page's own or Gradio's; only a trusted proxy is believed."""
    for trusted in (["--trusted-proxies", "127.0.0.1"], []):
        logins = tmp_path / "logins"
        logins.write_text("ann:long enough a word\n")
        with process(tmp_path, repository, "--engine", "local", "--logins-file", str(logins), *trusted) as (_, url):
            for proto in ("https", "http"):
                by = {"X-Forwarded-Proto": proto}
                form = {"username": "ann", "password": "long enough a word"}
                found = httpx.get(url, headers=by, timeout=START_SECONDS).headers.get_list("set-cookie")
                assert len(found) == 1
                if trusted and proto == "https":
                    found += httpx.post(f"{url}/login", data=form, headers=by).headers.get_list("set-cookie")
                    assert len(found) == 3
                    assert all(cookie.lower().count("secure") - cookie.count("unsecure") == 1 for cookie in found)
                else:
                    assert "secure" not in found[0].lower()


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.lan", "10.0.0.0/33", "*"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(OptionError, match="--trusted-proxies"):
        read_networks(text)


def test_a_forged_address_is_no_way_around_the_rate(serve: Serve) -> None:
    """Over the real server, which would believe whoever comes from this machine."""
    api = serve(rate=1)
    behind = serve(rate=1, trusted_proxies=read_networks("127.0.0.1"))
    forged = [api.post(PATH, headers={"X-Forwarded-For": f"1.2.3.{number}"}).status_code for number in range(3)]
    assert forged[1:] == [429, 429]
    told = [behind.post(PATH, headers={"X-Forwarded-For": f"1.2.3.{number}"}).status_code for number in range(3)]
    assert 429 not in told
    assert behind.post(PATH, headers={"X-Forwarded-For": "6.6.6.6, 1.2.3.0"}).status_code == 429
