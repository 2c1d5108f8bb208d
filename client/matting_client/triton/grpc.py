"""The model on a Triton server over gRPC, with shared memory where the server is on this machine."""

from __future__ import annotations

from typing import Any

from matting_client.triton.aio import AsyncTritonEngine
from matting_client.triton.protocol import LbPolicy, grpc_settings, is_local
from matting_client.triton.shm import token_headers
from matting_client.triton.sync import SyncTritonEngine


class _OverGrpc:
    """What both engines have in common."""

    url: str
    timeout: float

    def _options(self) -> dict[str, Any]:
        return {"client_timeout": self.timeout}

    def _may_share(self, wish: bool | None) -> bool:
        return bool(token_headers(self.url)) and is_local(self.url) if wish is None else wish

    def _memory_options(self) -> dict[str, Any]:
        # Read anew each time: a server that was started again has another token.
        return {"headers": token_headers(self.url), **self._options()}


class GrpcEngine(_OverGrpc, SyncTritonEngine):
    """Over gRPC.

    Parameters
    ----------
    url : host:port.
    model : name in the repository.
    shared_memory : pass pixels through system shared memory; None does so where a server of this user on this machine
        lets it.
    lb_policy : "round_robin" asks all servers that a name stands for in turn, "pick_first" stays with one.
    timeout : seconds for one attempt.
    retry : waits between attempts.

    Raises
    ------
    ServerUnavailable
        No server answers.
    ModelError
        The server has no such matting model.
    """

    def __init__(
        self,
        url: str = "127.0.0.1:8001",
        model: str = "matting_512",
        *,
        lb_policy: LbPolicy = "pick_first",
        **options: Any,
    ) -> None:
        import tritonclient.grpc as module

        self.module = module
        self._client = module.InferenceServerClient(url, channel_args=grpc_settings(url, lb_policy))
        super().__init__(url, model, **options)

    def _connection(self) -> Any:
        return self._client

    def _disconnect(self) -> None:
        self._client.close()

    def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get_model_metadata(
            self._name, self._version, as_json=True, client_timeout=self.timeout
        )
        return found


class AsyncGrpcEngine(_OverGrpc, AsyncTritonEngine):
    """Over gRPC, awaitable; parameters and errors as of `GrpcEngine`, raised by `connect`."""

    def __init__(
        self,
        url: str = "127.0.0.1:8001",
        model: str = "matting_512",
        *,
        lb_policy: LbPolicy = "pick_first",
        **options: Any,
    ) -> None:
        import tritonclient.grpc.aio as module

        self.module = module
        self._settings = grpc_settings(url, lb_policy)
        super().__init__(url, model, **options)

    def _open(self) -> Any:
        return self.module.InferenceServerClient(self.url, channel_args=self._settings)

    async def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = await (await self._connection()).get_model_metadata(
            self._name, self._version, as_json=True, client_timeout=self.timeout
        )
        return found
