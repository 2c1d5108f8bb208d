"""The few calls the supervisor makes to its own Triton, over HTTP on a socket file in the private folder.

The standard library and no tritonclient: the supervisor then stays a small process (no gRPC or gevent threads), and
the deadline covers connecting, sending and receiving alike.
"""

from __future__ import annotations

import http.client
import json
import math
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROBE_PARAMETER = "unet_matting_probe"
_ITEM_BYTES = {"UINT8": 1, "INT8": 1, "FP16": 2, "BF16": 2, "FP32": 4, "INT32": 4, "INT64": 8}


class TritonRefused(Exception):
    """Triton answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Progress:
    """How many requests of a version of a model have succeeded and failed since it was loaded."""

    success: int
    failure: int


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Control:
    """Calls to the Triton that listens on the socket file ``path``.

    Every call raises OSError when the server cannot be reached or does not answer in time (TimeoutError), and
    `TritonRefused` when it answers with an error.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def ready(self, timeout: float = 1.0) -> bool:
        """Say whether every model is loaded."""
        try:
            self._call("GET", "/v2/health/ready", timeout)
        except (OSError, TritonRefused):
            return False
        return True

    def progress(self, model: str, timeout: float = 2.0) -> dict[str, Progress]:
        """Return the counts of each version of a model that is loaded."""
        found = {}
        for stats in self._json("GET", f"/v2/models/{model}/stats", timeout)["model_stats"]:
            counts = stats["inference_stats"]
            found[stats["version"]] = Progress(counts["success"]["count"], counts["fail"]["count"])
        return found

    def inputs(self, model: str) -> list[dict[str, Any]]:
        """Name, datatype and shape (batch of one) of the model's inputs."""
        described = self._json("GET", f"/v2/models/{model}", 2.0)["inputs"]
        return [{**item, "shape": [1 if size < 0 else size for size in item["shape"]]} for item in described]

    def probe(self, model: str, version: str, inputs: list[dict[str, Any]], timeout: float) -> None:
        """Send one blank request through the batcher to the process of a model, which answers without a run.

        With "" for its version Triton chooses one.
        """
        described = []
        body = b""
        for item in inputs:
            size = math.prod(item["shape"]) * _ITEM_BYTES[item["datatype"]]
            described.append({**item, "parameters": {"binary_data_size": size}})
            body += bytes(size)
        parameters = {PROBE_PARAMETER: True, "binary_data_output": True}
        header = json.dumps({"inputs": described, "parameters": parameters}).encode()
        headers = {"Inference-Header-Content-Length": str(len(header)), "Content-Type": "application/octet-stream"}
        path = f"/v2/models/{model}/versions/{version}/infer" if version else f"/v2/models/{model}/infer"
        self._call("POST", path, timeout, header + body, headers)

    def load(self, model: str, timeout: float) -> None:
        """Load ``model``, anew if its files changed."""
        self._call("POST", f"/v2/repository/models/{model}/load", timeout, b"{}")

    def unload(self, model: str, timeout: float) -> None:
        """Unload ``model``."""
        self._call("POST", f"/v2/repository/models/{model}/unload", timeout, b"{}")

    def _json(self, method: str, path: str, timeout: float) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._call(method, path, timeout))
        return content

    def _call(
        self, method: str, path: str, timeout: float, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        connection = UnixConnection(self._path, timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()
        except http.client.HTTPException as error:  # the server died in the middle of its answer
            raise ConnectionError(str(error)) from None
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise TritonRefused(response.status, _message(content))
        return content


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
