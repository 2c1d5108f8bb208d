"""`matting serve` says what is wrong with its arguments and ends with 2."""

from __future__ import annotations

import os
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from matting_bench.server_process import free_ports
from matting_client.repository import REPOSITORY_VARIABLE
from matting_server.errors import ServeError
from matting_server.main import main, parser
from matting_server.programs import gateway_addresses, is_answering, page_program
from matting_server.ready_file import remove_stale
from matting_server.settings import Settings
from matting_server.signals import StopSignals
from matting_server.supervisor import Supervisor
from matting_server.tritonserver import Runtime
from matting_server.workspace import Workspace, create_workspace


def test_defaults_stay_on_this_machine() -> None:
    options = parser().parse_args([])
    assert (options.host, options.page_host) == ("127.0.0.1", "127.0.0.1")
    assert (options.http_port, options.grpc_port, options.metrics_port, options.page_port) == (8000, 8001, 8002, 7860)
    assert options.model_repository is None
    assert Settings().model_repository.resolve() == Path(__file__).resolve().parents[3] / "model_repository"
    assert not (options.page or options.triton_http or options.triton_metrics)


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["--http-port", "0"], "got 0, expected a port from 1 to 65535"),
        (["--http-port", "65536"], "got 65536, expected a port"),
        (["--threads", "-1"], "expected"),
        (["--threads", "two"], "got 'two', expected a whole number"),
        (["--allowed-hosts", "https://photos.example.com/x"], "got 'https://photos.example.com/x', expected a host"),
    ],
)
def test_wrong_usage(argv: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert what in capsys.readouterr().err


def test_hosts_are_checked_wherever_they_come_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = parser().parse_args(["--allowed-hosts", "Photos.example, *.lan"])
    assert given.allowed_hosts == ("photos.example", "*.lan")
    monkeypatch.setenv("MATTING_API_ALLOWED_HOSTS", "a/b")
    with pytest.raises(SystemExit):
        main([])
    assert "got 'a/b' in $MATTING_API_ALLOWED_HOSTS, expected a host" in capsys.readouterr().err


def test_same_port_twice_ends_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # away from what killed servers left on this machine
    assert main(["--triton-http", "--http-port", "9000", "--grpc-port", "9000"]) == 2
    error = capsys.readouterr().err
    assert error == "matting serve: --http-port: got 9000, the same as --grpc-port; give each its own port\n"


def test_a_model_that_is_not_there_ends_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    grpc, page = map(str, free_ports(2))
    assert main(["--page", "--page-port", page, "--grpc-port", grpc, "--model", "matting_2048"]) == 2
    error = capsys.readouterr().err
    assert "--model: got 'matting_2048', expected one of those in" in error
    assert error.rstrip().endswith(": matting_1024, matting_512")


@pytest.mark.parametrize(
    ("hard", "said"),
    [(64, "open files: got 64, expected 256 or more; raise the hard limit"), (4096, "--ready-file: got")],
)
def test_open_files_are_raised_where_the_system_lets_them(
    hard: int, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [(64, hard)]
    monkeypatch.setattr("resource.getrlimit", lambda _: limits[-1])
    monkeypatch.setattr("resource.setrlimit", lambda _, wanted: limits.append(wanted))
    assert main(["--ready-file", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"matting serve: {said}") and limits[-1] == (hard, hard)


def test_the_page_asks_the_model_that_was_chosen(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "", "", 0)
    sockets = {"--page-port": socket.socket()}
    for given, expected in ((Settings(page=True), "matting_512"), (Settings(model="matting_1024"), "matting_1024")):
        program = page_program(given, workspace, sockets)
        command = program.command
        assert Path(program.env[REPOSITORY_VARIABLE]).samefile(given.model_repository)
        assert command[command.index("--model") + 1] == expected
        assert program.usage_code == 2
        workspace.page.rmdir()
    sockets["--page-port"].close()


@pytest.mark.parametrize(("host", "local"), [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]")])
def test_the_page_is_asked_where_it_listens(host: str, local: str) -> None:
    assert Settings(page_host=host).local_page_host == Settings(host=host).local_host == local


def test_addresses_are_announced_as_they_are_typed() -> None:
    settings = Settings(host="::1", triton_http=True, triton_metrics=True)
    assert gateway_addresses(settings) == "KServe http://[::1]:8000, metrics http://[::1]:8002/metrics"


@pytest.mark.parametrize("place", ["missing/ready", "folder"])
def test_a_ready_file_that_cannot_be_written_ends_before_anything_starts(
    place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["--ready-file", str(tmp_path / place)]) == 2
    assert re.match(r"matting serve: --ready-file: got .*, expected a file", capsys.readouterr().err)


def test_the_ready_file_of_a_killed_server_is_removed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    remove_stale(ready)
    ready.write_text("ready\n")
    remove_stale(ready)
    assert not ready.exists()
    os.mkfifo(ready)
    runtime = Runtime(tmp_path, tmp_path, tmp_path)
    workspace = create_workspace(tmp_path)
    with StopSignals() as signals, pytest.raises(ServeError):
        Supervisor(Settings(ready_file=ready), runtime, workspace, [], {}).run(signals)
    workspace.close()
    assert ready.is_fifo()  # nor is a device removed, such as /dev/null


def test_the_log_is_as_the_environment_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("matting_server.main.configure_log", lambda component, log_format: asked.append(log_format))
    for given in ([], ["--log-format", "json"]):
        assert main([*given, "--ready-file", str(tmp_path)]) == 2
    assert asked == [None, "json"]  # without a choice $MATTING_LOG_FORMAT has it


def test_half_an_answer_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(is_answering, f"http://127.0.0.1:{server.getsockname()[1]}")
        with server.accept()[0] as connection:
            connection.send(b"HTT")
        assert not asked.result()


def test_the_page_is_asked_directly_whatever_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        assert is_answering(f"http://127.0.0.1:{server.server_address[1]}/")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
