"""`matting ui` as a process: how it starts, how it ends, what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from matting_api import tempdir
from matting_api.main import listen, main
from matting_api.middleware import connections
from matting_client.serving import affordable_connections

from tests.unit.api.conftest import pixels
from tests.unit.api.test_gate import KEY
from tests.unit.api.test_removebg import post

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 90.0  # generous: the machine may be busy with something else


@contextmanager
def process(tmp_path: Path, repository: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `matting ui` and its address."""
    env = {**os.environ, "TMPDIR": str(tmp_path), "MATTING_MODEL_REPOSITORY": str(repository)}
    with subprocess.Popen(
        [sys.executable, "-m", "matting_api.main", "--port", "0", *arguments],
        cwd=ROOT,
        env=env,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stderr is not None
            line = running.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line + running.stderr.read()
            yield running, found[0]
        finally:
            running.kill()


def test_calls_with_junk_leave_no_traceback(tmp_path: Path, repository: Path) -> None:
    with process(tmp_path, repository, "--engine", "local", "--mcp") as (running, url):
        with httpx.Client(base_url=url, timeout=START_SECONDS) as client:
            client.post("/gradio_api/mcp/", content=b"x", headers={"Content-Type": "x" * 60_000})
            for data in ([[1]], [{"a": 1}], [[{"meta": {"_type": "gradio.FileData"}}]] * 15, ["x"] * 15):
                began = client.post("/gradio_api/call/batch", json={"data": data})
                assert "error" in client.get(f"/gradio_api/call/batch/{began.json()['event_id']}").text
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert running.stderr is not None and running.stderr.read() == ""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_cuts_out_and_ends_without_a_trace(
    tmp_path: Path, repository: Path, portrait: bytes, end: signal.Signals
) -> None:
    with process(tmp_path, repository, "--engine", "local") as (running, url):
        with httpx.Client(base_url=url, timeout=START_SECONDS) as client:
            assert pixels(post(client, portrait).content).shape == (400, 512, 4)
            assert client.get("/").headers["content-type"].startswith("text/html")
            (private,) = tmp_path.glob(f"{tempdir.PREFIX}*")
            assert private.stat().st_mode & 0o777 == 0o700
        running.send_signal(end)
        assert running.wait(20) == 0
        assert running.stderr is not None and running.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []


def test_the_api_alone(tmp_path: Path, repository: Path, portrait: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATTING_API_KEYS", KEY)
    with process(tmp_path, repository, "--engine", "local", "--no-page") as (running, url):
        with httpx.Client(base_url=url, timeout=START_SECONDS) as client:
            assert post(client, portrait).status_code == 403
            assert post(client, portrait, {"X-Api-Key": KEY}).status_code == 200
            assert client.get("/").status_code == 404
        running.terminate()
        assert running.wait(20) == 0


def test_it_ends_while_it_starts(tmp_path: Path, repository: Path) -> None:
    with process(tmp_path, repository, "--engine", "local") as (running, _):
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert running.stderr is not None and running.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []


def test_it_ends_while_a_stream_is_open(tmp_path: Path, repository: Path) -> None:
    """As with a page open in a browser."""
    with process(tmp_path, repository, "--engine", "local") as (running, url):
        with (
            suppress(httpx.RemoteProtocolError),
            httpx.Client(base_url=url, timeout=START_SECONDS) as client,
            client.stream("GET", "/gradio_api/heartbeat/abc") as stream,
        ):
            assert "ALIVE" in next(stream.iter_text())
            running.send_signal(signal.SIGTERM)
            start = time.monotonic()
            assert running.wait(20) == 0
            assert time.monotonic() - start < 10
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()


def test_gradio_shows_only_what_the_page_needs(tmp_path: Path, repository: Path) -> None:
    with (
        process(tmp_path, repository, "--engine", "local", "--max-clip-mb", "64") as (_, url),
        httpx.Client(base_url=url, timeout=START_SECONDS) as client,
    ):
        closed = ("monitoring", "login_check", "run-history/buckets", "vibe-code", "dev/reload", "proxy=http://x/")
        for path in (*closed, "file=/etc/passwd", "file=http://127.0.0.1:1/", f"file={tmp_path}/../x"):
            response = client.get(f"/gradio_api/{path}")
            assert (response.status_code, response.json()["errors"][0]["code"]) == (404, "not_found"), path
        page = client.get("/")
        assert "access-control-allow-origin" not in page.headers
        assert client.get("/", headers={"Origin": "https://example.com"}).status_code == 403
        assert "default-src 'self'" in page.headers["content-security-policy"]
        (private,) = tmp_path.glob(f"{tempdir.PREFIX}*")
        assert client.get(f"/gradio_api/file={private}/../secret").status_code in (403, 404)
        assert client.post("/gradio_api/upload", files={"files": ("a.png", bytes(70 * 2**20))}).status_code == 413
        refused = _run_with_address(client)
        assert "process_completed" in refused and '"success":false' in refused.replace(" ", "")


def _run_with_address(client: httpx.Client) -> str:
    """What comes of a web address in place of an uploaded file."""
    address = {"path": "http://127.0.0.1:1/a.png", "meta": {"_type": "gradio.FileData"}}
    config = client.get("/config").json()
    values = {each["id"]: each["props"].get("value") for each in config["components"]}
    function = next(each for each in config["dependencies"] if each["api_name"] == "cutout")
    data = [address, *(values[each] for each in function["inputs"][1:])]
    body = {"data": data, "fn_index": function["id"], "session_hash": "abc"}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    return client.get("/gradio_api/queue/data?session_hash=abc").text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--engine", "magic"], "--engine"),
        (["--url", "nowhere"], "url"),
        (["--max-pixels", "0"], "--max-pixels"),
        (["--max-upload-mb", "-1"], "--max-upload-mb"),
        (["--port", "70000"], "--port"),
        (
            ["--host", "203.0.113.1"],
            "--host 203.0.113.1: no address of this machine (Cannot assign requested address);",
        ),
        (["--host", "a..b"], "--host a..b: no address of this machine (no name of a host)"),
        (["--url-ports", "1" * 5000], "ports such as 80,443"),
    ],
)
def test_wrong_usage(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert named in said and said.count("\n") == 1


def test_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert f"--port {port}" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "curl" in said and "--max-pixels" in said


def test_folders_of_killed_processes_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempdir.tempfile, "gettempdir", lambda: str(tmp_path))
    old, new = tmp_path / f"{tempdir.PREFIX}old", tmp_path / f"{tempdir.PREFIX}new"
    old.mkdir()
    new.mkdir()
    os.utime(old, (0, 0))
    with tempdir.private_folder() as mine:
        os.utime(mine, (0, 0))
        assert not old.exists() and new.exists()
        with tempdir.private_folder() as second:
            assert mine.is_dir() and second.is_dir()  # its process lives
    assert list(tmp_path.iterdir()) == [new]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_all_addresses_are_those_of_both_protocols() -> None:
    with listen("::", 0) as listener:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, listener.getsockname()[1]), timeout=5).close()


def test_no_answer_waits_for_the_caller_to_have_its_first_part() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(("allowed", "most"), [(10**6, 1024), (1000, 234), (96, 8)])
def test_connections_are_those_that_the_open_files_allow(
    allowed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matting_client.serving.raise_file_limit", lambda: allowed)
    assert affordable_connections(connections.MOST_CONNECTIONS, connections.FILES_EACH) == most


def test_too_few_open_files_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # what ends pytest stays as it is
    monkeypatch.setattr("matting_client.serving.raise_file_limit", lambda: 64)
    assert main(["--engine", "local", "--no-page", "--port", "0"]) == 2
    assert "matting ui: open files: got 64, expected 96 or more; raise the hard limit" in capsys.readouterr().err
