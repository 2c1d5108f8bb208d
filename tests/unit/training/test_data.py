from __future__ import annotations

import io
import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_training import preview
from matting_training.data.cache import _save, cache_pairs, cache_pictures, check
from matting_training.data.pairs import (
    DataError,
    Pair,
    find_pairs,
    pictures,
    read_alpha,
    read_rgb,
    say_passed_over,
    write_png,
)
from matting_training.data.placing import View, random_background
from matting_training.validation import sheet
from PIL import Image, ImageOps


def test_pairs_are_matched_by_stem(dataset: Path) -> None:
    pairs = find_pairs(dataset / "people")
    assert [(p.image.name, p.alpha.name) for p in pairs] == [("one.png", "one.png"), ("two.png", "two.png")]
    check(pairs)


def test_a_missing_alpha_is_named(dataset: Path) -> None:
    (dataset / "people/alpha/two.png").unlink()
    with pytest.raises(DataError, match=r"no alpha for 1 photos \(two\.png\)"):
        find_pairs(dataset / "people")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        pictures(tmp_path)


def test_unreadable_and_unfitting_pictures_are_all_named(dataset: Path) -> None:
    (dataset / "people/images/one.png").write_bytes(b"not a picture")
    cv2.imwrite(str(dataset / "people/alpha/two.png"), np.zeros((5, 5), np.uint8))
    with pytest.raises(DataError) as error:
        check(find_pairs(dataset / "people"))
    assert "images/one.png" in str(error.value)
    assert "alpha/two.png: got 5x5, expected the photo's 96x96" in str(error.value)


def test_a_photo_that_ends_early_is_named(dataset: Path) -> None:
    photo = dataset / "people/images/one.png"
    whole = cv2.imencode(".jpg", read_rgb(photo))[1].tobytes()
    photo.unlink()
    cut = photo.with_suffix(".jpg")
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    assert read_rgb(cut).shape == (96, 96, 3)  # OpenCV fills it up
    with pytest.raises(DataError, match=r"one\.jpg: got a damaged picture .*; copy it again") as error:
        check(find_pairs(dataset / "people"))
    assert "two" not in str(error.value)


def test_a_files_name_neither_ends_a_line_nor_colours_it(dataset: Path) -> None:
    for name in ("one", "two"):
        (dataset / f"people/images/{name}.png").rename(dataset / f"people/images/\x1b[31m\n{name}.png")
        (dataset / f"people/alpha/{name}.png").rename(dataset / f"people/alpha/\x1b[31m\n{name}.png")
    for pair in find_pairs(dataset / "people"):
        pair.image.write_bytes(b"")
    with pytest.raises(DataError) as error:
        check(find_pairs(dataset / "people"))
    lines = str(pickle.loads(pickle.dumps(error.value))).splitlines()  # also out of another process
    names = [line.partition(":")[0].rpartition("/")[2] for line in lines]
    assert names == [f"\\x1b[31m\\n{name}.png" for name in ("one", "two")]


def test_alpha_may_be_grey_three_equal_channels_rgba_or_16_bit(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    forms = {
        "grey": grey,
        "three": np.repeat(grey[..., None], 3, 2),
        "rgba": np.dstack([np.zeros((16, 16, 3), np.uint8), grey]),
        "deep": grey.astype(np.uint16) * 257,
    }
    for name, form in forms.items():
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), form)
        assert np.array_equal(read_alpha(path), grey), name


def test_what_is_no_alpha_is_refused(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    classes = np.zeros((16, 16, 3), np.uint8)
    classes[4:8, 4:8, 2] = 128
    forms = {"01": grey // 128, "classes": classes, "photo": np.dstack([grey, grey.T, 255 - grey])}
    for name, form in forms.items():
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), form)
        with pytest.raises(DataError, match=f"{name}.png"):
            read_alpha(path)
    opaque = tmp_path / "opaque.png"  # a grey mask that was saved with a full alpha channel
    cv2.imwrite(str(opaque), np.dstack([grey, grey, grey, np.full_like(grey, 255)]))
    assert np.array_equal(read_alpha(opaque), grey)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_photo_and_alpha_stand_upright_in_every_format(tmp_path: Path, suffix: str, orientation: int) -> None:
    picture = np.zeros((32, 48), np.uint8)
    picture[:8, :12] = 255  # at the upper left as it is stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(picture)
    upright = np.array(ImageOps.exif_transpose(_with(stored, exif)))
    path = tmp_path / f"one{suffix}"
    stored.convert("RGB").save(path, quality=100, exif=exif)
    for read in (read_alpha(path), read_rgb(path)[..., 1]):
        assert read.shape == upright.shape
        assert np.abs(read.astype(np.int16) - upright).max() < 16


def _with(picture: Image.Image, exif: Image.Exif) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "PNG", exif=exif)
    return Image.open(stream)


def test_two_files_of_one_stem_are_refused(dataset: Path) -> None:
    (dataset / "people/images/one.jpg").write_bytes((dataset / "people/images/one.png").read_bytes())
    with pytest.raises(DataError, match="several files named one"):
        find_pairs(dataset / "people")


def test_cached_foreground_loses_the_old_background(tmp_path: Path) -> None:
    """A red disc on green with a soft edge: the estimated colours stay red where the photo turns green."""
    size = 96
    y, x = np.mgrid[:size, :size]
    pha = np.clip((30 - np.hypot(y - 48, x - 48)) / 12 + 0.5, 0, 1)[..., None]
    photo = pha * np.array([200, 30, 30]) + (1 - pha) * np.array([30, 200, 30])
    root = tmp_path / "set"
    for folder, picture in {"images": photo[..., ::-1], "alpha": pha[..., 0] * 255}.items():
        (root / folder).mkdir(parents=True)
        cv2.imwrite(str(root / folder / "disc.png"), np.round(picture).astype(np.uint8))
    (path,) = cache_pairs(find_pairs(root), tmp_path / "cache", 64, workers=1)
    stored = np.load(path)
    assert stored.shape == (2, 64, 64, 4) and stored.dtype == np.uint8
    edge = (stored[0, ..., 3] > 60) & (stored[0, ..., 3] < 200)
    assert edge.sum() > 50
    assert stored[0][edge][:, 1].mean() > 80  # the photo's green
    assert stored[1][edge][:, 1].mean() < 50  # not in the foreground


def test_cache_is_reused_until_the_picture_changes(dataset: Path, tmp_path: Path) -> None:
    sources = pictures(dataset / "backgrounds")
    first = cache_pictures(sources, tmp_path / "c", 64)
    stamps = [p.stat().st_mtime_ns for p in first]
    assert [p.stat().st_mtime_ns for p in cache_pictures(sources, tmp_path / "c", 64)] == stamps
    assert max(np.load(first[0]).shape[:2]) == 64
    cv2.imwrite(str(sources[0]), np.zeros((40, 40, 3), np.uint8))
    assert cache_pictures(sources, tmp_path / "c", 64)[0] != first[0]
    assert not list((tmp_path / "c").glob("*.part"))


@pytest.mark.parametrize("name", [b"a\xff.png", b"a" * 240 + b".png"], ids=["no UTF-8", "long"])
def test_any_name_can_be_read_and_cached(dataset: Path, tmp_path: Path, name: bytes) -> None:
    for folder in ("images", "alpha"):
        (dataset / "people" / folder / "one.png").rename(dataset / "people" / folder / os.fsdecode(name))
    pairs = find_pairs(dataset / "people")
    check(pairs)
    assert all(path.is_file() for path in cache_pairs(pairs, tmp_path / "c", 64, 1, quick=True))


def test_hidden_files_are_no_pictures_and_other_files_are_named(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = dataset / "people"
    for name in ("images/._one.png", "alpha/._one.png", "images/.DS_Store", "images/four.tif", "images/five.heic"):
        (root / name).write_bytes(b"no picture")
    check(find_pairs(root))
    say_passed_over(root)
    said = capsys.readouterr().out
    assert "2 files are left out" in said and "five.heic, four.tif" in said


def test_every_kind_that_the_data_allow_is_shown(dataset: Path, tmp_path: Path) -> None:
    argv = ["--data", str(dataset), "--run", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), "--max-side"]
    argv += ["96", "--sets", "people:1:0", "--negatives", "0"]
    shutil.move(dataset / "backgrounds", tmp_path / "backgrounds")
    assert preview.main(argv) == 0
    assert {path.stem for path in (tmp_path / "run" / "preview").iterdir()} == {"single", "turned"}
    shutil.move(tmp_path / "backgrounds", dataset / "backgrounds")
    assert preview.main([*argv, "--negatives", "0.1", "--things", "people"]) == 0
    assert {path.stem for path in (tmp_path / "run" / "preview").iterdir()} == {"single", "turned", "negative"}


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    picture, to = np.zeros((9, 9), np.uint8), tmp_path / "a.png"
    for suffix, write in ((".part", write_png), (f".{os.getpid()}.part", lambda to, array: _save(array, to))):
        to.with_suffix(suffix).symlink_to("/dev/full")
        with pytest.raises(OSError, match=f"No space left on device: '{to}'"):
            write(to, picture)
    assert not list(tmp_path.iterdir())


def test_a_sheet_that_cannot_be_written_is_said(dataset: Path, tmp_path: Path) -> None:
    pairs = find_pairs(dataset / "people")
    with pytest.raises(OSError, match="nowhere"):
        sheet([(pairs[0], read_alpha(pairs[0].alpha))], tmp_path / "nowhere" / "sheet.png")
    for height, width in ((4000, 1), (1, 4000)):
        thin = np.full((height, width), 255, np.uint8)
        write_png(tmp_path / "thin.png", thin)
        sheet([(Pair(tmp_path / "thin.png", tmp_path / "thin.png"), thin)], tmp_path / "sheet.png")
        View(np.eye(2, 3, dtype=np.float32), 64).warp(thin, (0,), 0.1)
        random_background(np.random.default_rng(0), thin, 64)
