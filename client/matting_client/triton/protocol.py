"""What the synchronous and asynchronous Triton engines share: addresses, tensors, connection settings."""

from __future__ import annotations

from http.client import HTTPException
from types import ModuleType
from typing import Any, Literal, get_args

from tritonclient.utils import InferenceServerException

from matting_client.engine import INPUT, OUTPUT
from matting_client.errors import ModelError, OptionError, ServerBusy, ServerUnavailable
from matting_client.system import is_loopback
from matting_client.triton.retry import Retry, translate
from matting_client.triton.shm import Region
from matting_client.types import Batch

LbPolicy = Literal["pick_first", "round_robin"]  # gRPC's: one of the addresses that a name has, or each in turn
# What the synchronous transports raise; HTTPException comes when a server dies in the middle of an HTTP answer.
TRANSPORT_ERRORS = (InferenceServerException, OSError, HTTPException)
# A photo is answered before the rest of its batch, and until that is done its region stays registered: the server
# refuses to unregister it, or takes note and forgets it again, so the wish is repeated for as long as a batch may take.
UNREGISTERING = Retry(budget=30.0, first=0.02)


def is_local(url: str) -> bool:
    """Whether host:port names this machine's loopback interface."""
    return is_loopback(url.rsplit(":", 1)[0])


def grpc_settings(url: str, lb_policy: LbPolicy = "pick_first") -> list[tuple[str, int | str]]:
    """Settings of a gRPC channel: messages of any size, quick reconnection, no proxy for this very machine.

    Raises
    ------
    OptionError
        gRPC has no such policy that needs no further settings.
    """
    if lb_policy not in get_args(LbPolicy):
        raise OptionError("lb_policy", repr(lb_policy), " or ".join(get_args(LbPolicy)))
    settings: list[tuple[str, int | str]] = [
        ("grpc.lb_policy_name", lb_policy),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    return [*settings, ("grpc.enable_http_proxy", 0)] if is_local(url) else settings


def input_side(model: str, url: str, metadata: dict[str, Any]) -> int:
    """Side S of a model's input from its KServe metadata.

    Raises
    ------
    ModelError
        The model is not one of ours.
    """
    shapes = {entry["name"]: [int(n) for n in entry["shape"]] for entry in metadata.get("inputs", [])}
    shape = shapes.get(INPUT, [])
    if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or shape[1] <= 0:
        raise ModelError(
            url,
            problem=f"{model} has inputs {shapes}, expected {INPUT} (batch, S, S, 3)",
            remedy="choose a matting model",
        )
    return shape[1]


def request_tensors(module: ModuleType, image: Batch, region: Region | None = None) -> tuple[list[Any], list[Any]]:
    """Input and requested output of one request, carrying pixels or pointing into a region."""
    given = module.InferInput(INPUT, list(image.shape), "UINT8")
    wanted = module.InferRequestedOutput(OUTPUT)
    if region is None:
        given.set_data_from_numpy(image)
    else:
        given.set_shared_memory(region.name, image.nbytes)
        wanted.set_shared_memory(region.name, image.nbytes // 3, offset=region.image_bytes)
    return [given], [wanted]


def alpha_shape(image: Batch) -> tuple[int, ...]:
    """Shape of the answer to a batch."""
    return (*image.shape[:3], 1)


def may_have_arrived(error: BaseException, url: str, model: str) -> bool:
    """Whether the server may have done what a failed call asked: no answer came, or nobody waited for it any more."""
    if not isinstance(error, Exception):
        return True
    return isinstance(translate(error, url, model), ServerBusy | ServerUnavailable)
