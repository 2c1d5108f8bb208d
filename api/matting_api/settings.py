"""What `matting ui` was asked to do, as one frozen value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from matting_client import Limits, OptionError
from matting_client.connection import split_url
from matting_client.system import default_workers, is_loopback
from matting_client.triton.protocol import LbPolicy

from matting_api.extras import check_extra
from matting_api.jobs.buckets import Grant
from matting_api.middleware.proxies import Network
from matting_api.tracing import check_tracing

MODELS = ("matting_512", "matting_1024")  # quick, and finest hair
MOST_PIXELS = 178_000_000  # Pillow refuses pictures beyond 178.9 million


@dataclass(frozen=True)
class Settings:
    """Address, engine and limits of one API.

    Raises
    ------
    OptionError
        A value is out of range.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    allowed_hosts: tuple[str, ...] = ()  # names beside loopback's and `host`; see `matting_client.hosts`
    trusted_proxies: tuple[Network, ...] = ()  # whose X-Forwarded-For is believed
    engine: str = "triton"  # triton or local
    url: str = "127.0.0.1:8001"
    model: str = "matting_512"
    shared_memory: bool | None = None  # pass pixels through it; None: where Triton is on this machine
    lb_policy: LbPolicy = "pick_first"  # of gRPC, where the URL names several servers
    max_upload_mb: int = 64  # of a picture
    max_clip_mb: int = 512
    max_pixels: int = 60_000_000
    # Photos at once for the API's requests, as many for those of the page, and as many for its batches; half of it for
    # jobs. What bounds all of them together is memory (`matting_client.budget`). 0: see default_workers
    workers: int = 0
    waiting: int = 48  # further requests that may wait for their turn; more are refused with 503
    retry_seconds: float = 15.0  # how long a busy or restarting server is asked again; outlives a revival of 10 s
    access_log: bool = False  # a line for each request
    page: bool = True  # the web page beside the API
    logins: Mapping[str, str] = field(default_factory=dict, repr=False)  # passwords by name; none for an open page
    mcp: bool = False  # the page's functions as tools of the Model Context Protocol
    urls: bool = False  # fetch image_url and bg_image_url from the internet
    url_ports: frozenset[int] = frozenset((80, 443))  # at these ports only
    samples: Path | None = None  # where photos that went wrong are kept; None keeps none
    jobs_folder: Path | None = None  # where jobs outlive the process; None: they end with it
    jobs_buckets: tuple[Grant, ...] = ()  # places in S3-compatible buckets that jobs may name; none
    webhook_secret: bytes = field(default=b"", repr=False)  # signs what is told of jobs that are over
    trace: str = ""  # URL of an OTLP receiver that is told of photo requests; none is told
    outputs: Path | None = None  # where results are kept, too; None keeps none
    outputs_mb: int = 10_240  # of them all; the oldest go first
    outputs_days: int = 30  # after which they go
    preview_by_default: bool = False  # size without a value is remove.bg's default, 0.25 megapixels
    root_path: str = ""  # below which a proxy shows it, such as /matting
    origins: tuple[str, ...] = ()  # of other websites that may use the API
    keys: frozenset[str] = field(default=frozenset(), repr=False)  # who may use the API; none for everyone
    keys_file: Path | None = None  # where they are from, beside the environment; read again when it changes
    rate: int = 0  # photos a minute of one key, or of one address without keys; 0 for no limit
    quota: int = 0  # the same a day

    def __post_init__(self) -> None:
        if self.engine not in ("triton", "local"):
            raise OptionError("--engine", f"{self.engine!r}", "triton or local")
        if self.engine == "triton":
            split_url(self.url)
        for name, value, low, high in (
            ("--port", self.port, 0, 65535),
            ("--max-upload-mb", self.max_upload_mb, 1, 1024),
            ("--max-clip-mb", self.max_clip_mb, 1, 2000),
            ("--max-pixels", self.max_pixels, 1, MOST_PIXELS),
            ("--jobs", self.workers, 0, 256),
            ("--queue", self.waiting, 0, 10_000),
            ("--rate", self.rate, 0, 1_000_000),
            ("--quota", self.quota, 0, 1_000_000_000),
            ("--outputs-mb", self.outputs_mb, 1, 1_000_000_000),
            ("--outputs-days", self.outputs_days, 1, 36_500),
        ):
            if not low <= value <= high:
                raise OptionError(name, value, f"{low} to {high}")
        if self.root_path and not re.fullmatch(r"(/[\w.~-]+)+", self.root_path):
            raise OptionError("--root-path", f"{self.root_path[:100]!r}", "a path such as /matting")
        if self.mcp and (self.logins or not self.page):
            raise OptionError(
                "--mcp", "it with --logins-file or --no-page", remedy="its tools are those of an open page"
            )
        if self.mcp:
            check_extra("--mcp", "mcp", "mcp")
        if self.webhook_secret and not (self.urls and self.jobs_folder):
            raise OptionError(
                "--webhook-secret-file",
                "it without --urls and --jobs-folder",
                remedy="give both, or leave it out, for nobody is told of jobs without them",
            )
        if self.jobs_buckets:
            check_extra("--jobs-buckets", "obstore", "s3")
        if self.trace:
            check_tracing(self.trace)
        if not self.workers:
            object.__setattr__(self, "workers", default_workers())

    @property
    def models(self) -> tuple[str, ...]:
        """The models that a request may name."""
        return (self.model, *(each for each in MODELS if each != self.model))

    @property
    def limits(self) -> Limits:
        """Largest accepted photo."""
        return Limits(self.max_upload_mb * 2**20, self.max_pixels)

    @property
    def clip_bytes(self) -> int:
        """Of the largest accepted clip."""
        return self.max_clip_mb * 2**20

    @property
    def local_address(self) -> str:
        """Host and port under which this machine itself reaches it."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"[{host}]:{self.port}" if ":" in host and not host.startswith("[") else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        return is_loopback(self.host)


def read_ports(text: str) -> frozenset[int]:
    """Ports from a text such as "80,443".

    Raises
    ------
    OptionError
    """
    words = text.replace(",", " ").split()
    if not words or not all(re.fullmatch("[0-9]{1,5}", word) and 0 < int(word) < 65536 for word in words):
        raise OptionError("--url-ports", f"{text[:100]!r}", "ports such as 80,443")
    return frozenset(map(int, words))
