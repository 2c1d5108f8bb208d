"""The client of the model: connected when first needed, replaced after the server was gone."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matting_client import (
    Cutout,
    MattingClient,
    ModelError,
    OptionError,
    Options,
    ServerUnavailable,
    open_engine,
)
from matting_client.engines import Engine
from matting_client.timing import Timings
from matting_client.triton.retry import Retry
from matting_client.video.job import make_container
from matting_client.video.pipeline import Plan

from matting_api.concurrency import Turns
from matting_api.metrics import Metrics
from matting_api.outputs import Outputs
from matting_api.settings import Settings
from matting_api.tracing import Tracing
from matting_api.triton_probe import Silence, TritonProbe

DAY = 86_400.0  # seconds
log = logging.getLogger("api")


@dataclass
class _Connection:
    client: MattingClient
    model: str
    users: int = 0
    stale: bool = False


class Service:
    """Cuts photos out through one engine; safe to use from several threads.

    Nothing is opened before it is needed, so that it can start before the server does.

    Attributes
    ----------
    outputs : keeps results, where the settings say so.
    queues : in which requests wait, for `end_waiting`.
    tracing : tells a collector, where the settings name one.

    Raises
    ------
    OptionError
        The folder for results cannot be written to.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.outputs: Outputs | None = None
        if settings.outputs is not None:
            limits = settings.outputs_mb * 2**20, settings.outputs_days * DAY
            self.outputs = Outputs(settings.outputs, *limits, self.metrics.kept_output)
        self.tracing = Tracing(settings.trace) if settings.trace else None
        self.queues: list[Turns] = []
        self._closers: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._current: dict[str, _Connection] = {}  # by model
        self._silence = Silence()

    def end_waiting(self) -> None:
        """Refuse the requests that wait, since the service was told to end; those at work are finished."""
        for queue in self.queues:
            queue.close()

    def cutout(
        self, photo: bytes, options: Options | None = None, name: str = "photo", model: str | None = None
    ) -> Cutout:
        """Cut the subject out of a file's bytes; blocks, call it from a thread.

        Parameters
        ----------
        model : one of `settings.models`; None for the one that the settings name.

        Raises
        ------
        InputError, EngineError
        OptionError
            `model` is another one than that of the settings, and cannot be used here.
        """
        try:
            with self._client(model) as client:
                cutout = client.cutout(photo, options, name)
        except ModelError as error:
            if model in (None, self.settings.model):
                raise
            log.warning("%s", error)
            raise OptionError(
                "model", repr(model), f"one that this server has, such as {self.settings.model!r}"
            ) from None
        self.metrics.cut_out()
        self.metrics.spent(cutout.seconds)
        return cutout

    def convert(self, plan: Plan, target: Path, on_frame: Callable[[], None]) -> None:
        """Make the file of a clip; blocks, call it from a thread.

        Parameters
        ----------
        plan : what becomes of which clip.
        target : the result, whose suffix is .webm, .mov or .mp4.
        on_frame : called after every frame; what it raises stops the work and removes what there is of it.

        Raises
        ------
        MattingError
        """
        try:
            self.make_clip(plan, target, on_frame)
        finally:
            if not target.exists():
                shutil.rmtree(target.parent, ignore_errors=True)

    def make_clip(self, plan: Plan, target: Path, on_frame: Callable[[], None]) -> None:
        """As `convert`, but the target's folder stays when it fails."""
        with self._client() as client:
            make_container(client.engine, plan, target, {}, on_frame=on_frame)
        if self.outputs is not None:
            self.outputs.keep_file(target)

    def keep(self, data: bytes, stem: str, ending: str) -> None:
        """Keep a result where the settings say so; see `Outputs.keep`."""
        if self.outputs is not None:
            self.outputs.keep(data, stem, ending)

    def check_ready(self) -> None:
        """Return when the model can answer now.

        Raises
        ------
        EngineError
            It cannot; says why.
        """
        if self.settings.engine == "local":
            with self._client():
                return
        # A connection of its own: an existing one may be waiting out its pause between attempts to connect again.
        with TritonProbe(self.settings.url, self.settings.model) as probe:
            probe.check_ready(self._silence)

    def status(self) -> dict[str, Any]:
        """Which server answers, the batches it has formed, and how it runs the model: "server", "batches" and "run".

        Raises
        ------
        EngineError
            The model cannot answer now.
        """
        if self.settings.engine == "local":
            self.check_ready()
            return {"server": None, "batches": None, "run": None}  # photos go through this process one by one
        with TritonProbe(self.settings.url, self.settings.model) as probe:
            probe.check_ready(self._silence)
            return {"server": probe.server(), "batches": probe.batches(), "run": probe.model()}

    def traced(self, name: str, **attributes: str) -> AbstractContextManager[Callable[[Timings], None]]:
        """Around work that no request waits for: see `Tracing.work`; does nothing where there is no collector."""
        return nullcontext(lambda timings: None) if self.tracing is None else self.tracing.work(name, **attributes)

    def close_with(self, closer: Callable[[], None]) -> None:
        """Call something when this is closed."""
        self._closers.append(closer)

    def close(self) -> None:
        """Stop jobs, the latest first, and close the connection, after whoever uses it."""
        while self._closers:
            self._closers.pop()()
        if self.outputs is not None:
            self.outputs.close()
        with self._lock:
            connections = list(self._current.values())
            self._current = {}
        for connection in connections:
            self._retire(connection)
        if self.tracing is not None:
            self.tracing.close()

    @contextmanager
    def _client(self, model: str | None = None) -> Iterator[MattingClient]:
        connection = self._take(model or self.settings.model)
        try:
            yield connection.client
        except ServerUnavailable:
            # The next request opens a new connection at once, where this one would wait longer and longer.
            self._retire(connection)
            raise
        finally:
            with self._lock:
                connection.users -= 1
                last = connection.stale and connection.users == 0
            if last:
                connection.client.close()

    def _take(self, model: str) -> _Connection:
        with self._lock:
            if (found := self._current.get(model)) is not None:
                found.users += 1
                return found
        opened = _Connection(MattingClient(self._open_patiently(model), self.settings.limits), model)
        with self._lock:
            chosen = self._current.setdefault(model, opened)
            chosen.users += 1
        if chosen is not opened:
            opened.client.close()
        return chosen

    def _retire(self, connection: _Connection) -> None:
        with self._lock:
            if self._current.get(connection.model) is connection:
                del self._current[connection.model]
            close = not connection.stale and connection.users == 0
            connection.stale = True
        if close:
            connection.client.close()

    def _open_patiently(self, model: str) -> Engine:
        """Connect; each request waits by itself for a server that comes back, as it does once it is connected."""
        waits = Retry(budget=self.settings.retry_seconds).waits()
        while True:
            try:
                return self._open(model)
            except ServerUnavailable:
                wait = next(waits, None)
                if wait is None:
                    raise
            time.sleep(wait)

    def _open(self, model: str) -> Engine:
        settings = self.settings
        return open_engine(
            settings.engine,
            settings.url,
            model,
            shared_memory=settings.shared_memory,
            lb_policy=settings.lb_policy,
            retry=Retry(budget=settings.retry_seconds),
        )
