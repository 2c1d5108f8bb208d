"""The one budget of memory: all pictures of a request are in it, at once, before any is decoded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matting_api import produce, samples
from matting_api.samples import SampleBox
from matting_client import budget

from tests.unit.api.conftest import Serve, encode, error, wait_until
from tests.unit.api.test_contract import IMPROVE


class Budget(budget.MemoryBudget):
    """Notes what is held."""

    def __init__(self) -> None:
        super().__init__(2**40)
        self.held: list[int] = []
        self.open = 0

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        self.held.append(pixels)
        self.open += 1
        with super().hold(pixels):
            yield
        self.open -= 1


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Budget:
    """The budget of this process, which checks that no picture is decoded outside it."""
    found = Budget()
    monkeypatch.setattr(budget, "PHOTOS", found)
    for module, name in ((produce, "decode"), (produce, "decode_photo"), (samples, "decode")):
        real = getattr(module, name)

        def within(*given: Any, real: Any = real) -> Any:
            assert found.open == 1
            return real(*given)

        monkeypatch.setattr(module, name, within)
    return found


def picture(width: int, height: int) -> bytes:
    return encode(np.full((height, width, 3), 200, np.uint8))


PHOTO = picture(100, 50)


@pytest.mark.parametrize(
    ("path", "files", "fields", "pixels"),
    [
        ("/v1/cutout", {}, {}, 5000),
        ("/v1/cutout", {"bg_image_file": (30, 20)}, {}, 5600),
        ("/v1/cutout", {"mask_file": (200, 100)}, {}, 25_000),
        ("/v1/cutout", {"mask_file": (10, 5), "bg_image_file": (30, 20)}, {"canvas": "300x200"}, 65_650),
        ("/v1/cutout", {}, {"canvas": "300x200", "size": "30px"}, 5900),
        ("/v1/cutout", {}, {"crop": "true", "crop_margin": "50%"}, 140**2),  # as of a square photo, 70 px wide
        ("/v1/cutout", {}, {"crop": "true"}, 5000),
        ("/v1/alpha", {}, {"canvas": "300x200"}, 65_000),
        ("/v1/scene", {"bg_image_file": (60, 60)}, {}, 8600),
    ],
)
def test_all_pictures_are_in_the_budget(
    serve: Serve, noted: Budget, path: str, files: dict[str, tuple[int, int]], fields: dict[str, str], pixels: int
) -> None:
    sent = {"image_file": PHOTO, **{name: picture(*size) for name, size in files.items()}}
    found = serve().post(path, files=sent, data=fields)
    assert found.status_code == 200, found.text
    assert noted.held == [pytest.approx(pixels, rel=0.03)]


def test_a_sample_is_in_the_budget(serve: Serve, noted: Budget, tmp_path: Path) -> None:
    sent = {"image_file": PHOTO, "result_file": picture(30, 20), "correction_file": picture(100, 50)}
    assert serve(samples=tmp_path).post(IMPROVE, files=sent).status_code == 200
    assert noted.held == [10_600]


def test_samples_take_turns(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_work, may_end = threading.Event(), threading.Event()

    def keep(*_: object) -> str:
        in_work.set()
        assert may_end.wait(60)
        return "kept"

    monkeypatch.setattr(SampleBox, "keep", keep)
    api = serve(samples=tmp_path, workers=1, waiting=0)
    with ThreadPoolExecutor(1) as pool:
        try:
            first = pool.submit(api.post, IMPROVE, files={"image_file": PHOTO})
            wait_until(in_work.is_set)
            second = api.post(IMPROVE, files={"image_file": PHOTO})
        finally:
            may_end.set()
        assert (second.status_code, error(second)["code"]) == (503, "server_busy")
        assert first.result().json() == {"id": "kept"}
