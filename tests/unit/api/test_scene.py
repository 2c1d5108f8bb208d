"""`/v1/scene` and `matting scene`: the subject in another scene, as the page makes it."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
from matting_client import InputError, OptionError, connect
from matting_client.cli.scene import main
from matting_client.processing.scene import Scene, compose_scene

from tests.unit.api.conftest import encode, error, pixels

PATH = "/v1/scene"
LOCAL = ("--engine", "local")


@pytest.fixture
def wall() -> bytes:
    """A dim, warm scene of 300 x 200."""
    return encode(np.full((200, 300, 3), (120, 80, 40), np.uint8))


def test_subject_light_and_shadow(api: httpx.Client, disc: bytes, wall: bytes) -> None:
    files = {"image_file": disc, "bg_image_file": wall}
    asked = {"format": "png", "x": "0.25", "y": "0.9", "scale": "0.5", "light": "0", "shadow": "0"}
    made = api.post(PATH, files=files, data=asked)
    assert (made.status_code, made.headers["content-type"]) == (200, "image/png"), made.text
    plain = pixels(made.content)
    assert plain.shape == (200, 300, 3)
    assert plain[130, 75].min() > 240 and (plain[20, 280] == (120, 80, 40)).all()
    lit = pixels(api.post(PATH, files=files, data={**asked, "light": "1"}).content)
    assert lit[130, 75, 2] < lit[130, 75, 0] - 20  # takes on the warm light
    shaded = pixels(api.post(PATH, files=files, data={**asked, "shadow": "1"}).content)
    assert shaded.sum(dtype=int) < plain.sum(dtype=int)
    whole = api.post(PATH, files=files)
    assert whole.headers["content-type"] == "image/jpeg" and "x-warning" not in whole.headers
    assert "outside the scene" in api.post(PATH, files=files, data={"y": "0"}).headers["x-warning"]


def test_what_is_no_scene(api: httpx.Client, disc: bytes, wall: bytes) -> None:
    files = {"image_file": disc, "bg_image_file": wall}
    for sent, data, code in (
        ({"image_file": disc}, {}, "missing_source"),
        (files, {"light": "2"}, "invalid_parameter"),
        (files, {"x": "left"}, "invalid_parameter"),
        (files, {"colour": "red"}, "unknown_parameter"),
        ({**files, "image_file": encode(np.zeros((50, 50, 3), np.uint8))}, {}, "unknown_foreground"),
    ):
        refused = api.post(PATH, files=sent, data=data)
        assert (refused.status_code, error(refused)["code"]) == (400, code)


def test_the_command_line(
    disc: bytes, wall: bytes, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATTING_MODEL_REPOSITORY", str(repository))
    black = encode(np.zeros((50, 50, 3), np.uint8))
    for name, data in {"me.png": disc, "wall.png": wall, "black.png": black}.items():
        (tmp_path / name).write_bytes(data)
    names = {name: str(tmp_path / f"{name}.png") for name in ("me", "wall", "black", "out")}
    assert main([names["me"], "--behind", names["wall"], "-o", names["out"], "--scale", "0.5", *LOCAL]) == 0
    with connect("local") as client:
        expected = compose_scene(*client.cutout(disc).layers(), pixels(wall), Scene(scale=0.5))
    assert np.array_equal(pixels((tmp_path / "out.png").read_bytes()), expected)
    with pytest.raises(InputError, match="nothing was found"):
        main([names["black"], "--behind", names["wall"], "-o", names["out"], *LOCAL])
    for wrong in (("-o", "out.gif"), ("--light", "2")):
        with pytest.raises(OptionError):
            main([names["me"], "--behind", names["wall"], *wrong, *LOCAL])
