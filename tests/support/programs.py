"""Programs of others that tests start: balancers and proxies with our examples of their configuration."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where ./test.sh unpacks what Debian has and this machine lacks.
DEBIAN = ROOT / "cache" / "debian"
UNPACKED = (f"{DEBIAN}/usr/sbin", f"{DEBIAN}/usr/bin")
START_SECONDS = 30.0
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def find(name: str) -> str:
    """The path of a program."""
    places = [os.environ["PATH"], "/usr/sbin", *UNPACKED, str(Path(sys.executable).parent)]
    found = shutil.which(name, path=os.pathsep.join(places))
    assert found, f"{name} is not installed; ./test.sh does that"
    return found


def example(name: str, changes: Mapping[str, object]) -> str:
    """A file of deploy/ with other ports and places, each of which occurs in it."""
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"deploy/{name}: {old}"
        text = text.replace(old, str(new))
    return text


@contextmanager
def program(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that listens on a port of loopback, until the end of the block."""
    libraries = f"{DEBIAN}/usr/lib/x86_64-linux-gnu"
    environment = {**os.environ, "HOME": str(log.parent), "LD_LIBRARY_PATH": libraries}
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _listens(port):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@contextmanager
def nginx(folder: Path, site: str, port: int) -> Iterator[None]:
    """Nginx with one site, which listens on a port."""
    user = "user root;" if os.getuid() == 0 else ""  # else its workers could not read what tests write
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    with program([find("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")], port, folder / "nginx.log"):
        yield


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


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
