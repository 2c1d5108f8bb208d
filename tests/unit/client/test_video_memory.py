"""What a clip's frames take: no second form of the model, no decoder of photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matting_client.connection import open_engine
from matting_client.runtime.cpu import CpuModel

from tests.unit.client.conftest import SIDE


def test_frames_of_a_clip_need_one_form_of_the_model(repository: Path) -> None:
    file = repository / "matting_512" / "1" / "model.onnx"
    photos = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3), np.uint8)
    both, one = CpuModel(file, precision="f32", threads=2), CpuModel(file, precision="f32", threads=2, together=True)
    assert np.array_equal(one.run(photos), both.run(photos))
    assert np.array_equal(one.run(photos[:1]), both.run(photos[:1]))
    assert one._company() is one._alone
    assert both._company() is not both._alone


def test_a_clip_starts_no_decoder_of_photos(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr("matting_client.imaging.decode.warm_up", lambda: started.append(True))
    open_engine("local", for_video=True).close()
    assert not started
    open_engine("local").close()
    assert started
