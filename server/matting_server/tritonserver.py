"""The Triton server inside the nvidia-pytriton wheel: where it is, its environment, its command line."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from matting_client.runtime.gpus import has_cuda, visible_gpus
from matting_client.serving import trace_endpoint
from matting_client.system import usable_cores

from matting_server.errors import SetupError
from matting_server.orphans import OWNER_VARIABLE
from matting_server.plain_names import python_for_models
from matting_server.settings import Settings
from matting_server.workspace import Workspace

PYTHONS = ((3, 11), (3, 12))
_INSTALL = "run ./run.sh --setup-only, or pip install -e './client[local]' -e '.[serve]'"
# Loading a model takes files from the request and runs them; trace and log settings name files to write. Over gRPC
# nobody may: no header of HTTP/2 has capital letters, so none can have this name. The supervisor does so over HTTP.
_FOR_NOBODY = "model-repository,trace,logging:For-Nobody=x"
# Whoever registers memory can have photos of others written there, and wrong ones read.
SHM_HEADER = "x-unet-matting-shm"


@dataclass(frozen=True)
class Runtime:
    """The files of the wheel that we use."""

    root: Path  # .../pytriton/tritonserver
    libraries: Path  # shared libraries the wheel brings
    stub: Path  # the process that runs a Python model, built for this Python

    @property
    def binary(self) -> Path:
        """The server itself."""
        return self.root / "bin" / "tritonserver"

    @property
    def python_backend(self) -> Path:
        """The python backend, which ours is based on."""
        return self.root / "backends" / "python"


def find_runtime() -> Runtime:
    """Locate the embedded server and check that it can work here.

    Raises
    ------
    SetupError
        On another platform or Python, without the wheel, or with numpy 2 (with which the python backend of this
        Triton returns wrong data without a word).
    """
    check_platform(sys.platform, platform.machine(), sys.version_info[:2])
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise SetupError(f"the package nvidia-pytriton, which carries the Triton server, is not installed: {_INSTALL}")
    check_numpy(importlib.metadata.version("numpy"))
    package = Path(spec.origin).parent
    root = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    runtime = Runtime(
        root=root,
        libraries=package.parent / "nvidia_pytriton.libs",
        stub=root / "python_backend_stubs" / version / "triton_python_backend_stub",
    )
    for path in (runtime.binary, runtime.python_backend, runtime.libraries, runtime.stub):
        if not path.exists():
            raise SetupError(f"{path} is missing, the installation of nvidia-pytriton is not complete: {_INSTALL}")
    return runtime


def check_platform(system: str, machine: str, python: tuple[int, int]) -> None:
    """Refuse what the embedded server was not built for."""
    if system != "linux" or machine not in ("x86_64", "AMD64"):
        raise SetupError(
            f"the embedded Triton runs on Linux x86-64, this is {system} {machine}: use the container "
            "(docker compose --profile cpu up), or matting cutout --engine local"
        )
    if python not in PYTHONS:
        got = ".".join(map(str, python))
        raise SetupError(f"got Python {got}, the embedded Triton needs 3.11 or 3.12: make the environment with one")


def check_numpy(version: str) -> None:
    """Refuse numpy 2: the python backend of this Triton then reads and writes wrong data silently."""
    if int(version.split(".")[0]) >= 2:
        raise SetupError(f"got numpy {version}, the embedded Triton needs numpy below 2: pip install 'numpy<2'")


def environment(runtime: Runtime, settings: Settings, workspace: Workspace) -> dict[str, str]:
    """Environment of the server and, through it, of the processes that run the models."""
    env = dict(os.environ)
    # The stub finds its Python environment through PATH and its libpython through LIBDIR.
    python = python_for_models(workspace.python)
    env["PATH"] = os.pathsep.join((str(python), env.get("PATH", os.defpath)))
    libraries = [sysconfig.get_config_var("LIBDIR"), str(runtime.libraries), env.get("LD_LIBRARY_PATH")]
    env["LD_LIBRARY_PATH"] = os.pathsep.join(path for path in libraries if path)
    # Triton has none of its own on a GPU; the processes of the models may see theirs.
    env["MATTING_CUDA_DEVICES"] = ",".join(visible_gpus())
    env["CUDA_VISIBLE_DEVICES"] = ""
    env["MALLOC_ARENA_MAX"] = "2"  # the server's threads would each keep freed request buffers for themselves
    env[OWNER_VARIABLE] = str(workspace.root)
    env["MATTING_METRICS_SOCKET"] = str(workspace.metrics_socket)
    env["MATTING_LIFE"] = str(workspace.life)
    env["MATTING_THREADS"] = str(settings.threads or threads_of(instances_of(settings)))
    env["MATTING_PRECISION"] = settings.precision
    return env


def instances_of(settings: Settings) -> int:
    """How many processes each model gets: as many as were asked for, else one for each GPU that is used."""
    if settings.instances:
        return settings.instances
    return max(1, len(visible_gpus())) if settings.precision == "auto" and has_cuda() else 1


def threads_of(instances: int) -> int:
    """Threads of each of several processes, which share the cores; 0, which leaves it to the engine, of one alone."""
    return max(1, usable_cores() // instances) if instances > 1 else 0


def command_line(runtime: Runtime, settings: Settings, workspace: Workspace) -> list[str]:
    """Command that starts the server on ``workspace``."""
    return [
        str(runtime.binary),
        f"--model-repository={workspace.models}",
        f"--backend-directory={workspace.backends}",
        f"--cache-directory={runtime.root / 'caches'}",
        f"--backend-config=python,shm-region-prefix-name={workspace.shm_prefix}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--disable-auto-complete-config",  # our config.pbtxt files are complete
        # Files in a private folder: no other user and no web page reaches them. `gateway` opens ports, if asked.
        f"--http-address=unix:{workspace.http_socket}",
        f"--metrics-address=unix:{workspace.metrics_socket}",
        f"--grpc-address={settings.host}",
        f"--grpc-port={settings.grpc_port}",
        f"--grpc-restricted-protocol={_FOR_NOBODY}",
        f"--grpc-restricted-protocol=shared-memory:{SHM_HEADER}={workspace.shm_token}",
        "--grpc-infer-allocation-pool-size=0",  # each kept request would hold the memory of the largest ever sent
        "--pinned-memory-pool-byte-size=0",
        "--allow-gpu-metrics=false",
        "--exit-timeout-secs=5",
        f"--log-verbose={settings.log_verbose}",
        *_trace_options(settings.trace),
    ]


def _trace_options(url: str) -> list[str]:
    """Spans of the requests that come with a `traceparent`, and of no others."""
    if not url:
        return []
    settings = (
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=0",
        f"opentelemetry,url={trace_endpoint(url)}",
        "opentelemetry,resource=service.name=unet-matting-triton",
    )
    return [f"--trace-config={setting}" for setting in settings]
