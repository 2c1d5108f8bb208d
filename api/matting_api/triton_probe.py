"""What a Triton server says of itself, asked over a short-lived connection."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import numpy as np
from matting_client import EngineError, ServerUnavailable
from matting_client.connection import split_url
from matting_client.repository import CONTRACT_PARAMETER, contract_parameter, facts_of, split_model
from matting_client.triton.protocol import grpc_settings
from matting_client.triton.retry import translate

READY_SECONDS = 2.0
LOOK_SECONDS = 0.5  # for a model to show that it lives; some balancers wait for the whole answer no longer than 2
SILENT_SECONDS = 20.0  # that a model that lives may need for the batch before ours, on cores that others use
PROBE = "unet_matting_probe"  # a request with this parameter costs the server no run


class Silence:
    """For how long a model has shown no sign of life; kept from one look to the next.

    Attributes
    ----------
    is_free : whether looks cost no run, as with the backend of this project; others are looked at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_free = True
        self._clock = clock
        self._since = -math.inf
        self._images: float | None = None  # that it had finished at the last look

    @property
    def seconds(self) -> float:
        """Since it answered, or finished a picture of others."""
        return self._clock() - self._since

    def end(self) -> None:
        """It has answered."""
        self._since = self._clock()

    def look(self, images: float) -> None:
        """Note how many pictures it has finished."""
        if self._images not in (None, images):
            self.end()
        self._images = images


class TritonProbe:
    """Questions to the server at a URL, about one model; a context manager.

    Raises
    ------
    EngineError
        From every question: the server does not answer.
    """

    def __init__(self, url: str, model: str) -> None:
        self._url = url
        self._model = model
        self._which = split_model(model)
        self._protocol, self._address = split_url(url)
        self._library = _library(self._protocol)
        self._clients: dict[float, Any] = {}  # by seconds for an answer, which one over HTTP has fixed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            with suppress(Exception):
                client.close()

    def check_ready(self, silence: Silence) -> None:
        """Return when the model can answer now.

        Triton calls a model ready whose process has died or hangs, so it is asked itself. One that is at work may
        answer late: that it has finished something, or answered a moment ago, does as well.
        """
        if not self._ask("is_model_ready", *self._which):
            raise self._unavailable("is not ready")
        if not silence.is_free:
            return
        try:
            silence.is_free = bool(self._ask_model(self._config(), LOOK_SECONDS))
        except EngineError:
            silence.look(self.batches()["images"])
            if silence.seconds > SILENT_SECONDS:
                raise self._unavailable("does not answer") from None
        else:
            silence.end()

    def _unavailable(self, what: str) -> ServerUnavailable:
        return ServerUnavailable(self._url, problem=f"{self._model} {what}", remedy="wait, or see the server's log")

    def server(self) -> dict[str, str]:
        """Its name and version."""
        found = self._ask_json("get_server_metadata")
        return {"name": str(found.get("name", "")), "version": str(found.get("version", ""))}

    def batches(self) -> dict[str, float]:
        """Images and batches since its start, images in one, and mean milliseconds in the queue and the model."""
        model = self._statistics()
        images, runs = (int(model.get(name, 0)) for name in ("inference_count", "execution_count"))
        steps = model.get("inference_stats", {})
        return {
            "images": images,
            "batches": runs,
            "mean_batch": round(images / runs, 2) if runs else 0.0,
            "queue_ms": _mean_ms(steps.get("queue", {})),
            "infer_ms": _mean_ms(steps.get("compute_infer", {})),
        }

    def _statistics(self) -> dict[str, Any]:
        """Of the version that answers. Of protobuf's JSON, zeros are absent and large numbers are texts."""
        found = self._ask_json("get_inference_statistics", *self._which)
        statistics: dict[str, Any] = max(found["model_stats"], key=lambda each: int(each["version"]))
        return statistics

    def _contract(self, told: dict[str, str]) -> dict[str, Any]:
        """The facts of the version that answers, or of the model where no version has a contract of its own."""
        several = any(name.startswith(contract_parameter("")) for name in told)
        name = contract_parameter(self._statistics()["version"]) if several else CONTRACT_PARAMETER
        return facts_of(told.get(name, told.get(CONTRACT_PARAMETER, "")))

    def model(self) -> dict[str, Any]:
        """How the model is run.

        Returns "engine" in words, "" where the backend tells none; "device", "instances", "size" of the square that it
        sees in pixels, "max_batch", "places" in its queue, 0 for no bound, and "contract", what it tells of the model's
        making (see `facts_of`), empty where it tells nothing.
        """
        config = self._config()
        groups = config.get("instance_group") or [{"count": 1}]  # one for each device
        policy = config.get("dynamic_batching", {}).get("default_queue_policy", {})
        told = {name: each.get("string_value", "") for name, each in config.get("parameters", {}).items()}
        own = told.get("max_queue_size", 0)  # where we queue ourselves
        said = self._ask_model(config)
        on_gpu = any("GPU" in str(each.get("kind", "")) and each.get("gpus") for each in groups)
        return {
            "engine": str(said.get("engine", "")),
            "device": str(said.get("device", "GPU" if on_gpu else "CPU")),
            "instances": sum(int(each.get("count", 1)) for each in groups),
            "size": int(config["input"][0]["dims"][0]),
            "max_batch": int(config.get("max_batch_size", 0)),
            "places": int(policy.get("max_queue_size", own)),
            "contract": self._contract(told),
        }

    def _config(self) -> dict[str, Any]:
        found = self._ask_json("get_model_config", *self._which)
        config: dict[str, Any] = found.get("config", found)  # gRPC wraps it
        return config

    def _ask_model(self, config: dict[str, Any], seconds: float = READY_SECONDS) -> dict[str, Any]:
        """What the backend of this project says when it is asked with its probe, see its `model.py`; else nothing."""
        size = int(config["input"][0]["dims"][0])
        image = self._library.InferInput(config["input"][0]["name"], [1, size, size, 3], "UINT8")
        image.set_data_from_numpy(np.zeros((1, size, size, 3), np.uint8))
        answer = self._ask("infer", self._which[0], [image], self._which[1], seconds=seconds, parameters={PROBE: True})
        said = answer.as_numpy(config["output"][0]["name"]).tobytes().partition(b"\0")[0]
        try:
            told = json.loads(said)
        except ValueError:  # another backend, which has answered with an alpha
            return {}
        return told if isinstance(told, dict) else {}

    def _ask_json(self, question: str, *arguments: str) -> dict[str, Any]:
        extra = {"as_json": True} if self._protocol == "grpc" else {}
        found: dict[str, Any] = self._ask(question, *arguments, **extra)
        return found

    def _ask(self, question: str, *arguments: Any, seconds: float = READY_SECONDS, **extra: Any) -> Any:
        if self._protocol == "grpc":
            extra["client_timeout"] = seconds
        try:
            return getattr(self._client(seconds), question)(*arguments, **extra)
        except Exception as error:  # tritonclient, grpc and gevent raise unrelated types
            raise translate(error, self._url, self._model) from None

    def _client(self, seconds: float) -> Any:
        which = READY_SECONDS if self._protocol == "grpc" else seconds
        if which not in self._clients:
            self._clients[which] = _open(self._protocol, self._address, which)
        return self._clients[which]


def _mean_ms(step: dict[str, Any]) -> float:
    count = int(step.get("count", 0))
    return round(int(step.get("ns", 0)) / count / 1e6, 2) if count else 0.0


def _library(protocol: str) -> Any:
    if protocol == "http":
        import tritonclient.http as http

        return http
    import tritonclient.grpc as grpc

    return grpc


def _open(protocol: str, address: str, seconds: float) -> Any:
    client = _library(protocol).InferenceServerClient
    if protocol == "http":
        return client(address, connection_timeout=seconds, network_timeout=seconds)
    return client(address, channel_args=grpc_settings(address))
