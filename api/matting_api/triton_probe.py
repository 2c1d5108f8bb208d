"""What a Triton server says of itself, asked over a short-lived connection."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from matting_client import ServerUnavailable
from matting_client.connection import split_url
from matting_client.triton.protocol import grpc_settings
from matting_client.triton.retry import translate

READY_SECONDS = 2.0


class TritonProbe:
    """Questions to the server at a URL, about one model; a context manager.

    Raises
    ------
    EngineError
        From every question: the server does not answer.
    """

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model
        self._protocol, address = split_url(url)
        self._client = _open(self._protocol, address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):
            self._client.close()

    def check_ready(self) -> None:
        """Return when the model can answer now."""
        if not self._ask("is_model_ready", self._model):
            raise ServerUnavailable(
                self._url, problem=f"{self._model} is not ready", remedy="wait, or see the server's log"
            )

    def server(self) -> dict[str, str]:
        """Its name and version."""
        found = self._ask_json("get_server_metadata")
        return {"name": str(found.get("name", "")), "version": str(found.get("version", ""))}

    def batches(self) -> dict[str, float]:
        """Images and batches since its start, images in one, and mean milliseconds in the queue and the model."""
        found = self._ask_json("get_inference_statistics", self._model)
        # Of protobuf's JSON, zeros are absent and large numbers are texts.
        (model,) = found["model_stats"]
        images, runs = (int(model.get(name, 0)) for name in ("inference_count", "execution_count"))
        steps = model.get("inference_stats", {})
        return {
            "images": images,
            "batches": runs,
            "mean_batch": round(images / runs, 2) if runs else 0.0,
            "queue_ms": _mean_ms(steps.get("queue", {})),
            "infer_ms": _mean_ms(steps.get("compute_infer", {})),
        }

    def _ask_json(self, question: str, *arguments: str) -> dict[str, Any]:
        extra = {"as_json": True} if self._protocol == "grpc" else {}
        found: dict[str, Any] = self._ask(question, *arguments, **extra)
        return found

    def _ask(self, question: str, *arguments: str, **extra: Any) -> Any:
        if self._protocol == "grpc":
            extra["client_timeout"] = READY_SECONDS
        try:
            return getattr(self._client, question)(*arguments, **extra)
        except Exception as error:  # tritonclient, grpc and gevent raise unrelated types
            raise translate(error, self._url, self._model) from None


def _mean_ms(step: dict[str, Any]) -> float:
    count = int(step.get("count", 0))
    return round(int(step.get("ns", 0)) / count / 1e6, 2) if count else 0.0


def _open(protocol: str, address: str) -> Any:
    if protocol == "http":
        import tritonclient.http as http

        return http.InferenceServerClient(address, connection_timeout=READY_SECONDS, network_timeout=READY_SECONDS)
    import tritonclient.grpc as grpc

    return grpc.InferenceServerClient(address, channel_args=grpc_settings(address))
