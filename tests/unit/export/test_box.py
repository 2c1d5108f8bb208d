from __future__ import annotations

import io
import resource
import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_export.box import HELD_OUT, LEARN, LEAST, check_not_held_out, split_box
from matting_training.data.pairs import DataError, Pair, find_pairs, read_alpha, read_rgb
from numpy.typing import NDArray
from PIL import Image
from skimage import data

PHOTO = cv2.resize(data.astronaut(), (64, 96), interpolation=cv2.INTER_AREA)
ALPHA = cv2.circle(np.zeros((96, 64), np.uint8), (32, 40), 20, 255, -1, cv2.LINE_AA)


def png(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "png")
    return stream.getvalue()


def make_box(folder: Path, count: int = LEAST, correction: bytes | None = None) -> Path:
    """As the API leaves it, with a correction beside each photo."""
    for index in range(count):
        sample = folder / f"{index:032x}"
        sample.mkdir(parents=True)
        (sample / "photo").write_bytes(png(np.roll(PHOTO, index, 1)))
        (sample / "sample.json").write_text("{}")
        (sample / "correction.png").write_bytes(png(ALPHA) if correction is None else correction)
    return folder


def test_every_fourth_sample_is_held_out_and_none_is_in_both(tmp_path: Path) -> None:
    split_box(make_box(tmp_path / "box", 9), tmp_path / "out")
    learn, held_out = (find_pairs(tmp_path / "out" / name) for name in (LEARN, HELD_OUT))
    assert (len(learn), len(held_out)) == (7, 2)
    assert not {pair.stem for pair in learn} & {pair.stem for pair in held_out}
    assert np.array_equal(read_alpha(learn[0].alpha), ALPHA) and np.array_equal(read_rgb(learn[0].image), PHOTO)


def test_a_cutout_is_a_correction_and_a_photo_may_lie_on_its_side(tmp_path: Path) -> None:
    box = make_box(tmp_path / "box", correction=png(np.dstack([PHOTO, ALPHA])))
    sample = box / f"{0:032x}"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(PHOTO)))
    (sample / "photo").unlink()
    stored.save(sample / "photo.jpg", exif=exif, quality=95)
    split_box(box, tmp_path / "out")
    pair = find_pairs(tmp_path / "out" / LEARN)[0]
    assert np.array_equal(read_alpha(pair.alpha), ALPHA)
    assert np.abs(read_rgb(pair.image).astype(int) - PHOTO).mean() < 4


def test_a_set_in_the_plain_layout_is_a_box(tmp_path: Path) -> None:
    for folder, picture in (("images", PHOTO), ("alpha", ALPHA)):
        (tmp_path / "box" / folder).mkdir(parents=True)
        for index in range(LEAST):
            (tmp_path / "box" / folder / f"{index}.png").write_bytes(png(np.roll(picture, index, 1)))
    split_box(tmp_path / "box", tmp_path / "out")
    assert len(find_pairs(tmp_path / "out" / HELD_OUT)) == 2


def test_what_was_begun_goes_on_with_its_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = make_box(tmp_path / "box")
    split_box(box, tmp_path / "out")
    before = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    make_box(tmp_path / "more", LEAST + 4)
    split_box(tmp_path / "more", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == before
    assert "--run" in capsys.readouterr().out


def test_photos_without_a_correction_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = make_box(tmp_path / "box", LEAST + 1)
    (box / f"{0:032x}" / "correction.png").unlink()
    split_box(box, tmp_path / "out")
    assert f"1 photos have no correction and are left out: {0:032x}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("correction", "says"),
    [
        (b"no picture", "correction.png"),
        (png(PHOTO[..., 0])[:-200], "correction.png: the file is incomplete"),
        (png(PHOTO), "opaque picture in colour"),
        (png(ALPHA[:90]), "got 64x90, expected the photo's 64x96"),
        (png(np.full_like(ALPHA, 255)), "without any background"),
    ],
)
def test_odd_corrections_are_named_before_anything_is_written(tmp_path: Path, correction: bytes, says: str) -> None:
    box = make_box(tmp_path / "box")
    (box / f"{3:032x}" / "correction.png").write_bytes(correction)
    with pytest.raises(DataError, match=f"{3:032x}.*") as caught:
        split_box(box, tmp_path / "out")
    assert says in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


def test_boxes_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got no folder"):
        split_box(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"got 0 corrected photos, expected at least {LEAST}"):
        split_box(tmp_path / "empty", tmp_path / "out")
    box = make_box(tmp_path / "box")
    (box / "notes").mkdir()
    with pytest.raises(DataError, match="notes: got no photo"):
        split_box(box, tmp_path / "out")
    (box / f"{0:032x}" / "photo.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"(?s)photo, photo\.jpg, expected one photo.*notes: got no photo"):
        split_box(box, tmp_path / "out")


def test_a_photo_that_came_twice_is_not_learnt_and_measured(tmp_path: Path) -> None:
    box = make_box(tmp_path / "box", LEAST + 2)
    for index in (4, 8):  # the fourth once more, and the sixth
        (box / f"{index:032x}" / "photo").write_bytes((box / f"{3 if index == 4 else 5:032x}" / "photo").read_bytes())
    split_box(box, tmp_path / "out")
    learn, held_out = (
        {read_rgb(pair.image).tobytes() for pair in find_pairs(tmp_path / "out" / name)} for name in (LEARN, HELD_OUT)
    )
    assert held_out and not learn & held_out


def test_too_few_different_photos_are_refused(tmp_path: Path) -> None:
    box = make_box(tmp_path / "box")
    shutil.copyfile(box / f"{0:032x}" / "photo", box / f"{1:032x}" / "photo")
    with pytest.raises(DataError, match="got 7 different photos"):
        split_box(box, tmp_path / "out")


def test_a_mask_of_0_and_1_is_no_correction(tmp_path: Path) -> None:
    box = make_box(tmp_path / "box", correction=png(ALPHA // 255))
    with pytest.raises(DataError, match=r"got values of 0\.\.1"):
        split_box(box, tmp_path / "out")


def test_a_full_disk_leaves_no_sets(tmp_path: Path) -> None:
    box = make_box(tmp_path / "box")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, old[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            split_box(box, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey, as editors embed it: "dot gain 20 %" is one."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061)
    said = b"desc" + struct.pack(">II", 0, 5) + b"grey\0" + bytes(79)
    tags, body = b"", b""
    for name, content in ((b"desc", said), (b"wtpt", white), (b"kTRC", curve)):
        tags += name + struct.pack(">II", 128 + 4 + 36 + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    whole = tags + body
    head = struct.pack(">I4sI4s4s4s", 128 + 4 + len(whole), bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", 3) + whole


def test_a_colour_profile_changes_no_correction(tmp_path: Path) -> None:
    soft = np.tile(np.arange(64, dtype=np.uint8) * 4, (96, 1))
    stream = io.BytesIO()
    Image.fromarray(soft).save(stream, "png", icc_profile=grey_profile(1.0))
    split_box(make_box(tmp_path / "box", correction=stream.getvalue()), tmp_path / "out")
    assert np.array_equal(read_alpha(find_pairs(tmp_path / "out" / LEARN)[0].alpha), soft)


def test_photos_that_are_measured_on_are_not_learnt_from_elsewhere(tmp_path: Path) -> None:
    box = make_box(tmp_path / "box")
    split_box(box, tmp_path / "out")
    held_out = find_pairs(tmp_path / "out" / HELD_OUT)
    others = []
    for index in range(5):
        shutil.copyfile(box / f"{index:032x}" / "photo", tmp_path / f"{index}.png")
        others.append(Pair(tmp_path / f"{index}.png", tmp_path / "none.png"))
    check_not_held_out(others[:3], held_out)
    with pytest.raises(DataError, match=r"3\.png: got a photo of the box that is held out") as caught:
        check_not_held_out(others, held_out)
    assert "4.png" not in str(caught.value)
