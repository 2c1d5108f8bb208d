"""One real server for all protocol tests of a session; tests that end or break a server for good start their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from tests.protocol.serving import ROOT, SIZES, Served


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/protocol" in item.path.as_posix():
            item.add_marker(pytest.mark.protocol)


@pytest.fixture(scope="session")
def _session_server() -> Iterator[Served]:
    server = Served()
    try:
        yield server.wait_ready()
    finally:
        assert server.stop() == 0, server.log


@pytest.fixture(scope="session")
def one_model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of a server with the smaller model alone: half as costly to start."""
    repository = tmp_path_factory.mktemp("one-model")
    shutil.copytree(ROOT / "model_repository" / "matting_512", repository / "matting_512")
    return ["--model-repository", str(repository)]


@pytest.fixture
def served(_session_server: Served) -> Iterator[Served]:
    """The shared server, alive before the test and alive after it."""
    assert _session_server.is_ready(), _session_server.log
    yield _session_server
    assert _session_server.is_ready(), _session_server.log


@pytest.fixture(scope="session")
def portraits() -> dict[str, NDArray[np.uint8]]:
    """Eight different views of the astronaut for each model, (8, S, S, 3)."""
    photo: NDArray[Any] = data.astronaut()
    views = [photo, photo[:, ::-1], photo // 2, 255 - photo, np.roll(photo, 90, 1), photo[::-1], photo[..., ::-1]]
    views.append(cv2.GaussianBlur(photo, (0, 0), 3))
    return {
        model: np.stack([cv2.resize(np.ascontiguousarray(view), (size, size)) for view in views])
        for model, size in SIZES.items()
    }
