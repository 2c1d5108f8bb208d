from __future__ import annotations

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_training.plain import ground, main, measure
from numpy.typing import NDArray
from skimage import data

Array = NDArray[np.uint8]
SIZE = 240


def subject() -> tuple[Array, NDArray[np.float64]]:
    """Colours and alpha of a cup of coffee: a disc with a soft rim, cut from a photo."""
    photo = cv2.resize(data.coffee()[40:360, 140:460], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[:SIZE, :SIZE]
    alpha = np.clip(70 - np.hypot(y - SIZE / 2, x - SIZE / 2) + 0.5, 0, 1)
    return np.minimum(photo, 150), alpha


def on_ground(shade: float = 0.0) -> tuple[Array, NDArray[np.float64]]:
    """The cup on a light ground that darkens to one side, with a soft shadow."""
    colours, alpha = subject()
    y, x = np.mgrid[:SIZE, :SIZE]
    plain = 246 - 12 * x / SIZE
    plain = plain * (1 - shade * np.exp(-(((x - 185) / 40) ** 2) - ((y - 130) / 25) ** 2))
    mixed = alpha[..., None] * colours + (1 - alpha[..., None]) * plain[..., None]
    return np.rint(mixed).astype(np.uint8), alpha


def test_alpha_is_what_the_ground_shows() -> None:
    photo, alpha = on_ground()
    found = measure(photo)
    assert found.how == "measured" and found.pha is not None
    assert np.abs(found.pha / 255 - alpha).mean() < 0.004


def test_the_ground_follows_the_light() -> None:
    photo, alpha = on_ground()
    plain, share = ground(photo)
    assert share > 0.98 and np.abs(plain - photo).max(2)[alpha == 0].max() < 3


@pytest.mark.parametrize(
    ("photo", "why"),
    [
        (on_ground(shade=0.3)[0], "shadow"),
        (data.astronaut(), "no plain border"),
        (np.full((SIZE, SIZE, 3), 240, np.uint8), "covers"),
    ],
)
def test_what_cannot_be_trusted_is_left_out(photo: Array, why: str) -> None:
    found = measure(photo)
    assert found.pha is None and why in found.how


def test_the_command_writes_a_set_with_its_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "shop" / "cups"
    source.mkdir(parents=True)
    photo, alpha = on_ground()
    cv2.imwrite(str(source / "plain.png"), photo[..., ::-1])
    own = np.dstack([photo[..., ::-1], np.rint(alpha * 255).astype(np.uint8)])
    cv2.imwrite(str(source / "cutout.png"), own)
    cv2.imwrite(str(source / "street.jpg"), data.astronaut()[..., ::-1])
    cv2.imwrite(str(source / "line.png"), np.zeros((1, 3000, 3), np.uint8))
    (source / os.fsdecode(b"no\xff.jpg")).write_bytes(b"no picture")
    street = (source / "street.jpg").read_bytes()
    (source / "cut.jpg").write_bytes(street[: len(street) // 2])
    out = tmp_path / "set"
    assert main([str(tmp_path / "shop"), str(out)]) == 0
    rows = dict(csv.reader((out / "manifest.csv").read_text().splitlines()))
    assert rows["cups/plain.png"] == "measured" and rows["cups/cutout.png"] == "exact"
    assert rows["cups/street.jpg"].startswith("no plain border") and "readable" in rows["cups/no\\udcff.jpg"]
    assert "ends early" in rows["cups/cut.jpg"]
    assert {p.name for p in (out / "images").iterdir()} == {"cups_plain.png", "cups_cutout.png"}
    kept = cv2.imread(str(out / "alpha" / "cups_cutout.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(kept, own[..., 3])
    assert "2 of 6 photos" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "shop"), str(out)])
