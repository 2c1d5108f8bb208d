"""Runs Triton (and the web page, if asked), keeps both alive, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request

from matting_server import tritonserver
from matting_server.health import Health, ServerBroken
from matting_server.managed_process import Program, Service
from matting_server.orphans import OWNER_VARIABLE, sweep
from matting_server.ports import check_ports
from matting_server.settings import Settings
from matting_server.triton_control import Control
from matting_server.workspace import Workspace, create_workspace, fill_backends, fill_models

_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_WAKE_SIGNALS = _STOP_SIGNALS | {signal.SIGCHLD}
STARTING_TICK_SECONDS = 0.1
CANARY_SECONDS = 1.0  # two probes cost about 5 ms
# Severity, date, time, thread, "file:line]" - Triton's log format.
_TRITON_LINE = re.compile(r'([IWEF])\d{4} [\d:.]+ \d+ [^\]]*\] "?(.*?)"?$')
_ENGINE = "engine of "
_HARMLESS = {"CudaDriverHelper has not been initialized."}  # said on every machine without a GPU
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # $http_proxy is for other machines


def say(line: str) -> None:
    """Write one line of our own log, as long as there is somebody to read it."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class Supervisor:
    """One server and, with ``settings.page``, one page."""

    def __init__(
        self, settings: Settings, runtime: tritonserver.Runtime, workspace: Workspace, models: list[str]
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._models = models
        self._control = Control(settings.local_host, settings.http_port, workspace.admin_token)
        self._health: Health | None = None
        triton = Program(
            "Triton",
            tritonserver.command_line(runtime, settings, workspace),
            tritonserver.environment(runtime, settings, workspace),
            self._control.ready,
            workspace.root,  # the models' processes import from where they stand before all else
        )
        self._triton = Service(triton, say, self._triton_line, workspace.clean_up)
        self._services = [self._triton]
        if settings.page:
            self._services.append(Service(_page_program(settings, workspace), say, _page_line))

    def run(self) -> None:
        """Run until a stop signal; raises ServeError when it cannot go on."""
        canary_due = 0.0
        try:
            while not _wait(self._pause()):
                for service in self._services:
                    if service.tick():
                        self._announce(service)
                if self._triton.is_ready and time.monotonic() >= canary_due:
                    self._check_models()
                    canary_due = time.monotonic() + CANARY_SECONDS
        finally:
            for service in reversed(self._services):
                service.stop()

    def _pause(self) -> float:
        return CANARY_SECONDS if all(service.is_ready for service in self._services) else STARTING_TICK_SECONDS

    def _announce(self, service: Service) -> None:
        seconds = f"{'again ' if service.starts > 1 else ''}after {service.age:.1f} s"
        settings = self._settings
        if service is self._triton:
            self._workspace.note_scratch(time.time() - service.age)
            self._health = Health(self._control, self._workspace, self._models, say)
            say(
                f"Triton ready {seconds}: gRPC {settings.host}:{settings.grpc_port}, "
                f"HTTP http://{settings.host}:{settings.http_port}, "
                f"metrics http://{settings.host}:{settings.metrics_port}/metrics ({', '.join(self._models)})"
            )
        else:
            say(f"page and REST API ready {seconds}: http://{settings.page_host}:{settings.page_port}")
        if all(each.is_ready and each.starts == 1 for each in self._services):
            say("Ctrl-C ends it")

    def _check_models(self) -> None:
        assert self._health is not None
        try:
            self._health.check()
        except ServerBroken as broken:
            self._triton.fail(f"is stopped, since {broken}")

    def _triton_line(self, line: str) -> None:
        if self._settings.log_verbose:
            say(line)
        elif match := _TRITON_LINE.match(line):
            severity, message = match.groups()
            if message not in _HARMLESS and (severity in "EF" or message.startswith(_ENGINE)):
                say(f"Triton: {message}")


def serve(settings: Settings) -> None:
    """Start everything and return when a signal asked for the end.

    Raises
    ------
    ServeError
        When something is missing, or the server keeps dying.
    """
    for folder in sweep():  # first of all: what is swept may still hold our ports
        say(f"removed {folder}, left behind by a server that was killed")
    check_ports(settings.ports)
    runtime = tritonserver.find_runtime()
    # Blocked before any thread starts: the loop below fetches them one by one, and nothing is ever interrupted halfway.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAKE_SIGNALS - _ignored())
    workspace = create_workspace()
    try:
        fill_backends(workspace, runtime.python_backend, runtime.stub)
        models = fill_models(workspace, settings.model_repository)
        Supervisor(settings, runtime, workspace, models).run()
    finally:
        workspace.close()


def _wait(seconds: float) -> bool:
    """Wait for a signal or the time; True when asked to stop."""
    received = signal.sigtimedwait(_WAKE_SIGNALS - _ignored(), seconds)
    return received is not None and received.si_signo in _STOP_SIGNALS


def _ignored() -> set[signal.Signals]:
    """SIGHUP under `nohup`: Linux hands an ignored signal to whoever waits for it."""
    return {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()


def _page_program(settings: Settings, workspace: Workspace) -> Program:
    host, port = settings.page_host, str(settings.page_port)
    arguments = ["--host", host, "--port", port, "--url", f"{settings.local_host}:{settings.grpc_port}"]
    alive = f"http://{settings.local_page_host}:{port}/livez"
    workspace.page.mkdir()
    env = {**os.environ, OWNER_VARIABLE: str(workspace.root), "TMPDIR": str(workspace.page)}
    return Program(
        "the page", [sys.executable, "-P", "-m", "matting_api.main", *arguments], env, lambda: _answers(alive)
    )


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _page_line(line: str) -> None:
    say(f"page: {line}")
