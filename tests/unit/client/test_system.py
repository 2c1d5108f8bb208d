"""Whose an address is."""

from __future__ import annotations

import pytest
from matting_client.system import household, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:0db8:0001:0002"),
        ("2001:db8:1:2::", "2001:0db8:0001:0002"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        ("::1", "0000:0000:0000:0000"),
        ("/run/matting.sock", "/run/matting.sock"),
        ("", ""),
        (None, ""),
    ],
)
def test_households(host: str | None, expected: str) -> None:
    assert household(host) == expected


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "192.0.2.7", "::", "0.0.0.0", "::ffff:192.0.2.7", "localhost.example"])
def test_what_others_reach(host: str) -> None:
    assert not is_loopback(host)
