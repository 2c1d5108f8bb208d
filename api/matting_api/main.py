"""`matting ui`: the web page and the REST API on one port."""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from matting_client import OptionError
from matting_client.cli.parser import say
from matting_client.serving import configure_log, inherited_listeners, listening
from matting_client.system import tune_for_many_photos

from matting_api.arguments import parser
from matting_api.configuration import as_given, read_settings
from matting_api.environment import unknown_variables
from matting_api.middleware.proxies import Proxies
from matting_api.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

USAGE = 2
BACKLOG = 256
END_SECONDS = 9.0  # of which requests have the first five; `docker stop` and others wait for ten
log = logging.getLogger("matting")
# They tell everything that they do, the last one also all of what a stranger sends.
LIBRARIES = {"httpx": logging.WARNING, "persistqueue": logging.WARNING, "mcp": logging.ERROR}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(argv: list[str]) -> int:
    """Run `matting ui` with `argv` (without the command's name); returns the exit code."""
    try:
        given = parser().parse_args(argv)
        configure_log("page" if given.page else "api", given.log_format)
        for library, least in LIBRARIES.items():
            logging.getLogger(library).setLevel(least)
        for line in unknown_variables():
            log.warning("%s", line)
        settings = read_settings(given)
        handed_over = inherited_listeners()  # by `matting serve --page`, or by systemd
        listener = handed_over[0] if handed_over else listen(settings.host, settings.port)
    except OptionError as error:
        say("ui", str(as_given(error, argv)))
        return USAGE
    opened = _opened(settings)
    if opened and not settings.is_loopback:
        log.warning(
            "%s opens %s to other machines, without passwords; use --logins-file and --keys-file behind a proxy with "
            "TLS, or stay on 127.0.0.1",
            settings.host,
            opened,
        )
    # Covers the time of loading, before there is a server that can be told to end.
    for number in STOP_SIGNALS:
        signal.signal(number, _leave)
    with listener, contextlib.suppress(_Leave):
        try:
            serve(settings, listener)
        except OptionError as error:
            say("ui", str(as_given(error, argv)))
            return USAGE
    return 0


def _opened(settings: Settings) -> str:
    """What anyone may use."""
    parts = {"the page": settings.page and not settings.logins, "the API": not settings.keys}
    return " and ".join(part for part, is_open in parts.items() if is_open)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises
    ------
    OptionError
        The address cannot be had.
    """
    try:
        return listening(host, port, BACKLOG)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            problem = f"no address of this machine ({reason})"
            raise OptionError(f"--host {host}", problem=problem, remedy="try 127.0.0.1") from None
        problem = f"cannot listen on {host} ({reason})"
        raise OptionError(f"--port {port}", problem=problem, remedy="choose another") from None


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until a signal asks for the end."""
    from matting_api.app import create_app  # with the page below, the slow part of starting
    from matting_api.middleware.access_log import AccessLog
    from matting_api.middleware.connections import Server, server_config
    from matting_api.tempdir import private_folder

    tune_for_many_photos()
    host, port = listener.getsockname()[:2]
    settings = replace(settings, port=port)  # which the page's tools call, when a free one was asked for
    with private_folder() as folder:
        app = _site(settings, folder) if settings.page else create_app(settings)
        app = AccessLog(app, every_request=settings.access_log)
        config = server_config(app, Proxies(settings.trusted_proxies), app.malformed)
        server = Server(config, end_soon)
        # What a start leaves behind stays to the end: the collector need not go through it again and again.
        gc.collect()
        gc.freeze()
        # From here on a signal is noted, as uvicorn itself does when it runs: raised then, it could cut its start.
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        what = "page and REST API" if settings.page else "REST API"
        log.info("%s", f"{what} on http://{f'[{host}]' if ':' in host else host}:{port}")
        server.run(sockets=[listener])


def end_soon() -> None:
    """End this process in time, whatever its threads wait for, such as a model that is away."""

    def end() -> None:
        log.warning("what is at work takes longer than %.0f s: ending without it", END_SECONDS)
        os._exit(0)  # jobs and folders outlive a kill, too

    timer = threading.Timer(END_SECONDS, end)
    timer.daemon = True
    timer.start()


def _site(settings: Settings, folder: Path) -> ASGIApp:
    import matting_ui.gradio_import  # noqa: F401 - before all that import Gradio

    from matting_api.site import create_site

    return create_site(settings, folder)


class _Leave(BaseException):
    """A signal asked for the end."""


def _leave(*_: object) -> None:
    raise _Leave


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
