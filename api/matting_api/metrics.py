"""What /metrics tells, in Prometheus' text form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

from matting_client import __version__
from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from matting_api import paths
from matting_api.concurrency import Turns
from matting_api.jobs.job import DONE, FAILED, QUEUED, WORKING
from matting_api.middleware.incoming import Incoming

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
# Codes that alerts of deploy/prometheus/rules.yml look for.
WATCHED = ("insufficient_storage", "storage_unavailable", "server_busy")
__all__ = ["CONTENT_TYPE", "Metrics"]


class Metrics:
    """Counters of one process; safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "matting_http_requests", "Answers by path and status.", ["path", "status"], registry=registry
        )
        self._failures = Counter(
            "matting_failures", "Answers that are errors, and jobs that failed, by code.", ["code"], registry=registry
        )
        self._attempts = Counter(
            "matting_refused_attempts", "Wrong keys and passwords.", ["kind", "outcome"], registry=registry
        )
        self._photos = Counter("matting_photos", "Photos cut out, by the page and the API.", registry=registry)
        self._seconds = Histogram(
            "matting_step_seconds", "Seconds of each step of a photo.", ["step"], buckets=BUCKETS, registry=registry
        )
        self._outputs = Counter(
            "matting_outputs",
            "Results for --outputs, by whether they were kept.",
            ["kept"],
            registry=registry,
        )
        self._queue = Gauge(
            "matting_queue", "API requests in the house, by what they do.", ["state"], registry=registry
        )
        self._jobs = Gauge(
            "matting_jobs", "Jobs that are kept, by kind and state.", ["kind", "state"], registry=registry
        )
        self._ready = Gauge("matting_ready", "1 where the model answers, as of /readyz.", registry=registry)
        Info("matting_build", "Which version runs.", registry=registry).info({"version": __version__})
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Show what alerts look for before it happens: what begins with its first event does not increase there."""
        for code in WATCHED:
            self._failures.labels(code)
        for kind, outcome in product(("key", "password"), ("failed", "locked")):
            self._attempts.labels(kind, outcome)
        for was_kept in ("true", "false"):
            self._outputs.labels(was_kept)

    def watch_incoming(self, incoming: Incoming) -> None:
        """Show the bodies on their way."""
        self._queue.labels("receiving").set_function(lambda: len(incoming))

    def watch_turns(self, turns: Turns) -> None:
        """Show a queue."""
        self._queue.labels("working").set_function(lambda: turns.working)
        self._queue.labels("waiting").set_function(lambda: turns.waiting)

    def watch_jobs(self, kind: str, count: Callable[[str], int]) -> None:
        """Show jobs of a kind; `count` tells how many are in a state."""
        for state in (QUEUED, WORKING, DONE, FAILED):
            self._jobs.labels(kind, state).set_function(partial(count, state))

    def note_ready(self, is_ready: bool) -> None:
        """Note whether the model answers now."""
        self._ready.set(is_ready)

    def answered(self, path: str, status: int, code: str | None) -> None:
        """Count an answer; paths that are not the API's, the page's among them, are counted together."""
        self._requests.labels(path if path in paths.ALL else "other", str(status)).inc()
        if code is not None:
            self.failed(code)

    def failed(self, code: str) -> None:
        """Count an error that was answered, or is a job's."""
        self._failures.labels(code).inc()

    def attempted(self, kind: str, outcome: str) -> None:
        """Count a wrong key or password, or an attempt while there were too many."""
        self._attempts.labels(kind, outcome).inc()

    def cut_out(self) -> None:
        """Count a photo."""
        self._photos.inc()

    def kept_output(self, was_kept: bool) -> None:
        """Count a result that was to be kept."""
        self._outputs.labels("true" if was_kept else "false").inc()

    def spent(self, seconds: Mapping[str, float]) -> None:
        """Count the seconds of steps, by their names."""
        for step, spent in seconds.items():
            self._seconds.labels(step).observe(spent)

    def text(self) -> bytes:
        """Everything, of the type `CONTENT_TYPE`."""
        return generate_latest(self._registry)
