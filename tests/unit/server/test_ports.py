"""Ports are asked for before anything starts, and the answer names the port and the option."""

from __future__ import annotations

import socket

import pytest
from matting_server.errors import SetupError
from matting_server.ports import check_ports
from matting_server.settings import Settings


def test_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} on 127.0.0.1 is taken.*--grpc-port"):
            check_ports({"--grpc-port": ("127.0.0.1", port)})
    check_ports({"--grpc-port": ("127.0.0.1", port)})


def test_port_taken_on_every_address_counts() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken, pytest.raises(SetupError, match="is taken"):
        check_ports({"--http-port": ("127.0.0.1", taken.getsockname()[1])})


def test_foreign_address() -> None:
    with pytest.raises(SetupError, match=r"^192\.0\.2\.1: not an address"):  # reserved for documentation
        check_ports({"--http-port": ("192.0.2.1", 9000)})
    with pytest.raises(SetupError, match=r"a\.\.b: not an address"):
        check_ports({"--http-port": ("a..b", 9000)})


def test_page_port_only_with_the_page() -> None:
    assert "--page-port" not in Settings().ports
    assert Settings(page=True).ports["--page-port"] == ("127.0.0.1", 7860)
