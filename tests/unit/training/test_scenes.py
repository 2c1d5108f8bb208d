from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_training.config import TrainConfig, parse
from matting_training.data.cache import cache_pairs, cache_pictures
from matting_training.data.pairs import find_pairs, pictures
from matting_training.data.scenes import MAKERS, SCENES, Cast, composite_over, stand_subject, texture, turned
from matting_training.data.stream import MattingStream, Recipe, Source
from matting_training.preview import preview
from numpy.typing import NDArray

Array = NDArray[np.uint8]
SIZE = 96
RED, BLUE = (220, 10, 10), (10, 10, 220)


def disc(colour: tuple[int, int, int]) -> Array:
    """A cut-out that touches no border."""
    y, x = np.mgrid[:SIZE, :SIZE]
    alpha = np.clip((SIZE * 0.35 - np.hypot(y - SIZE / 2, x - SIZE / 2)) * 100 + 128, 0, 255)
    return np.dstack([np.broadcast_to(np.array(colour), (SIZE, SIZE, 3)), alpha]).astype(np.uint8)


def cast(rng: np.random.Generator) -> Cast:
    """People are red, things are blue, backgrounds green."""
    green = np.full((SIZE, SIZE, 3), (10, 220, 10), np.uint8)
    return Cast(
        subject=lambda: disc(RED), person=lambda: disc(RED), people=lambda count: [disc(RED)] * count,
        thing=lambda: disc(BLUE), background=lambda: green.copy(),
    )  # fmt: skip


def shows(picture: Array, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = np.abs(picture[..., :3].astype(int) - np.array(colour)).max(-1) < 40
    return near


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_is_two_layers_with_a_subject(name: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        fgr, bgr = MAKERS[name](rng, cast(rng), SIZE)
        assert fgr.shape == (SIZE, SIZE, 4) and bgr.shape == (SIZE, SIZE, 3)
        assert fgr.dtype == bgr.dtype == np.uint8
        assert (fgr[..., 3] > 127).any()


def test_what_is_held_stays_and_what_stands_behind_does_not() -> None:
    rng = np.random.default_rng(2)
    held = [MAKERS["held"](rng, cast(rng), SIZE) for _ in range(20)]
    kept = [fgr for fgr, _ in held if (shows(fgr, BLUE) & (fgr[..., 3] > 200)).any()]
    assert len(kept) >= 15 and not any(shows(bgr, BLUE).any() for _, bgr in held)
    furnished = [MAKERS["furnished"](rng, cast(rng), SIZE) for _ in range(20)]
    assert not any((shows(fgr, BLUE) & (fgr[..., 3] > 0)).any() for fgr, _ in furnished)
    assert sum(bool(shows(bgr, BLUE).any()) for _, bgr in furnished) >= 10
    crowds = [MAKERS["crowd"](rng, cast(rng), SIZE) for _ in range(20)]
    assert sum(bool(shows(bgr, RED).any()) for _, bgr in crowds) >= 8


def test_a_group_shows_several_and_a_small_one_is_small() -> None:
    rng = np.random.default_rng(3)
    counts = []
    for _ in range(20):
        fgr, _ = MAKERS["row"](rng, cast(rng), SIZE)
        counts.append(cv2.connectedComponents((fgr[..., 3] > 127).astype(np.uint8))[0] - 1)
        small, _ = MAKERS["small"](rng, cast(rng), SIZE)
        assert (small[..., 3] > 127).any(0).sum() < SIZE * 0.5
    assert max(counts) >= 3


def test_alike_hides_the_subject_in_its_own_colour() -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        _, bgr = MAKERS["alike"](rng, cast(rng), SIZE)
        assert np.abs(bgr.mean((0, 1)) - np.array(RED)).max() < 60


def test_over_is_porter_and_duffs_by_hand() -> None:
    top, below = np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 4), np.uint8)
    top[0, 0], below[0, 0] = (200, 0, 0, 128), (0, 100, 0, 128)
    below[1, 1] = (9, 9, 9, 77)
    got = composite_over(top, below)
    a, b = 128 / 255, 128 / 255 * (1 - 128 / 255)
    want = [200 * a / (a + b), 100 * b / (a + b), 0, (a + b) * 255]
    assert got[0, 0].tolist() == pytest.approx(want, abs=1) and got[1, 1].tolist() == [9, 9, 9, 77]


def test_a_cut_subject_is_stood_on_the_lower_border() -> None:
    person = np.full((80, 120, 4), 255, np.uint8)
    person[:30, :, 3] = 0
    for seed in range(30):
        layer = stand_subject(np.random.default_rng(seed), person, SIZE, at=(48, 40), height=50)
        assert (layer[-1, :, 3] > 200).all()  # however it is tilted


def test_turning_keeps_layers_together_and_textures_show_a_part() -> None:
    rng = np.random.default_rng(5)
    fgr, bgr = disc(RED), np.zeros((SIZE, SIZE, 3), np.uint8)
    fgr[:20, :, 3], bgr[:20] = 255, 77
    for _ in range(8):
        a, b = turned(rng, fgr, bgr)
        assert ((b[..., 0] == 77) <= (a[..., 3] == 255)).all() and not np.array_equal(b, bgr)
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[:, :80] = 255
    assert texture(rng, picture, 64).shape == (64, 64, 3)


def test_the_stream_draws_scenes_by_their_shares(dataset: Path, tmp_path: Path) -> None:
    paths = cache_pairs(find_pairs(dataset / "people"), tmp_path / "c", 96, workers=1, quick=True)
    backgrounds = cache_pictures(pictures(dataset / "backgrounds"), tmp_path / "b", 160)
    sources = [Source("people", tuple(paths), 1.0, 0.5), Source("goods", tuple(paths), 1.0, 1.0)]
    recipe = Recipe({"group": 0.3, "small": 0.2}, ("goods",), negatives=0.1, turns=0.2)
    stream = MattingStream(
        sources, backgrounds, backgrounds[:1], sizes=(64,), batch=4, seed=3, first=0, last=40, recipe=recipe
    )
    kinds = [stream._kind(np.random.default_rng(i)) for i in range(2000)]
    shares = {kind: kinds.count(kind) / 2000 for kind in ("negative", "group", "small", "single")}
    assert shares == pytest.approx({"negative": 0.1, "group": 0.3, "small": 0.2, "single": 0.4}, abs=0.04)
    assert all(stream[i]["fgr"].shape == (3, 64, 64) for i in range(40))
    with pytest.raises(ValueError, match="name those of things"):
        MattingStream(
            sources[:1], backgrounds, backgrounds, sizes=(64,), batch=4, seed=3, first=0, last=4, recipe=recipe
        )


@pytest.mark.parametrize(
    "argv",
    [
        ["--scenes", "nothing:0.1", "--things", "goods"],
        ["--scenes", "group", "--things", "goods"],
        ["--scenes", "group:0.99", "--negatives", "0.1", "--things", "goods"],
        ["--scenes", "group:0.1"],
    ],
)
def test_impossible_scenes_end_with_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(argv)
    assert "scenes: got" in capsys.readouterr().err


def test_a_preview_of_every_kind_is_drawn(dataset: Path, tmp_path: Path) -> None:
    (dataset / "goods").symlink_to(dataset / "people")
    config = TrainConfig(
        data=dataset, run=tmp_path / "run", cache=tmp_path / "cache", sets=("people:1:0.5", "goods:1:1"),
        things=("goods",), max_side=96, quick=True,
    )  # fmt: skip
    written = preview(config)
    assert {path.stem for path in written} == {"single", "negative", "turned", *SCENES}
    for path in written:
        sheet = cv2.imread(str(path))
        lit = (sheet[192:384] > 127).mean()
        assert lit == 0 if path.stem == "negative" else lit > 0.001
