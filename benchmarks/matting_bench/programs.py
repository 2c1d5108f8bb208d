"""Programs of others, each as a process of its own: the machine's, or those that `./test.sh` unpacks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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
    """The path of a program.

    Raises
    ------
    FileNotFoundError
    """
    places = [os.environ["PATH"], "/usr/sbin", *UNPACKED, str(Path(sys.executable).parent)]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise FileNotFoundError(f"got no {name}, expected it on the path; install it, or run ./test.sh, which does")
    return found


@contextmanager
def program(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that listens on a port of loopback, until the end of the block.

    Raises
    ------
    RuntimeError
        It does not; with what its log says.
    """
    libraries = f"{DEBIAN}/usr/lib/x86_64-linux-gnu"
    environment = {**os.environ, "HOME": str(log.parent), "LD_LIBRARY_PATH": libraries}
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start: {log.read_text()}")
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@contextmanager
def nginx(folder: Path, site: str, port: int) -> Iterator[None]:
    """Nginx with one site, which listens on a port; raises as `find` and `program`."""
    user = "user root;" if os.getuid() == 0 else ""  # else its workers could not read what root writes
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    with program([find("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")], port, folder / "nginx.log"):
        yield


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
