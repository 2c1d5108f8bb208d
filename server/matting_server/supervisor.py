"""Runs Triton (and the web page, if asked), keeps all alive, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from functools import partial

from matting_client.serving import raise_file_limit, relay, too_few_files

from matting_server import tritonserver
from matting_server.connections import end_connections
from matting_server.errors import ServeError, SetupError
from matting_server.health import Health
from matting_server.managed_process import HARMLESS, Listeners, Program, Service
from matting_server.orphans import sweep
from matting_server.ports import check_ports, listen
from matting_server.process import adopt_orphans
from matting_server.programs import GATEWAY, Sockets, gateway_addresses, gateway_program, page_program
from matting_server.ready_file import check_ready_file, remove_stale
from matting_server.settings import Settings, in_url
from matting_server.signals import StopSignals
from matting_server.triton_control import Control
from matting_server.workspace import Workspace, create_workspace, fill_backends, fill_models

FEWEST_FILES = 256  # Triton has 66 open before anyone calls it, and one more for each connection
WATCH_SECONDS = 0.5  # between looks at the services, which do their work in threads
# `docker stop` and systemd wait for 10 s: first what faces callers ends what it has begun, then Triton.
DRAIN_SECONDS = 5.5
TRITON_STOP_SECONDS = 3.0
# Severity, date, time, thread, "file:line]" - Triton's log format.
_TRITON_LINE = re.compile(r'([IWEF])\d{4} [\d:.]+ \d+ [^\]]*\] "?(.*?)"?$')
_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}
_ENGINE = "engine of "
log = logging.getLogger("matting")


class Supervisor:
    """One server and, if they are asked for, one page and one gateway for HTTP.

    Parameters
    ----------
    settings
        What to run.
    runtime
        The files of the embedded Triton.
    workspace
        Where it runs.
    models
        Names of the models in the workspace.
    sockets
        Listening sockets by the option that chose their port.
    """

    def __init__(
        self,
        settings: Settings,
        runtime: tritonserver.Runtime,
        workspace: Workspace,
        models: list[str],
        sockets: Sockets,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._models = models
        self._sockets = sockets
        self._control = Control(workspace.http_socket)
        self._triton_died = threading.Event()
        triton = Program(
            "Triton",
            tritonserver.command_line(runtime, settings, workspace),
            tritonserver.environment(runtime, settings, workspace),
            self._control.ready,
            workspace.root,  # the models' processes import from where they stand before all else
            secret=workspace.shm_token,
        )
        self._triton = Service(triton, Listeners(log.info, self._triton_line, self._triton_ready, self._clean_up))
        self._before: list[Service] = []  # what stands between callers and Triton
        if settings.triton_http or settings.triton_metrics:
            gateway = Listeners(log.info, partial(relay, component="gateway"), self._announce)
            self._before.append(Service(gateway_program(settings, workspace, sockets), gateway))
        if settings.page:
            page = Listeners(log.info, partial(relay, component="page"), self._announce)
            self._before.append(Service(page_program(settings, workspace, sockets), page))

    @property
    def _services(self) -> list[Service]:
        return [self._triton, *self._before]

    def run(self, signals: StopSignals) -> None:
        """Run until a stop signal.

        Raises
        ------
        ServeError
            A service did not become ready at all, or files that they need are gone.
        """
        for service in self._services:
            service.start()
        try:
            announced = False
            while not signals.wait(WATCH_SECONDS):
                for service in self._services:
                    if service.failure is not None:
                        raise service.failure
                if not self._workspace.is_whole(self._models):  # no restart of a service could put that right
                    problem = f"{self._workspace.root}: somebody, or what cleans temporary files, removed files in it"
                    raise ServeError(f"{problem}; start it again, with TMPDIR set to a folder that nobody cleans")
                if not announced and all(service.is_ready for service in self._services):
                    announced = True
                    self._all_ready()
        finally:
            self._stop()

    def _all_ready(self) -> None:
        log.info("all is ready; Ctrl-C ends it")
        if self._settings.ready_file is not None:
            self._settings.ready_file.write_text("ready\n")

    def _stop(self) -> None:
        """End all within 10 s, what faces callers first, so that what it has accepted is still answered."""
        if self._settings.ready_file is not None:
            try:
                remove_stale(self._settings.ready_file)
            except SetupError as error:  # what runs has to end nevertheless
                log.error("%s", error)
        self._triton_died.set()
        for each in self._sockets.values():  # from now on callers are refused at once
            each.close()
        end = time.monotonic() + DRAIN_SECONDS
        for service in self._before:
            service.ask_to_stop()
        for service in self._before:
            service.stop(max(0.1, end - time.monotonic()))
        self._triton.stop(TRITON_STOP_SECONDS)

    def _triton_ready(self, triton: Service) -> None:
        self._workspace.note_scratch()
        self._announce(triton)
        self._triton_died = threading.Event()
        for model in self._models:
            health = Health(self._control, self._workspace, model, log.info, self._end_connections)
            threading.Thread(
                target=health.watch, args=(self._triton_died, triton.fail), name=model, daemon=True
            ).start()

    def _clean_up(self) -> None:
        self._triton_died.set()
        self._workspace.clean_up()

    def _end_connections(self) -> bool:
        pid = self._triton.pid
        port = self._settings.grpc_port
        path = self._workspace.http_socket
        return pid is not None and end_connections(pid, port, path) is not None

    def _announce(self, service: Service) -> None:
        settings = self._settings
        if service is self._triton:
            where = f"gRPC {in_url(settings.host)}:{settings.grpc_port} ({', '.join(self._models)})"
        elif service.program.name == GATEWAY:
            where = gateway_addresses(settings)
        else:
            where = f"http://{in_url(settings.page_host)}:{settings.page_port}"
        again = "again " if service.starts > 1 else ""
        log.info("%s ready %safter %.1f s: %s", service.program.name, again, service.age, where)

    def _triton_line(self, line: str) -> None:
        match = _TRITON_LINE.match(line)
        severity, message = match.groups() if match else ("I", line)
        told = message not in HARMLESS and (severity in "EF" or message.startswith(_ENGINE))
        if (told and match) or self._settings.log_verbose:
            log.log(_LEVELS[severity], "%s", message, extra={"component": "triton"})


def serve(settings: Settings) -> None:
    """Start everything and return when a signal asked for the end.

    Raises
    ------
    ServeError
        When something is missing, or a service does not become ready.
    """
    if (allowed := raise_file_limit()) < FEWEST_FILES:  # of its children, which have the same
        raise SetupError(str(too_few_files(allowed, FEWEST_FILES)))
    if settings.ready_file is not None:
        check_ready_file(settings.ready_file)
    adopt_orphans()
    with StopSignals() as signals, contextlib.ExitStack() as opened:
        for folder in sweep():  # first of all: what is swept may still hold our ports
            log.info("removed %s, left behind by a server that was killed", folder)
        check_ports(settings.ports)
        sockets = {
            option: opened.enter_context(listen(option, host, port))
            for option, (host, port) in settings.ports.items()
            if option != "--grpc-port"  # which Triton opens itself
        }
        if settings.ready_file is not None:
            remove_stale(settings.ready_file)  # not before the ports are ours: a server that has them wrote it
        runtime = tritonserver.find_runtime()
        workspace = create_workspace()
        try:
            fill_backends(workspace, runtime.python_backend, runtime.stub)
            models = fill_models(workspace, settings.model_repository, tritonserver.instances_of(settings))
            workspace.publish_token(settings.grpc_port)
            Supervisor(settings, runtime, workspace, models, sockets).run(signals)
        finally:
            workspace.close()
