from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matting_training.checkpoint import save_weights
from matting_training.model.unet import MattingUNet
from skimage import data


def write_set(root: Path, names: list[str], size: int = 96) -> None:
    """A set in the plain layout: the astronaut with a soft disc for alpha, mirrored and turned to differ."""
    (root / "images").mkdir(parents=True)
    (root / "alpha").mkdir()
    photo = cv2.resize(data.astronaut(), (size, size), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[:size, :size]
    disc = np.clip((size * 0.35 - np.hypot(y - size / 2, x - size / 2)) * 40, 0, 255).astype(np.uint8)
    for turn, name in enumerate(names):
        cv2.imwrite(str(root / "images" / f"{name}.png"), np.rot90(photo[..., ::-1], turn))
        cv2.imwrite(str(root / "alpha" / f"{name}.png"), np.rot90(disc, turn))


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights to go on from: an ImageNet encoder with a decoder that has learnt nothing."""
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    model = MattingUNet()
    save_weights(path, model.state_dict(), model.config, {"seen": 0, "scores": {}})
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two training pairs, one validation pair, two backgrounds."""
    root = tmp_path / "data"
    write_set(root / "people", ["one", "two"])
    write_set(root / "val", ["three"])
    (root / "backgrounds").mkdir()
    for name, picture in {"bg_states_coffee": data.coffee(), "bg_photos_cat": data.chelsea()}.items():
        cv2.imwrite(str(root / "backgrounds" / f"{name}.jpg"), cv2.resize(picture, (160, 120))[..., ::-1])
    return root
