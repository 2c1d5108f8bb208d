"""Clips through the whole client: every kind of file, in time, in order, resumable, with errors of one line."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from matting_client.cli import video
from matting_client.cli.main import main
from matting_client.video import job
from matting_client.video.reader import VideoFile
from matting_client.video.workplace import Workplace
from PIL import Image

from tests.unit.client.video_clips import FRAMES, HEIGHT, WIDTH, picture, read_clip, turned, write_clip

RunCommand = Callable[..., "subprocess.CompletedProcess[bytes]"]
STEPS = (512, 1024, 512)  # ticks: a variable frame rate


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, steps=STEPS)
    return path


@pytest.fixture(autouse=True)
def _here(local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> int:
    return video.main([*map(str, arguments), "--engine", "local"])


@pytest.mark.parametrize("name", ["out.webm", "out.mov"])
def test_a_transparent_clip_keeps_time_and_sound(clip: Path, name: str) -> None:
    name = "人" * 83 + Path(name).suffix  # as long as a name may be
    assert run(clip, "-o", name) == 0
    frames, seconds, heard = read_clip(Path(name))
    _, expected, sound = read_clip(clip)
    assert seconds == pytest.approx(expected, abs=0.0011)  # Matroska counts milliseconds
    assert heard == pytest.approx(sound, abs=0.05)
    for number, frame in enumerate(frames):
        left = 10 + 2 * number
        assert frame[45:55, left + 6 : left + 34, 3].min() > 250
        assert frame[:20, :, 3].max() < 5
    assert sorted(each.name for each in Path().iterdir()) == [name]


@pytest.mark.parametrize("name", ["out.webm", "out.gif"])
def test_a_pipe_is_written_into(clip: Path, name: str) -> None:
    os.mkfifo(name)
    with subprocess.Popen(["cat", name], stdout=subprocess.PIPE) as reader:
        assert run(clip, "-o", name, "--end", "0.1") == 0
        came = reader.communicate(timeout=60)[0]
    assert Path(name).is_fifo()
    assert run(clip, "-o", f"file-{name}", "--end", "0.1") == 0
    assert came == Path(f"file-{name}").read_bytes()


@pytest.mark.parametrize("background", ["#00b140", "picture", "video", "blur"])
def test_backgrounds(clip: Path, background: str) -> None:
    expected = {"#00b140": (0, 177, 64), "picture": (10, 20, 200), "video": (30, 30, 30), "blur": (30, 30, 30)}
    Image.new("RGB", (40, 30), (10, 20, 200)).save("wall.png")
    text = {"picture": "wall.png", "video": str(clip)}.get(background, background)
    assert run(clip, "-o", "out.mp4", "--background", text) == 0
    frames, _, _ = read_clip(Path("out.mp4"))
    assert len(frames) == FRAMES
    assert frames[0][5, 5, :3] == pytest.approx(expected[background], abs=6)


@pytest.mark.parametrize("name", ["out.gif", "out.webp"])
def test_animated_pictures_go_in_and_out(clip: Path, name: str) -> None:
    name = "人" * 83 + Path(name).suffix
    assert run(clip, "-o", name) == 0
    with Image.open(name) as made:
        assert made.n_frames == FRAMES
        assert made.convert("RGBA").getpixel((5, 5))[3] == 0
    assert run(name, "-o", "again.webm") == 0
    frames, seconds, _ = read_clip(Path("again.webm"))
    assert len(frames) == FRAMES
    assert seconds[1] == pytest.approx(0.04, abs=0.011)


def test_numbered_pictures_and_a_folder_of_them(clip: Path) -> None:
    assert run(clip, "-o", "alpha/%03d.png", "--alpha-only") == 0
    names = sorted(each.name for each in Path("alpha").iterdir())
    assert names == [f"{number:03d}.png" for number in range(1, FRAMES + 1)]
    with Image.open("alpha/001.png") as first:
        assert first.mode == "L"
    assert run("alpha", "-o", "out.webm", "--fps", "10") == 0
    assert read_clip(Path("out.webm"))[1] == pytest.approx([number / 10 for number in range(FRAMES)], abs=0.001)


def test_start_and_end_cut_exactly(clip: Path) -> None:
    _, whole, _ = read_clip(clip)
    assert run(clip, "-o", "out.webm", "--start", "0.1", "--end", "0.3") == 0
    _, seconds, heard = read_clip(Path("out.webm"))
    assert seconds == pytest.approx([each - 0.1 for each in whole if 0.1 <= each < 0.3], abs=0.0011)
    assert heard == pytest.approx(0.2, abs=0.05)


def test_a_turned_clip_is_upright(clip: Path) -> None:
    Path("turned.mp4").write_bytes(turned(clip.read_bytes()))
    first = next(VideoFile(Path("turned.mp4")).frames()).rgb
    assert first.shape == (WIDTH, HEIGHT, 3)
    assert np.abs(first.astype(int) - np.rot90(picture(0), -1)).mean() < 3


def test_raw_frames_through_pipes(matting: RunCommand) -> None:
    frames = np.stack([picture(number) for number in range(5)])
    command = ("video", "-", "--size", f"{WIDTH}x{HEIGHT}", "-o", "-", "--engine", "local")
    done = matting(*command, input=frames.tobytes())
    assert done.returncode == 0, done.stderr
    made = np.frombuffer(done.stdout, np.uint8).reshape(5, HEIGHT, WIDTH, 4)
    assert made[4, 50, 30, 3] > 250
    broken = matting(*command, input=frames.tobytes()[:-10])
    assert broken.returncode == 1
    assert broken.stderr.count(b"\n") == 1
    assert b"ended within frame 5" in broken.stderr


def interrupted(pictures: Iterator[object], after: int) -> Iterator[object]:
    for number, each in enumerate(pictures):
        if number == after:
            raise KeyboardInterrupt
        yield each


def stopping(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the first job be stopped after six frames, in its second segment; lists the frames that jobs begin at."""
    monkeypatch.setattr(job, "SEGMENT", 4)
    drawn: list[int] = []
    real = job.render

    def stop(*given: object, first: int, **more: object) -> Iterator[object]:
        drawn.append(first)
        made = real(*given, first=first, **more)  # type: ignore[arg-type]
        return interrupted(made, 6) if len(drawn) == 1 else made

    monkeypatch.setattr(job, "render", stop)
    return drawn


def test_a_stopped_job_goes_on_with_the_same_bytes(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = stopping(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(clip, "-o", "again.webm")
    assert not Path("again.webm").exists()
    assert run(clip, "-o", "again.webm") == 0
    assert run(clip, "-o", "whole.webm") == 0
    assert drawn == [0, 4, 0]
    assert Path("again.webm").read_bytes() == Path("whole.webm").read_bytes()


def test_a_job_with_another_picture_behind_begins_anew(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same name: half of the clip would stand before the one, half before the other."""
    drawn = stopping(monkeypatch)
    Image.new("RGB", (9, 9), "black").save("behind.png")
    with pytest.raises(KeyboardInterrupt):
        run(clip, "-o", "out.mp4", "--background", "behind.png")
    Image.new("RGB", (10, 10), "white").save("behind.png")
    assert run(clip, "-o", "out.mp4", "--background", "behind.png") == 0
    assert drawn == [0, 0]


def test_two_commands_do_not_work_on_one_result(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second, of other options, would remove what the first has."""
    with Workplace(Path("out.webm"), {"first": 1}) as first:
        first.segment(0).video.write_bytes(b"x")
        assert run(clip, "-o", "out.webm") == 1
        assert "out.webm: another command is at work on it" in capsys.readouterr().err
        assert first.segment(0).video.read_bytes() == b"x"
    assert run(clip, "-o", "out.webm") == 0
    assert [path.name for path in Path().iterdir()] == ["out.webm"]


def test_a_disk_without_locks_is_written_to(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS, which locks no folders."""

    def no_lock(place: int, how: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", no_lock)
    assert run(clip, "-o", "out.webm") == 0


def test_a_killed_command_goes_on_with_the_same_bytes(environment: dict[str, str], tmp_path: Path) -> None:
    write_clip(tmp_path / "long.mp4", frames=36, sound=None)
    script = (
        "import sys; from matting_client.video import job; from matting_client.cli import video; job.SEGMENT = 6; "
        "sys.exit(video.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "long.mp4", "--engine", "local", "-o"]
    with subprocess.Popen([*command, "killed.mov"], cwd=tmp_path, env=environment) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / ".killed.mov.matting" / "000001.mov").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode in (-signal.SIGKILL, 0)
    digests = set()
    for name in ("killed.mov", "whole.mov"):
        done = subprocess.run([*command, name], cwd=tmp_path, env=environment, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["text.mp4", "-o", "out.webm"], "got no readable video"),
        (["playlist.mp4", "-o", "out.webm"], "got no readable video"),
        (["short.mp4", "-o", "out.webm"], "got no readable video"),
        (["{clip}", "-o", "out.mp4"], "cannot be transparent"),
        (["{clip}", "-o", "out.avi"], "expected .webm"),
        (["{clip}", "-o", "out.webm", "--start", "100"], "--start 100: got a clip of"),
        (["{clip}", "-o", "out.webm", "--fps", "10"], "--fps: got it with"),
        (["dance.gif", "-o", "out.webm", "--end", "1"], "--end: got dance.gif, expected a video file"),
        (["-", "-o", "out.webm", "--size", "0x0"], "--size: got 0x0"),
        (["{clip}", "-o", "out.webm", "--background", "nothing.mp4"], "--background: got"),
        (["nothing.mp4", "-o", "out.webm"], "no such file"),
        (["-", "-o", "out.webm"], "add --size"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    Image.new("RGB", (8, 8)).save(tmp_path / "dance.gif")
    (tmp_path / "short.mp4").write_bytes(clip.read_bytes()[:3000])
    before = sorted(tmp_path.iterdir())
    assert main(["video", *(each.format(clip=clip) for each in arguments), "--engine", "local"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert said in line
    assert sorted(tmp_path.iterdir()) == before
