"""The root's Dockerfile: its base, what it holds and what it starts, which `tests/protocol/test_container.py` runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import matting_server.main
import pytest

from tests.support import image
from tests.support.image import ROOT

DOCKERFILE = ROOT / "Dockerfile"


def steps(name: str) -> list[str]:
    return [arguments for instruction, arguments in image.instructions(DOCKERFILE) if instruction == name]


def test_the_base_is_named_by_its_digest() -> None:
    arguments = dict(argument.split("=", 1) for argument in steps("ARG") if "=" in argument)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", arguments["PYTHON_IMAGE"])
    assert arguments["ENGINE"] == "cpu"
    known = {"${PYTHON_IMAGE}", "${ENGINE}", "cpu"}
    assert {source.split(" AS ")[0] for source in steps("FROM")} == known
    assert {source.split(" AS ")[1] for source in steps("FROM") if " AS " in source} == {"build", "cpu", "cuda"}


def test_it_holds_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {path.partition("/")[0] for path in project["tool"]["setuptools"]["package-dir"].values()}
    copied = {word for arguments in steps("COPY") for word in arguments.split()[:-1]}
    assert {
        *folders,
        "client",
        "constraints.txt",
        "constraints-cuda.txt",
        *project["project"]["license-files"],
    } <= copied
    extras = project["project"]["optional-dependencies"]
    groups = [group for text in steps("RUN") for group in re.findall(r"\.\[([a-z0-9,]+)\]", text)]
    wanted = {extra for group in groups for extra in group.split(",")}
    assert wanted == {"serve", "ui", "trace", "s3", "container", "gpu"} and wanted <= set(extras)
    assert "/opt/venv/bin" in image.environment(DOCKERFILE)["PATH"]


def test_what_it_starts() -> None:
    words = image.command(DOCKERFILE, "CMD")
    assert words[:2] == ["matting", "serve"]
    given = matting_server.main.parser().parse_args(words[2:])
    assert given.page and (given.page_host, given.page_port) == ("0.0.0.0", int(steps("EXPOSE")[0]))
    assert given.host == "127.0.0.1"  # Triton itself is nobody else's
    (entry,) = image.command(DOCKERFILE, "ENTRYPOINT")
    assert f"deploy/entrypoint.sh /usr/local/bin/{entry}" in " ".join(steps("COPY"))
    script = ROOT / "deploy" / "entrypoint.sh"
    subprocess.run(["sh", "-n", str(script)], check=True)
    assert "user=10001" in script.read_text()
    assert any("--uid 10001" in text for text in steps("RUN"))


def test_the_health_check_asks_directly_whatever_proxy_is_set() -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else 404)
            self.end_headers()

    (check,) = steps("HEALTHCHECK")
    with ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        words = image.words_of(check.partition(" CMD ")[2].replace("7860", str(server.server_address[1])))
        try:
            environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
            subprocess.run([sys.executable, *words[1:]], env=environment, check=True, timeout=30)
        finally:
            server.shutdown()


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/plans.Dockerfile"])
def test_hadolint_finds_nothing(name: str) -> None:
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert hadolint, "install the extra dev"
    done = subprocess.run([hadolint, str(Path(ROOT, name))], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_finds_mistakes(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp && sudo true\n")
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert hadolint
    done = subprocess.run([hadolint, str(tmp_path / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 1 and {"DL3006", "DL3004"} <= set(re.findall(r"DL\d+", done.stdout))
