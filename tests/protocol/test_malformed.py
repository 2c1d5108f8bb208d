"""Requests that break the contract are refused with a reason, and the server answers the next good one."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tests.protocol.serving import Served

MODEL, SIZE = "matting_512", 512
NUMPY_NAMES = {"UINT8": np.uint8, "FP32": np.float32, "INT64": np.int64}


def _infer(served: Served, name: str, shape: tuple[int, ...], datatype: str, output: str = "alpha") -> None:
    with grpcclient.InferenceServerClient(served.grpc) as client:
        tensor = grpcclient.InferInput(name, shape, datatype)
        tensor.set_data_from_numpy(np.zeros(shape, NUMPY_NAMES[datatype]))
        result = client.infer(MODEL, [tensor], outputs=[grpcclient.InferRequestedOutput(output)], client_timeout=30)
        assert result.as_numpy("alpha").shape == (*shape[:3], 1)


@pytest.fixture(autouse=True)
def _still_good(served: Served) -> Iterator[None]:
    yield
    _infer(served, "image", (1, SIZE, SIZE, 3), "UINT8")


@pytest.mark.parametrize(
    ("name", "shape", "datatype", "output", "reason"),
    [
        pytest.param("image", (1, 511, 512, 3), "UINT8", "alpha", "shape", id="height"),
        pytest.param("image", (1, 512, 512, 4), "UINT8", "alpha", "shape", id="channels"),
        pytest.param("image", (512, 512, 3), "UINT8", "alpha", "shape|batch", id="no-batch-axis"),
        pytest.param("image", (1, 1, 512, 512, 3), "UINT8", "alpha", "shape", id="rank"),
        pytest.param("image", (9, 512, 512, 3), "UINT8", "alpha", "batch-size must be <= 8", id="batch-too-large"),
        pytest.param("image", (0, 512, 512, 3), "UINT8", "alpha", "byte size", id="empty-batch"),
        pytest.param("image", (1, 512, 512, 3), "FP32", "alpha", "data-type|datatype|type", id="dtype"),
        pytest.param("photo", (1, 512, 512, 3), "UINT8", "alpha", "photo|image", id="input-name"),
        pytest.param("image", (1, 512, 512, 3), "UINT8", "matte", "matte", id="output-name"),
    ],
)
def test_wrong_tensor(
    served: Served, name: str, shape: tuple[int, ...], datatype: str, output: str, reason: str
) -> None:
    with pytest.raises(InferenceServerException, match=reason):
        _infer(served, name, shape, datatype, output)


def test_unknown_model(served: Served) -> None:
    assert _post(served, "/v2/models/matting_2048/infer", b"{}", {})[0] in (400, 404)


GOOD = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, SIZE, SIZE, 3]}]}
BYTES = SIZE * SIZE * 3


def _binary(claimed: int) -> bytes:
    tensor = {**GOOD["inputs"][0], "parameters": {"binary_data_size": claimed}}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize(
    ("header", "tail"),
    [
        pytest.param(_binary(BYTES), bytes(1000), id="short-body"),
        pytest.param(_binary(1000), bytes(1000), id="too-few-bytes-claimed"),
        pytest.param(_binary(BYTES), bytes(BYTES + 7), id="long-body"),
        pytest.param(_binary(-1), bytes(1000), id="negative-size"),
        pytest.param(_binary(2**63), bytes(1000), id="huge-size"),
        pytest.param(b'{"inputs": [', b"", id="broken-json"),
        pytest.param(b"[" * 60_000, b"", id="nested-json"),  # kills the server on the usual 8 MiB of stack
        pytest.param(b"{}", b"", id="no-inputs"),
        pytest.param(b"\xff\xfe\x00", b"", id="not-text"),
        pytest.param(json.dumps(GOOD).encode(), b"", id="no-data"),
    ],
)
def test_wrong_body(served: Served, header: bytes, tail: bytes) -> None:
    headers = {"Inference-Header-Content-Length": str(len(header))}
    status, body = _post(served, f"/v2/models/{MODEL}/infer", header + tail, headers)
    assert 400 <= status <= 500, body  # this Triton says 500 where it cannot parse
    assert json.loads(body)["error"]


def test_header_length_beyond_the_body(served: Served) -> None:
    status, _ = _post(served, f"/v2/models/{MODEL}/infer", b"{}", {"Inference-Header-Content-Length": "999999"})
    assert 400 <= status <= 500


def test_client_that_goes_away_in_the_middle(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.ports[0], timeout=20)
    connection.putrequest("POST", f"/v2/models/{MODEL}/infer")
    connection.putheader("Content-Length", str(BYTES))
    connection.endheaders(bytes(1000))
    connection.close()


def test_json_numbers_are_taken_too(served: Served, portraits: dict[str, NDArray[np.uint8]]) -> None:
    """The slow way, without the binary extension: what `curl` users send first."""
    photo = portraits[MODEL][:1]
    tensor = {**GOOD["inputs"][0], "data": photo.ravel().tolist()}
    status, body = _post(served, f"/v2/models/{MODEL}/infer", json.dumps({"inputs": [tensor]}).encode(), {})
    assert status == 200
    assert json.loads(body)["outputs"][0]["shape"] == [1, SIZE, SIZE, 1]


def _post(served: Served, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", served.ports[0], timeout=30)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
