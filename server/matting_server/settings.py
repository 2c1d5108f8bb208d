"""What `matting serve` was asked to do, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matting_client.errors import ModelError, OptionError
from matting_client.hosts import ANY_ADDRESS
from matting_client.repository import DEFAULT_MODEL, model_repository, split_model
from matting_client.serving import LogFormat

from matting_server.errors import SetupError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """Addresses, models and engine of one server."""

    host: str = LOOPBACK
    grpc_port: int = 8001
    triton_http: bool = False  # also KServe over HTTP, through the gateway
    http_port: int = 8000
    triton_metrics: bool = False  # also Triton's metrics, through the gateway
    metrics_port: int = 8002
    allowed_hosts: tuple[str, ...] = ()  # further names under which page and gateway may be reached
    repository: Path | None = None  # None: $MATTING_MODEL_REPOSITORY, else the installed models
    instances: int = 0  # of each model; 0: one on each GPU, one without any
    threads: int = 0  # of the CPU engine of an instance; 0: its share of the cores
    precision: str = "auto"  # auto, int8, bf16 or f32
    trace: str = ""  # URL of an OTLP receiver that is told of requests; none is told
    log_verbose: int = 0  # Triton's own verbosity; above 0 its whole log is shown
    ready_file: Path | None = None  # written when all is ready, removed at the end
    log_format: LogFormat | None = None  # None: $MATTING_LOG_FORMAT, else text
    page: bool = False  # also run the web page and the REST API
    page_host: str = LOOPBACK
    page_port: int = 7860
    model: str = DEFAULT_MODEL  # that the page and the API ask

    @property
    def model_repository(self) -> Path:
        """The folder of the models.

        Raises
        ------
        SetupError
            It does not exist, or lacks the model that the page asks.
        """
        try:
            found = model_repository(self.repository)
            model, version = split_model(self.model)
        except (ModelError, OptionError) as error:
            raise SetupError(str(error)) from None
        if self.page and not (found / model / version).is_dir():
            offered = ", ".join(sorted(path.parent.name for path in found.glob("*/config.pbtxt")))
            raise SetupError(f"--model: got {self.model!r}, expected one of those in {found}: {offered}")
        return found

    @property
    def local_host(self) -> str:
        """Address under which this machine itself reaches the server, as it stands in a URL."""
        return _as_url(self.host)

    @property
    def local_page_host(self) -> str:
        """Address under which this machine itself reaches the page, as it stands in a URL."""
        return _as_url(self.page_host)

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """Option name -> (address, port) of everything that will listen."""
        wanted = {"--grpc-port": (self.host, self.grpc_port)}
        if self.triton_http:
            wanted["--http-port"] = (self.host, self.http_port)
        if self.triton_metrics:
            wanted["--metrics-port"] = (self.host, self.metrics_port)
        if self.page:
            wanted["--page-port"] = (self.page_host, self.page_port)
        return wanted


def in_url(host: str) -> str:
    """An address as it stands before a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _as_url(host: str) -> str:
    return in_url(LOOPBACK if host in ANY_ADDRESS else host)
