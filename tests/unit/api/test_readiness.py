"""Whether a model is called ready that Triton still calls ready, and that answers nothing any more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matting_api.triton_probe import SILENT_SECONDS, Silence, TritonProbe
from matting_client import ServerUnavailable
from numpy.typing import NDArray

CONFIG = {"input": [{"name": "image", "dims": [4, 4, 3]}], "output": [{"name": "alpha"}]}
URL = "127.0.0.1:1"


class Answer:
    """What the model says of itself, or a picture's alpha, as of other backends."""

    def __init__(self, says: bytes) -> None:
        self._says = says

    def as_numpy(self, name: str) -> NDArray[np.uint8]:
        return np.frombuffer(self._says.ljust(16, b"\0"), np.uint8)


class Hanging(TritonProbe):
    """Stands for a Triton whose model answers no more; nothing is sent."""

    images = 7
    answers = False
    says = b'{"engine": "x"}'
    looks = 0

    def _ask(self, question: str, *arguments: Any, **extra: Any) -> Any:
        if question == "infer" and not self.answers:
            raise ServerUnavailable(URL, problem="got no answer in time")
        self.looks += question == "infer"
        told = {"model_stats": [{"version": "1", "inference_count": self.images}]}
        return {
            "is_model_ready": True,
            "get_model_config": CONFIG,
            "get_inference_statistics": told,
            "infer": Answer(self.says),
        }[question]


def test_a_model_that_hangs_is_not_ready() -> None:
    now = [100.0]
    silence = Silence(lambda: now[0])
    with Hanging(URL, "matting_512") as probe:
        with pytest.raises(ServerUnavailable, match="does not answer"):
            probe.check_ready(silence)  # it never has
        probe.answers = True
        probe.check_ready(silence)
        probe.answers = False
        now[0] += SILENT_SECONDS  # a long batch
        probe.check_ready(silence)
        for _ in range(5):  # its queue is long, and it finishes one picture after the other
            probe.images += 1
            now[0] += 0.9 * SILENT_SECONDS
            probe.check_ready(silence)
        now[0] += SILENT_SECONDS + 1
        with pytest.raises(ServerUnavailable, match="does not answer"):
            probe.check_ready(silence)


def test_a_model_of_another_backend_is_looked_at_once() -> None:
    """Each look would cost it a run."""
    silence = Silence()
    with Hanging(URL, "matting_512") as probe:
        probe.answers, probe.says = True, b"\xff" * 16
        probe.check_ready(silence)
        probe.answers = False
        probe.check_ready(silence)
        assert probe.looks == 1
