"""What the supervisor runs beside Triton: the page, and the gateway for those who want HTTP."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import urllib.request

from matting_client.repository import REPOSITORY_VARIABLE
from matting_client.serving import LOG_VARIABLE

from matting_server.errors import SetupError
from matting_server.managed_process import Program
from matting_server.orphans import OWNER_VARIABLE
from matting_server.settings import Settings, in_url
from matting_server.workspace import Workspace

GATEWAY = "the HTTP gateway"
PAGE = "the page"
ANSWER_SECONDS = 1.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # $http_proxy is for other machines
Sockets = dict[str, socket.socket]


def gateway_program(settings: Settings, workspace: Workspace, sockets: Sockets) -> Program:
    """The gateway; ``sockets`` by the option that chose their port."""
    kinds = {f"--{kind}-port": kind for kind in ("http", "metrics") if f"--{kind}-port" in sockets}
    names = ["--host", settings.host, "--allowed-hosts", *settings.allowed_hosts]
    port = settings.ports[next(iter(kinds))][1]
    return Program(
        GATEWAY,
        [*_python("matting_server.gateway"), "--folder", str(workspace.root), *names, "--", *kinds.values()],
        _environment(workspace),
        lambda: is_answering(f"http://{settings.local_host}:{port}/livez"),
        sockets=tuple(sockets[option] for option in kinds),
    )


def gateway_addresses(settings: Settings) -> str:
    """Where the gateway is reached."""
    host = in_url(settings.host)
    http = [f"KServe http://{host}:{settings.http_port}"] if settings.triton_http else []
    metrics = [f"metrics http://{host}:{settings.metrics_port}/metrics"] if settings.triton_metrics else []
    return ", ".join(http + metrics)


def page_program(settings: Settings, workspace: Workspace, sockets: Sockets) -> Program:
    """The page with the REST API; ``sockets`` by the option that chose their port."""
    host = settings.page_host
    port = str(settings.page_port)
    arguments = ["--host", host, "--port", port, "--model", settings.model]
    arguments += ["--url", f"{settings.local_host}:{settings.grpc_port}"]
    if settings.allowed_hosts:
        arguments += ["--allowed-hosts", " ".join(settings.allowed_hosts)]
    if settings.trace:
        arguments += ["--trace", settings.trace]
    workspace.page.mkdir()
    return Program(
        PAGE,
        [*_python("matting_api.main"), *arguments],
        {
            **_environment(workspace),
            "TMPDIR": str(workspace.page),
            REPOSITORY_VARIABLE: str(settings.model_repository),  # browsers get the model from there
        },
        lambda: is_answering(f"http://{settings.local_page_host}:{port}/livez"),
        sockets=(sockets["--page-port"],),
        usage_code=SetupError.exit_code,
    )


def is_answering(url: str) -> bool:
    """Whether a process of ours answers at ``url``."""
    try:
        with _DIRECT.open(url, timeout=ANSWER_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):  # the second of one that ends in its answer
        return False


def _environment(workspace: Workspace) -> dict[str, str]:
    return {**os.environ, OWNER_VARIABLE: str(workspace.root), LOG_VARIABLE: "json"}


def _python(module: str) -> list[str]:
    """Run a module of ours, whatever lies in the folder where the server was started."""
    return [sys.executable, "-P", "-m", module]
