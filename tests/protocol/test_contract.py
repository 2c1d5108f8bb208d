"""What the running server says about itself is what the contract says."""

from __future__ import annotations

import json

import pytest

from tests.protocol.serving import ROOT, SIZES, Served


@pytest.mark.parametrize("model", SIZES)
def test_metadata(served: Served, model: str) -> None:
    size = SIZES[model]
    status, body = served.get(f"/v2/models/{model}")
    assert status == 200
    metadata = json.loads(body)
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, size, size, 3]}]
    assert metadata["outputs"] == [{"name": "alpha", "datatype": "UINT8", "shape": [-1, size, size, 1]}]
    assert served.get(f"/v2/models/{model}/ready")[0] == 200


def test_every_model_of_the_repository_is_served(served: Served) -> None:
    expected = {path.parent.name for path in (ROOT / "model_repository").glob("*/config.pbtxt")}
    stats = json.loads(served.get("/v2/models/stats")[1])["model_stats"]
    assert expected == {entry["name"] for entry in stats} == set(SIZES)


def test_the_engine_chosen_is_logged(served: Served) -> None:
    for model in SIZES:
        assert f"engine of {model}: " in served.log


def test_models_are_warm_before_ready(served: Served) -> None:
    config = json.loads(served.get("/v2/models/matting_512/config")[1])
    assert [item["name"] for item in config["model_warmup"]] == ["one photo"]
