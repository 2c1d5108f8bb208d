"""How the server of the model is doing, asked of Triton itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from matting_client.client import split_url

SECONDS = 2.0  # to wait for an answer


@dataclass(frozen=True)
class ServerStatus:
    """What Triton counted for a model since it was loaded.

    Attributes
    ----------
    version : of Triton.
    images : served.
    batch : images in a batch, on average.
    queue_ms, compute_ms : an image waited, and a batch was worked on, on average.
    """

    version: str
    images: int
    batch: float
    queue_ms: float
    compute_ms: float


def server_status(url: str, model: str) -> ServerStatus | None:
    """Ask a Triton server; None when it does not answer."""
    protocol, address = split_url(url)
    client, more = _client(protocol, address)
    try:
        version = str(client.get_server_metadata(**more)["version"])
        (counts,) = client.get_inference_statistics(model, **more)["model_stats"]
    except Exception:  # tritonclient, grpc and gevent raise unrelated types
        return None
    finally:
        with suppress(Exception):
            client.close()
    steps = counts["inference_stats"]
    images, batches = int(counts.get("inference_count", 0)), int(counts.get("execution_count", 0))
    batch = images / batches if batches else 0.0
    return ServerStatus(version, images, batch, _mean_ms(steps["queue"]), _mean_ms(steps["compute_infer"]))


def _mean_ms(step: dict[str, Any]) -> float:
    count = int(step.get("count", 0))
    return int(step.get("ns", 0)) / count / 1e6 if count else 0.0


def _client(protocol: str, address: str) -> tuple[Any, dict[str, Any]]:
    if protocol == "http":
        import tritonclient.http as http

        return http.InferenceServerClient(address, connection_timeout=SECONDS, network_timeout=SECONDS), {}
    import tritonclient.grpc as grpc

    return grpc.InferenceServerClient(address), {"as_json": True, "client_timeout": SECONDS}
