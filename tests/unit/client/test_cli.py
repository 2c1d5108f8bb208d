"""`matting cutout` with a real model and without a server."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matting_client import Options, connect, presets
from PIL import Image

from tests.unit.client.conftest import LOCAL, RunCommand
from tests.unit.client.pictures import U8, file_of


def opened(source: Path | bytes) -> tuple[str | None, str, U8]:
    """Format, mode and pixels of a picture."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        return image.format, image.mode, np.array(image)


def test_one_photo_is_what_the_client_gives(
    matting_process: RunCommand, photo: Path, tmp_path: Path, local: Path
) -> None:
    done = matting_process("cutout", photo, "-o", "out.png", *LOCAL)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    with connect("local") as client:
        assert (tmp_path / "out.png").read_bytes() == client.cutout(photo).to_bytes()
    format, mode, pixels = opened(tmp_path / "out.png")
    assert (format, mode, pixels.shape) == ("PNG", "RGBA", (150, 200, 4))


def test_the_default_folder(matting: RunCommand, photo: Path, tmp_path: Path) -> None:
    assert matting("cutout", photo, *LOCAL).returncode == 0
    assert opened(tmp_path / "outputs" / "photo.png")[1] == "RGBA"


@pytest.mark.parametrize(
    ("out", "arguments", "format", "mode"),
    [
        ("o.png", [], "PNG", "RGBA"),
        ("o.webp", [], "WEBP", "RGBA"),
        ("o.jpg", [], "JPEG", "RGB"),
        ("o.png", ["--background", "#102030"], "PNG", "RGB"),
        ("o.webp", ["--background", "white", "--quality", "100"], "WEBP", "RGB"),
        ("o.jpg", ["--background", "blur"], "JPEG", "RGB"),
        ("o.png", ["--alpha-only"], "PNG", "L"),
        ("o.JPEG", ["--format", "jpg"], "JPEG", "RGB"),
        ("o.png", ["--scale", "50%", "--position", "0% 100%"], "PNG", "RGBA"),
    ],
)
def test_formats(
    matting: RunCommand, photo: Path, tmp_path: Path, out: str, arguments: list[str], format: str, mode: str
) -> None:
    done = matting("cutout", photo, "-o", out, *arguments, *LOCAL)
    assert (done.returncode, done.stderr) == (0, b"")
    found_format, found_mode, pixels = opened(tmp_path / out)
    assert (found_format, found_mode, pixels.shape[:2]) == (format, mode, (150, 200))


def test_alpha_only_is_the_alpha(matting: RunCommand, photo: Path, tmp_path: Path, local: Path) -> None:
    assert matting("cutout", photo, "-o", "alpha.png", "--alpha-only", *LOCAL).returncode == 0
    with connect("local") as client:
        assert np.array_equal(opened(tmp_path / "alpha.png")[2], client.alpha(photo))


def test_standard_input_and_output(matting_process: RunCommand, photo: Path) -> None:
    data = photo.read_bytes()
    results = [
        matting_process("cutout", "-", *LOCAL, input=data),
        matting_process("cutout", "-", "-o", "-", *LOCAL, input=data),
        matting_process("cutout", photo, "-o", "-", *LOCAL),
    ]
    for done in results:
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == results[0].stdout
    assert opened(results[0].stdout)[:2] == ("PNG", "RGBA")
    jpeg = matting_process("cutout", "-", "--format", "jpeg", "--background", "blue", *LOCAL, input=data)
    assert opened(jpeg.stdout)[:2] == ("JPEG", "RGB")


def test_a_picture_as_background(matting: RunCommand, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "wall.png").write_bytes(file_of(np.full((4, 4, 3), (1, 2, 3), np.uint8), "PNG"))
    assert matting("cutout", photo, "-o", "a.png", "--background", "wall.png", *LOCAL).returncode == 0
    assert matting("cutout", photo, "-o", "b.png", "--background", "#010203", *LOCAL).returncode == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", presets())
def test_presets(matting: RunCommand, photo: Path, tmp_path: Path, local: Path, name: str) -> None:
    assert matting("cutout", photo, "--preset", name, *LOCAL).returncode == 0
    options = Options.from_preset(name)
    (out,) = (tmp_path / "outputs").iterdir()
    with connect("local") as client:
        assert out.read_bytes() == client.cutout(photo, options).to_bytes()


def test_the_command_line_wins_over_the_preset(matting: RunCommand, photo: Path, tmp_path: Path, local: Path) -> None:
    arguments = ["--preset", "id-photo", "--background", "#00ff00", "--no-feather", "--erode", "0", "--quality", "80"]
    assert matting("cutout", photo, "-o", "o.jpg", *arguments, *LOCAL).returncode == 0
    options = Options.from_preset("id-photo", background="#00ff00", feather=False, erode=0, quality=80)
    with connect("local") as client:
        assert (tmp_path / "o.jpg").read_bytes() == client.cutout(photo, options).to_bytes()


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["--alpha-threshold", "50"], {"alpha_threshold": 50}),
        (["--erode", "2.5"], {"erode": 2.5}),
        (["--feather"], {"feather": True}),
        (["--no-foreground"], {"foreground": False}),
        (["--no-refine"], {"refine": False}),
    ],
)
def test_every_knob_arrives(
    matting: RunCommand, photo: Path, tmp_path: Path, local: Path, arguments: list[str], changed: dict[str, object]
) -> None:
    assert matting("cutout", photo, "-o", "o.png", *arguments, *LOCAL).returncode == 0
    result = (tmp_path / "o.png").read_bytes()
    with connect("local") as client:
        cutout = client.cutout(photo, Options(**changed))  # type: ignore[arg-type]
        assert result == cutout.to_bytes()
        assert result != client.cutout(photo).to_bytes()


def test_a_folder_with_good_and_bad_files(matting: RunCommand, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "c.webp"):
        (folder / name).write_bytes(photo.read_bytes())
    (folder / "bad.jpg").write_bytes(b"not a picture")
    (folder / "cut.jpg").write_bytes(photo.read_bytes()[:3000])
    (folder / "a.png").write_bytes(photo.read_bytes())  # would have the same result as a.jpg
    (folder / "notes.txt").write_bytes(b"no photo")
    done = matting("cutout", folder, "-o", "out", *LOCAL)
    assert done.returncode == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg.png", "a.png.png", "b.png", "c.png"]
    first, *lines, last = done.stderr.decode().splitlines()
    assert first == f"matting cutout: {folder}: left out 1 file: notes.txt (no picture)"
    assert last == "matting cutout: 4 done, 2 failed"
    for line, name in zip(sorted(lines), ("bad.jpg", "cut.jpg"), strict=True):
        assert line.startswith(f"matting cutout: {folder / name}: ")


def test_skip_existing_goes_on_where_it_ended(matting: RunCommand, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.png").write_bytes(b"done before")
    done = matting("cutout", folder, "-o", "out", "--skip-existing", *LOCAL)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "out" / "1.png").read_bytes() == b"done before"
    assert opened(tmp_path / "out" / "0.png")[1] == "RGBA"
    again = matting(
        "cutout", folder, "-o", "out", "--skip-existing", "--url", "127.0.0.1:1"
    )  # nothing to do, no server
    assert again.returncode == 0
    (folder / "1.png").write_bytes(photo.read_bytes())  # would have the result of 1.jpg, and so was never made
    assert matting("cutout", folder, "-o", "out", "--skip-existing", *LOCAL).returncode == 0
    for name in ("1.png.png", "1.jpg.png"):
        assert opened(tmp_path / "out" / name)[1] == "RGBA"


def test_globs_and_jobs(matting: RunCommand, photo: Path, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"p{number}.jpg").write_bytes(photo.read_bytes())
    results = []
    for jobs in ("1", "4"):
        assert matting("cutout", "p*.jpg", "-o", f"out{jobs}", "--jobs", jobs, *LOCAL).returncode == 0
        results.append([path.read_bytes() for path in sorted((tmp_path / f"out{jobs}").iterdir())])
    assert len(results[0]) == 6  # photo.jpg, too
    assert results[0] == results[1]


def test_crop_region_and_size(matting: RunCommand, photo: Path, tmp_path: Path, local: Path) -> None:
    arguments = ["--crop", "--crop-margin", "10% 5px", "--roi", "25% 0% 75% 100%", "--size", "60px"]
    done = matting("cutout", photo, "-o", "out.png", *arguments, *LOCAL)
    assert (done.returncode, done.stderr) == (0, b"")
    options = Options(crop=True, crop_margin="10% 5px", roi="25% 0% 75% 100%", size="60px")
    with connect("local") as client:
        assert (tmp_path / "out.png").read_bytes() == client.cutout(photo, options).to_bytes()
    assert max(opened(tmp_path / "out.png")[2].shape) == 60
    for wrong in (["--scale", "5%"], ["--crop-margin", "1 2 3"], ["--roi", "1"], ["--position", "left"]):
        done = matting("cutout", photo, "-o", "no.png", *wrong, *LOCAL)
        assert done.returncode == 2 and wrong[0] in done.stderr.decode()


def test_nothing_found_is_said_and_counted_and_doubtful_results_are_listed(matting: RunCommand, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, level in (("clear", 250), ("dark", 20), ("grey", 128)):
        picture = np.full((90, 120, 3), 20, np.uint8)
        picture[20:70, 30:90] = level
        (folder / f"{name}.png").write_bytes(file_of(picture, "PNG"))
    done = matting("cutout", folder, "-o", "out", "--review-above", "0.1", "--passes", "1", *LOCAL)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clear.png", "dark.png", "grey.png"]
    assert sum("dark.png: nothing found" in line for line in lines) == 1
    assert "matting cutout: nothing found in 1 of 3 photos" in lines
    assert "matting cutout: 1 of 3 with an uncertainty above 0.1" in lines
    assert lines[-1].startswith("matting cutout: review ") and lines[-1].endswith("grey.png")
