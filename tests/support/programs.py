"""Programs of others that tests start: balancers and proxies with our examples of their configuration, an S3 server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from matting_bench.programs import ROOT, find, nginx, program

__all__ = ["ROOT", "caddy", "example", "find", "haproxy", "nginx", "program", "s3"]


def example(name: str, changes: Mapping[str, object]) -> str:
    """A file of deploy/ with other ports and places, each of which occurs in it."""
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"deploy/{name}: {old}"
        text = text.replace(old, str(new))
    return text


@contextmanager
def haproxy(folder: Path, configuration: str, port: int) -> Iterator[None]:
    """HAProxy, which listens on a port."""
    (folder / "haproxy.cfg").write_text(configuration)
    with program([find("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")], port, folder / "haproxy.log"):
        yield


@contextmanager
def caddy(folder: Path, configuration: str, port: int) -> Iterator[None]:
    """Caddy, which listens on a port."""
    (folder / "Caddyfile").write_text(configuration)
    command = [find("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with program(command, port, folder / "caddy.log"):
        yield


@contextmanager
def s3(folder: Path, port: int, key_id: str, secret: str) -> Iterator[None]:
    """An S3 server, which listens on a port: each folder in `folder` is a bucket, and each file below it an object."""
    command = [find("rclone"), "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{key_id},{secret}", "--config", os.devnull, "--dir-cache-time", "0s"]
    with program(command, port, folder.parent / "s3.log"):
        yield
