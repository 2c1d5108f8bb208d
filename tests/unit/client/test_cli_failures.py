"""Wrong usage, missing servers and interruptions of `matting`: one line, the right exit code, nothing half-written."""

from __future__ import annotations

import importlib.metadata
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matting_bench.server_process import free_ports
from matting_client.cli import cutout, main
from matting_client.cli.parser import run_alone
from matting_client.errors import OptionError
from matting_client.imaging.decode import decode

from tests.unit.client.conftest import LOCAL, RunCommand
from tests.unit.client.pictures import astronaut, file_of


def one_line(stderr: bytes) -> str:
    text = stderr.decode()
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    return text[:-1]


def test_a_files_name_neither_ends_nor_colours_a_line(matting: RunCommand, tmp_path: Path) -> None:
    name = "two\nlines \x1b[31m.jpg"
    (tmp_path / name).write_bytes(b"")
    commands = (
        ("cutout", name, *LOCAL),
        ("cutout", "--wait", name),
        ("idphoto", name, *LOCAL),
        ("scene", name, "--behind", name, *LOCAL),
        ("improve", name, "--samples", "box"),
    )
    for command in commands:
        said = matting(*command).stderr
        assert one_line(said).startswith(f"matting {command[0]}: ")
        assert b"\x1b" not in said and rb"two\nlines \x1b[31m" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "bmp"], "format: got 'bmp', expected png, jpeg or webp"),
        (["--quality", "0"], "--quality: got 0, expected 1 to 100"),
        (["--quality", "9_0"], "argument --quality: invalid int value: '9_0'"),
        (["--alpha-threshold", "51"], "--alpha-threshold: got 51, expected 0 to 50"),
        (["--erode", "6"], "erode: got 6.0, expected -5 to 5"),
        (["--erode", "nan"], "erode: got nan"),
        (["--background", "greenish"], "background: got 'greenish'"),
        (["--background", "none.jpg"], "background: got 'none.jpg'"),
        (["--preset", "passport"], "preset: got 'passport', expected one of id-photo"),
        (["--alpha-only", "--format", "jpeg"], "expected png for an alpha"),
        (["--alpha-only", "-o", "a.jpg"], "expected png for an alpha"),
        (["--crop-margin", "5%"], "--crop-margin 5%: got no --crop beside it"),
        (["--crop", "--crop-margin", "5%", "--canvas", "90x90"], "--crop-margin 5%: got a canvas beside it"),
        (["-o", ""], "argument -o/--output: got an empty name"),
        (["-o", "a.bmp"], "-o a.bmp: got the suffix .bmp"),
        (["-o", "a.png", "--format", "webp"], "--format webp: got -o a.png"),
        (["--jobs", "0"], "--jobs: got 0, expected 1 or more"),
        (["--review-above", "nan"], "--review-above: got nan, expected a number such as 0.08"),
        (["--wait", "-1"], "--wait: got -1.0, expected 0 or more seconds"),
        (["--wait", "nan"], "--wait: got nan, expected 0 or more seconds"),
        (["--engine", "gpu"], "engine: got 'gpu', expected triton or local"),
        (["--url", "https://x:1"], "url: got 'https://x:1'"),
        (["--engine", "local", "--model", "../x"], "model: got '../x', expected a name"),
        (["--engine", "local", "--model", "matting_9"], "model.onnx: got no such file"),
        (["--wrong"], "unrecognized arguments: --wrong"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage(matting: RunCommand, photo: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = matting("cutout", photo, *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    line = one_line(done.stderr)
    assert line.startswith("matting cutout: ")
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize(
    "arguments", [[], ["paint"], ["--nothing"], ["cutout"], ["migrate", ""], ["serve", "--no"], ["ui", "--no"]], ids=str
)
def test_wrong_commands(matting_process: RunCommand, arguments: list[str]) -> None:
    done = matting_process(*arguments)
    assert done.returncode == 2
    assert one_line(done.stderr).startswith("matting")


@pytest.mark.parametrize(
    "arguments",
    [
        ["cutout", "PATH"],
        ["idphoto", "PATH"],
        ["video", "PATH", "-o", "clip.webm"],
        ["watch", "PATH", "-o", "out"],
        ["migrate", "PATH"],
        ["bench", "--peer", "PATH"],
        ["serve", "--grpc-port", "PORT", "--model-repository", "PATH"],
        ["train", "--data", "PATH"],
        ["clean", "PATH", "cleaned"],
        ["evaluate", "PATH"],
        ["export", "publish", "--photos", "PATH"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_path_that_the_system_refuses_is_named(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = 300 * "x"
    means = {"PATH": path, "PORT": str(*free_ports(1))}  # another program may be at the usual one
    assert main.main([means.get(each, each) for each in arguments]) in (1, 2)
    line = one_line(capsys.readouterr().err.encode())
    assert path in line and "(File name too long)" in line and "Errno" not in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["127.0.0.1:1", "http://127.0.0.1:1"])
def test_no_server_says_what_to_do(matting: RunCommand, photo: Path, tmp_path: Path, url: str) -> None:
    done = matting("cutout", photo, "--url", url)
    assert done.returncode == 2
    line = one_line(done.stderr)
    for part in ("matting cutout: 127.0.0.1:1: ", "matting serve", "./run.sh", "--engine local"):
        assert part in line
    assert not (tmp_path / "outputs").exists()


def test_no_server_to_watch_with_says_the_same(matting: RunCommand, photo: Path) -> None:
    done = matting("watch", photo.parent, "-o", "out", "--url", "127.0.0.1:1")
    assert done.returncode == 2
    assert one_line(done.stderr).endswith(", or use --engine local")


@pytest.mark.parametrize("kind", ["missing", "garbage", "empty", "folder in the way"])
def test_one_photo_that_fails(matting: RunCommand, photo: Path, tmp_path: Path, kind: str) -> None:
    out = "out.png"
    if kind == "missing":
        photo.unlink()
    elif kind == "folder in the way":
        (tmp_path / "file").write_bytes(b"")
        out = "file/out.png"
    else:
        photo.write_bytes(b"" if kind == "empty" else b"garbage")
    done = matting("cutout", "photo.jpg", "-o", out, *LOCAL)
    assert done.returncode == 1
    assert one_line(done.stderr).startswith("matting cutout: photo.jpg: ")
    assert not (tmp_path / "out.png").exists()


def test_a_photo_is_never_replaced(matting: RunCommand, photo: Path) -> None:
    before = photo.read_bytes()
    done = matting("cutout", photo, "-o", photo, *LOCAL)
    assert done.returncode == 1
    assert "would replace the photo" in one_line(done.stderr)
    assert photo.read_bytes() == before


def test_standard_input_that_is_no_picture(matting: RunCommand) -> None:
    for data in (b"", b"garbage"):
        done = matting("cutout", "-", *LOCAL, input=data)
        assert (done.returncode, done.stdout) == (1, b"")
        assert one_line(done.stderr).startswith("matting cutout: standard input: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption(environment: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "000.jpg").write_bytes(file_of(astronaut(1200, 1600), "JPEG"))
    for index in range(1, 300):  # more than are done before the signal, also where this test has to wait for its turn
        (folder / f"{index:03}.jpg").hardlink_to(folder / "000.jpg")
    program = [sys.executable, "-m", "matting_client.cli.main"]
    command = [*program, "cutout", folder, "-o", out, "--jobs", "2", *LOCAL]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (out.exists() and any(path.suffix == ".png" for path in out.iterdir())):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == b""
    assert one_line(stderr) == "matting cutout: interrupted"
    written = sorted(path.name for path in out.iterdir())
    assert 0 < len(written) < 300
    assert all(name.endswith(".png") for name in written)  # no .part
    for name in written:
        assert decode((out / name).read_bytes()).shape == (1200, 1600, 3)


STRIKE = """
import signal, sys

class Strike:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Strike())
from matting_client.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("module", ["importlib.metadata", "numpy", "PIL"])
def test_an_interruption_of_the_imports_is_quiet(module: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", STRIKE, module, "cutout", "none.jpg", *LOCAL]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"matting: interrupted\n")


def test_a_program_beside_matting_is_interrupted_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="130"):
        run_alone(lambda: signal.raise_signal(signal.SIGINT) or 0)
    assert capsys.readouterr().err == "interrupted\n"


def test_in_process_the_handlers_are_put_back(local: Path, photo: Path, tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    assert cutout.main([str(photo), "-o", str(tmp_path / "o.png"), *LOCAL]) == 0
    with pytest.raises(OptionError):
        cutout.main([str(photo), "--erode", "9"])
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.parametrize("arguments", [["--help"], ["cutout", "--help"]])
def test_help_has_examples(matting: RunCommand, arguments: list[str]) -> None:
    done = matting(*arguments)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "examples:" in text
    assert "matting cutout photo.jpg -o cutout.png" in text
    if "cutout" in arguments:
        for option in ("--preset", "--alpha-only", "--engine", "--skip-existing", "exit code: 0", "130"):
            assert option in text


def test_version(matting: RunCommand) -> None:
    done = matting("--version")
    assert done.stdout.decode().strip() == f"matting {importlib.metadata.version('matting-client')}"


@pytest.mark.parametrize("name", ["serve", "ui"])
def test_commands_of_the_application_are_named_where_it_is_missing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "_plugins", dict)
    with pytest.raises(SystemExit) as ended:
        main.main([name])
    assert ended.value.code == 2
    assert "comes with the application" in capsys.readouterr().err
