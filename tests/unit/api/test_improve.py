"""The box of samples: what comes into it by the API and by the command line, and that fine-tuning can read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matting_api.improve import main
from matting_client import OptionError
from matting_export.box import Sample, read_sample

from tests.unit.api.conftest import Serve, encode, error
from tests.unit.api.test_contract import IMPROVE


@pytest.fixture
def alpha(disc: bytes) -> bytes:
    """The right alpha of the disc's photo of 200 x 100."""
    grey = np.zeros((100, 200), np.uint8)
    grey[20:80, 30:90] = 255
    return encode(grey)


def read(folder: Path) -> np.ndarray:
    return read_sample(Sample("a", folder / "photo", folder / "correction"))[1]


def test_a_result_and_a_correction_come_along(serve: Serve, disc: bytes, alpha: bytes, tmp_path: Path) -> None:
    api = serve(samples=tmp_path)
    sent = {"image_file": disc, "result_file": encode(np.zeros((9, 9, 4), np.uint8)), "correction_file": alpha}
    kept = api.post(IMPROVE, files=sent)
    assert kept.status_code == 200, kept.text
    folder = tmp_path / kept.json()["id"]
    assert {path.name for path in folder.iterdir()} == {"photo", "result", "correction", "sample.json"}
    assert read(folder)[50, 60] == 255 and read(folder)[0, 0] == 0
    for wrong in ({"correction_file": encode(np.zeros((9, 9), np.uint8))}, {"result_file": b"no picture"}):
        refused = api.post(IMPROVE, files={"image_file": disc, **wrong})
        assert (refused.status_code, error(refused)["code"]) == (400, "invalid_image")
    elsewhere = api.post("/v1/cutout", files={"image_file": disc, "correction_file": alpha})
    assert (elsewhere.status_code, error(elsewhere)["code"]) == (400, "unsupported_parameter")
    assert len(list(tmp_path.iterdir())) == 1


def test_the_command_line_fills_the_same_box(
    disc: bytes, alpha: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = tmp_path / "box"
    for name, data in {"photo.png": disc, "right.png": alpha, "text.txt": b"no photo"}.items():
        (tmp_path / name).write_bytes(data)
    photo, right = str(tmp_path / "photo.png"), str(tmp_path / "right.png")
    monkeypatch.delenv("MATTING_API_SAMPLES", raising=False)
    with pytest.raises(OptionError, match="--samples"):
        main([photo])
    monkeypatch.setenv("MATTING_API_SAMPLES", str(box))
    assert main([photo, "--correction", right, "--tag", "hair"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder.parent == box and read(folder)[50, 60] == 255
    with pytest.raises(OptionError, match="2 photos"):
        main([photo, photo, "--result", right])
    assert main([photo, str(tmp_path / "text.txt")]) == 1
    assert "text.txt" in capsys.readouterr().err
    assert len(list(box.iterdir())) == 2
