"""`matting ui`: the web page and the REST API on one port."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import socket
import sys

from matting_client import OptionError

from api.settings import Settings

EXAMPLES = """\
examples:
  matting ui                                   page and API on http://127.0.0.1:7860, through Triton on 127.0.0.1:8001
  matting ui --url 192.168.1.5:8001 --port 8080
  matting ui --engine local                    without a server: the model runs in this process

  curl -F image_file=@photo.jpg -o cutout.png http://127.0.0.1:7860/v1.0/removebg

exit code: 0 ended by Ctrl-C or a signal, 2 wrong usage (a port is taken, a value cannot be)
"""
USAGE = 2
GRACE_SECONDS = 3  # for requests still running when it is asked to end
BACKLOG = 256
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def parser() -> argparse.ArgumentParser:
    """Arguments of `matting ui`."""
    result = argparse.ArgumentParser(
        prog="matting ui",
        description="Serve the web page and the REST API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--host", default=Settings.host, help="address to listen on (default: %(default)s, this machine only)")
    add("--port", type=int, default=Settings.port, help="default: %(default)s; 0 takes a free one")
    add("--url", default=Settings.url, help="of Triton: grpc://host:port or http://host:port (default: %(default)s)")
    add("--model", default=Settings.model, help="matting_512 or matting_1024 (default: %(default)s)")
    add("--engine", default=Settings.engine, metavar="triton|local", help="a server, or this process (default: triton)")
    add(
        "--max-upload-mb",
        type=int,
        default=Settings.max_upload_mb,
        metavar="N",
        help="largest file (default: %(default)s)",
    )
    add("--max-pixels", type=int, default=Settings.max_pixels, metavar="N", help="largest photo (default: %(default)s)")
    add(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        dest="workers",
        help="photos at once (default: cores + 2, at most 8)",
    )
    return result


def main(argv: list[str]) -> int:
    """Run `matting ui` with `argv` (without the command's name); returns the exit code."""
    given = parser().parse_args(argv)
    try:
        settings = Settings(**vars(given))
        listener = listen(settings.host, settings.port)
    except OptionError as error:
        say(str(error))
        return USAGE
    if not settings.is_loopback:
        say(
            f"warning: {settings.host} opens the page and the API to other machines, without passwords; "
            "put a proxy with TLS and logins before it, or stay on 127.0.0.1"
        )
    # Covers the time of starting, and the end: uvicorn raises a signal again after it has closed everything.
    for number in STOP_SIGNALS:
        signal.signal(number, _leave)
    with listener, contextlib.suppress(_Leave):
        serve(settings, listener)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises
    ------
    OptionError
        The address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OptionError(f"--port {port}: cannot listen on {host} ({error.strerror}); choose another") from None


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until a signal asks for the end."""
    import uvicorn  # with the page below, the slow part of starting

    from api.folder import private_folder
    from api.site import create_site

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    with private_folder() as folder:
        config = uvicorn.Config(
            create_site(settings, folder),
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = uvicorn.Server(config)
        host, port = listener.getsockname()[:2]
        say(f"page and REST API on http://{f'[{host}]' if ':' in host else host}:{port}")
        server.run(sockets=[listener])


def say(line: str) -> None:
    """Write one line for people."""
    print(f"matting ui: {line}", file=sys.stderr, flush=True)


class _Leave(BaseException):
    """A signal asked for the end."""


def _leave(*_: object) -> None:
    raise _Leave


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
