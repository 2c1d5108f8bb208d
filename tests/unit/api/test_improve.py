"""The box of samples: what comes into it by the API and by the command line, and that fine-tuning can read it."""

from __future__ import annotations

import base64
import errno
import json
from pathlib import Path

import numpy as np
import pytest
from matting_api.improve import main
from matting_api.samples import Sample as In
from matting_api.samples import SampleBox
from matting_client import Limits, OptionError
from matting_client.cli.main import main as matting
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


def test_what_belongs_to_no_sample_is_refused_by_name(serve: Serve, disc: bytes, tmp_path: Path) -> None:
    api = serve(samples=tmp_path)
    photo = {"image_file": disc}
    for answer, code, named in (
        (api.post(IMPROVE, files=photo, data={"colour": "red"}), "unknown_parameter", "colour: got"),
        (api.post(f"{IMPROVE}?size=auto", files=photo), "unknown_parameter", "size: got"),
        (api.post(IMPROVE, files={**photo, "mask_file": disc}), "unsupported_parameter", "mask_file: got"),
        (api.post(IMPROVE, files=photo, data={"bg_image_url": "x"}), "unsupported_parameter", "bg_image_url: got"),
        (api.post(IMPROVE, json={"image_url": "https://a.example/"}), "image_url_not_supported", "image_url: got"),
    ):
        assert (answer.status_code, error(answer)["code"]) == (400, code), answer.text
        assert error(answer)["detail"].startswith(named)
    assert list(tmp_path.iterdir()) == []


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
    text = tmp_path / "text.txt"
    assert f"matting improve: {text}: got no known picture" in capsys.readouterr().err
    assert main([photo, "--correction", str(text)]) == 1
    assert f"matting improve: {photo}: correction: got no known picture" in capsys.readouterr().err
    assert len(list(box.iterdir())) == 2


@pytest.mark.parametrize("place", ["file", "file/below", "link", "/proc/box"])
def test_a_box_that_no_folder_can_be_is_wrong_usage(
    disc: bytes, tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not a photo's fault, or a server's, which takes no part."""
    (tmp_path / "photo.png").write_bytes(disc)
    (tmp_path / "file").write_bytes(b"no folder")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert matting(["improve", str(tmp_path / "photo.png"), "--samples", str(tmp_path / place)]) == 2
    said = capsys.readouterr().err
    assert f"--samples: got {tmp_path / place} (" in said and "expected a folder" in said and "; name another" in said
    assert "server" not in said and "photo.png" not in said


def test_a_folder_that_others_own(disc: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(disc)
    monkeypatch.setattr("os.access", lambda *_: False)  # as for users other than root, whom the tests may be
    with pytest.raises(OptionError, match=r"--samples: got .* cannot be written to by user"):
        main([str(tmp_path / "photo.png"), "--samples", str(tmp_path / "box")])


def test_a_server_does_not_start_with_a_box_that_no_folder_can_be(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.raises(OptionError, match="--samples"):
        serve(samples=tmp_path / "file")


def test_a_box_that_is_lost_meanwhile(
    serve: Serve, disc: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer names the box, its log says why."""
    box = tmp_path / "box"
    box.mkdir()
    api = serve(samples=box)
    box.rmdir()
    box.write_bytes(b"no folder any more")
    answer = api.post(IMPROVE, files={"image_file": disc})
    assert (answer.status_code, error(answer)["code"]) == (503, "storage_unavailable")
    assert "the box of samples" in error(answer)["detail"] and str(tmp_path) not in answer.text
    assert str(box) in caplog.text
    box.unlink()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.rename", full)
    answer = api.post(IMPROVE, files={"image_file": disc})
    assert (answer.status_code, error(answer)["code"]) == (507, "insufficient_storage")
    assert "the box of samples is full" in error(answer)["detail"] and list(box.iterdir()) == []


def test_any_text_may_be_a_tag(serve: Serve, disc: bytes, tmp_path: Path) -> None:
    """Half a surrogate pair too, which JSON may bring and UTF-8 has no bytes for."""
    photo = base64.b64encode(disc).decode()
    sent = json.dumps({"image_file_b64": photo, "tag": "\ud800", "image_filename": "名"})
    kept = serve(samples=tmp_path).post(IMPROVE, content=sent, headers={"Content-Type": "application/json"})
    assert kept.status_code == 200, kept.text
    (folder,) = tmp_path.iterdir()
    note = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    assert (note["tag"], note["name"]) == ("?", "名")
    box = SampleBox(tmp_path, Limits())
    assert json.loads((tmp_path / box.keep(In(disc, "\ud800")) / "sample.json").read_bytes())["name"] == "\ud800"


def test_half_a_sample_goes_whatever_happens(disc: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    box = SampleBox(tmp_path, Limits())
    monkeypatch.setattr("pathlib.Path.rename", broken)
    with pytest.raises(RuntimeError):
        box.keep(In(disc, "photo"))
    assert list(tmp_path.iterdir()) == []
