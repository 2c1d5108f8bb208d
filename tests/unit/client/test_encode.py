"""Results are encoded without surprises, and a file is whole or absent."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_client.errors import OutputError
from matting_client.imaging.encode import encode, write
from PIL import Image

from tests.unit.client.pictures import U8, astronaut, hair

RGB = astronaut(60, 90)
RGBA = np.dstack([RGB, hair(90, 30)[:60]])
GREY = hair(90, 30)[:60]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("picture", "mode"), [(RGB, "RGB"), (RGBA, "RGBA"), (GREY, "L")], ids=["RGB", "RGBA", "L"])
def test_png_is_lossless(picture: U8, mode: str) -> None:
    with opened(encode(picture, "png")) as image:
        assert (image.format, image.mode) == ("PNG", mode)
        assert np.array_equal(np.array(image), picture)


@pytest.mark.parametrize("picture", [RGB, RGBA, GREY, RGB[:1], RGB[:, :1], RGBA[::2, ::3]])
def test_png_is_read_by_another_decoder_too(picture: U8) -> None:
    """OpenCV reads through libpng, which checks every sum; Pillow has a reader of its own."""
    decoded = cv2.imdecode(np.frombuffer(encode(picture, "png"), np.uint8), cv2.IMREAD_UNCHANGED)
    order = {2: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[picture.ndim if picture.ndim == 2 else picture.shape[2]]
    assert np.array_equal(decoded.reshape(*picture.shape[:2], -1)[..., order], picture.reshape(*picture.shape[:2], -1))


@pytest.mark.parametrize("shape", [(1, 1_000_001), (1_000_001, 1)])
def test_png_that_few_programs_could_read_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(OutputError, match="make it smaller"):
        encode(np.zeros(shape, np.uint8), "png")


@pytest.mark.parametrize(("picture", "mode"), [(RGB, "RGB"), (RGBA, "RGBA")], ids=["RGB", "RGBA"])
def test_webp(picture: U8, mode: str) -> None:
    with opened(encode(picture, "webp", 100)) as image:
        assert (image.format, image.mode) == ("WEBP", mode)
        shown = picture.copy()
        if mode == "RGBA":  # what nobody sees may change
            shown[picture[..., 3] == 0] = 0
        decoded = np.array(image)
        if mode == "RGBA":
            assert np.array_equal(decoded[..., 3], picture[..., 3])
            decoded[picture[..., 3] == 0] = 0
        assert np.array_equal(decoded, shown)
    with opened(encode(picture, "webp", 80)) as image:
        assert np.abs(np.array(image.convert("RGB")).astype(int) - picture[..., :3])[GREY == 255].mean() < 8


def test_quality_of_jpeg() -> None:
    sizes = [len(encode(RGB, "jpeg", quality)) for quality in (1, 50, 92, 100)]
    assert sizes == sorted(sizes)
    with opened(encode(RGB, "jpeg", 95)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert np.abs(np.array(image).astype(int) - RGB).mean() < 3


def test_what_a_format_cannot_hold() -> None:
    with pytest.raises(OutputError, match=r"cannot be stored as jpeg .* use png"):
        encode(RGBA, "jpeg")
    with pytest.raises(OutputError, match="cannot be stored as webp"):
        encode(np.zeros((1, 20_000, 3), np.uint8), "webp")


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "out.png"
    write(target, b"first")
    write(target, b"second")
    assert target.read_bytes() == b"second"
    assert names(target.parent) == ["out.png"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 251 + ".png")
    write(target, b"data")
    assert target.read_bytes() == b"data"


def test_rights_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "out.png", b"data")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o640


def test_many_threads_leave_the_umask_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: write(tmp_path / f"{number}.png", b"data"), range(300)))
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


def test_readers_see_one_version_or_the_other(tmp_path: Path) -> None:
    target, done = tmp_path / "out.png", threading.Event()
    versions = [bytes([number]) * 100_000 for number in range(2)]
    write(target, versions[0])

    def keep_writing() -> None:
        for number in range(200):
            write(target, versions[number % 2])
        done.set()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(keep_writing)
        while not done.is_set() and not future.done():
            assert target.read_bytes() in versions
        future.result()


def test_pipes_devices_and_open_files_are_written_into(tmp_path: Path) -> None:
    """Root could replace /dev/null, and who reads a pipe would wait for ever."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(subprocess.check_output, ["cat", pipe], timeout=20)
        write(pipe, b"data")
        assert pipe.is_fifo() and read.result() == b"data"
    with (tmp_path / "out.png").open("wb") as file:
        write(Path(f"/proc/self/fd/{file.fileno()}"), b"data")
    assert (tmp_path / "out.png").read_bytes() == b"data"


@pytest.mark.parametrize("kind", ["folder", "file in the way", "device"])
def test_places_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        target = tmp_path / "out.png"
        target.mkdir()
    elif kind == "file in the way":
        (tmp_path / "file").write_bytes(b"x")
        target = tmp_path / "file" / "out.png"
    else:
        target = Path("/proc/out.png")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write(target, b"data")
    assert str(caught.value).startswith(f"{target}: ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["", ".", "a\0.png"])
def test_paths_that_name_no_file(name: str) -> None:
    with pytest.raises(OutputError, match="expected the name of a file"):
        write(Path(name), b"data")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """The kernel stops the write in the middle: by a limit on the size of files, as a full disk does."""
    target = tmp_path / "out.png"
    write(target, b"old")
    script = (
        "import resource, signal, sys; from pathlib import Path; from matting_client.imaging.encode import write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "from matting_client.errors import OutputError\n"
        "try: write(Path(sys.argv[1]), bytes(1_000_000))\n"
        "except OutputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        f"{target}: cannot be written (File too large); free space or choose another folder"
    ]
    assert done.stderr == ""
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.png"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_really_full_disk(small_disk: Path) -> None:
    target = small_disk / "out.png"
    with pytest.raises(OutputError, match=r"out\.png: cannot be written \(No space left on device\)"):
        write(target, bytes(1_000_000))
    assert names(small_disk) == []
    write(target, bytes(100_000))
    assert target.stat().st_size == 100_000
