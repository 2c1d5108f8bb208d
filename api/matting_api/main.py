"""`matting ui`: the web page and the REST API on one port."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from matting_client import OptionError
from matting_client.serving import LOG_FORMATS, configure_log, inherited_listeners
from matting_client.system import tune_for_many_photos
from matting_client.triton.protocol import LbPolicy

from matting_api.middleware.hosts import read_hosts, read_origins
from matting_api.middleware.logins import load_logins
from matting_api.middleware.proxies import Proxies, read_networks
from matting_api.middleware.rate_limit import load_keys, read_keys
from matting_api.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

EXAMPLES = """\
examples:
  matting ui                                   page and API on http://127.0.0.1:7860, through Triton on 127.0.0.1:8001
  matting ui --url 192.168.1.5:8001 --port 8080
  matting ui --engine local                    without a server: the model runs in this process

  curl -F image_file=@photo.jpg -o cutout.png http://127.0.0.1:7860/v1.0/removebg

environment, for matting serve --page too:
  MATTING_API_KEYS        API keys, with spaces or commas between them
  MATTING_API_KEYS_FILE, MATTING_API_RATE, MATTING_API_QUOTA, MATTING_API_QUEUE
                          as --keys-file, --rate, --quota, --queue
  MATTING_API_ALLOWED_HOSTS, MATTING_API_TRUSTED_PROXIES
                          as --allowed-hosts, --trusted-proxies
  MATTING_API_ORIGINS, MATTING_API_SAMPLES, MATTING_API_ROOT_PATH
                          as --origins, --samples, --root-path
  MATTING_API_PREVIEW_DEFAULT=1
                          as --preview-default
  MATTING_API_URLS=1, MATTING_API_URL_PORTS
                          as --urls, --url-ports
  MATTING_API_LOGINS_FILE, MATTING_API_MCP=1
                          as --logins-file, --mcp

exit code: 0 ended by Ctrl-C or a signal, 2 wrong usage (a port is taken, a value cannot be)
"""
USAGE = 2
BACKLOG = 256
log = logging.getLogger("matting")
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
    add(
        "--allowed-hosts",
        metavar="NAMES",
        default=_environment("ALLOWED_HOSTS", ""),
        help="further names under which browsers may open it, such as photos.example.com or *.example.com; commas or "
        "spaces between them (default: localhost and the address it listens on)",
    )
    add(
        "--trusted-proxies",
        metavar="ADDRESSES",
        default=_environment("TRUSTED_PROXIES", ""),
        help="addresses or networks of proxies whose X-Forwarded-For is believed (default: none)",
    )
    add("--url", default=Settings.url, help="of Triton: grpc://host:port or http://host:port (default: %(default)s)")
    add("--model", default=Settings.model, help="matting_512 or matting_1024 (default: %(default)s)")
    add("--engine", default=Settings.engine, metavar="triton|local", help="a server, or this process (default: triton)")
    add(
        "--shared-memory",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="pass pixels through memory shared with Triton (default: where it is on this machine)",
    )
    add(
        "--lb-policy",
        choices=get_args(LbPolicy),
        default=Settings.lb_policy,
        help="of gRPC, where --url names several servers (default: %(default)s)",
    )
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
    add("--log-format", choices=LOG_FORMATS, help="one line an event (default: $MATTING_LOG_FORMAT, else text)")
    add(
        "--access-log",
        action=argparse.BooleanOptionalAction,
        default=_environment("ACCESS_LOG", "0") == "1",
        help="write a line for each request (default: refusals, summed up)",
    )
    _add_limits(result)
    return result


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Who may use the API, and how much of it; all but --page can be set in the environment."""
    add = parser.add_argument
    add(
        "--queue",
        type=int,
        metavar="N",
        dest="waiting",
        default=_environment("QUEUE", Settings.waiting),
        help="further requests that may wait; more are refused with 503 (default: %(default)s)",
    )
    add(
        "--rate",
        type=int,
        metavar="N",
        default=_environment("RATE", Settings.rate),
        help="API requests a minute of one key, or of one address without keys; 0 for no limit (default: %(default)s)",
    )
    add(
        "--quota",
        type=int,
        metavar="N",
        default=_environment("QUOTA", Settings.quota),
        help="the same a day (default: %(default)s)",
    )
    add(
        "--keys-file",
        type=Path,
        metavar="FILE",
        default=_environment("KEYS_FILE", None),
        help="API keys, one a line; without keys the API is open",
    )
    add(
        "--urls",
        action=argparse.BooleanOptionalAction,
        default=_environment("URLS", "0") == "1",
        help="let the API fetch image_url and bg_image_url from public addresses (default: off)",
    )
    add(
        "--url-ports",
        metavar="PORTS",
        default=_environment("URL_PORTS", "80,443"),
        help="ports of other hosts that --urls may use (default: %(default)s)",
    )
    add(
        "--samples",
        type=Path,
        metavar="FOLDER",
        default=_environment("SAMPLES", None),
        help="keep photos that come to /v1.0/improve there (default: keep none)",
    )
    add(
        "--preview-default",
        action=argparse.BooleanOptionalAction,
        dest="preview_by_default",
        default=_environment("PREVIEW_DEFAULT", "0") == "1",
        help="make results without a size as small as remove.bg does, 0.25 megapixels (default: as large as the photo)",
    )
    add(
        "--root-path",
        metavar="PATH",
        default=_environment("ROOT_PATH", ""),
        help="path below which a proxy shows it, such as /matting (default: none)",
    )
    add(
        "--origins",
        metavar="ORIGINS",
        default=_environment("ORIGINS", ""),
        help="other websites whose pages may use the API, such as https://shop.example.com; * for all (default: none)",
    )
    add("--page", action=argparse.BooleanOptionalAction, default=True, help="the web page, which asks for no key")
    add(
        "--logins-file",
        type=Path,
        metavar="FILE",
        default=_environment("LOGINS_FILE", None),
        help="who may use the page, as name:password, one a line; without it the page is open",
    )
    add(
        "--mcp",
        action=argparse.BooleanOptionalAction,
        default=_environment("MCP", "0") == "1",
        help="offer the page's functions as tools of the Model Context Protocol at /gradio_api/mcp/ (default: off)",
    )


def _environment(name: str, default: object) -> Any:
    return os.environ.get(f"MATTING_API_{name}") or default


def read_settings(given: argparse.Namespace) -> Settings:
    """Settings from the command line and the environment.

    Raises
    ------
    OptionError
    """
    values = vars(given)
    del values["log_format"]  # of the process, and set by now
    values["allowed_hosts"] = read_hosts(values["allowed_hosts"])
    values["trusted_proxies"] = read_networks(values["trusted_proxies"])
    values["origins"] = read_origins(values["origins"])
    values["url_ports"] = _read_ports(values["url_ports"])
    keys_file = values.pop("keys_file")
    values["keys"] = load_keys(keys_file) if keys_file else frozenset()
    if listed := os.environ.get("MATTING_API_KEYS", ""):
        values["keys"] |= read_keys(listed, "$MATTING_API_KEYS")
    logins_file = values.pop("logins_file")
    values["logins"] = load_logins(logins_file) if logins_file else {}
    return Settings(**values)


def _read_ports(text: str) -> frozenset[int]:
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() and 0 < int(word) < 65536 for word in words):
        raise OptionError("--url-ports", f"{text[:100]!r}", "ports such as 80,443")
    return frozenset(map(int, words))


def main(argv: list[str]) -> int:
    """Run `matting ui` with `argv` (without the command's name); returns the exit code."""
    given = parser().parse_args(argv)
    configure_log("page" if given.page else "api", given.log_format)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every request of its own
    try:
        settings = read_settings(given)
        handed_over = inherited_listeners()  # by `matting serve --page`, or by systemd
        listener = handed_over[0] if handed_over else listen(settings.host, settings.port)
    except OptionError as error:
        say(str(error))
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
            say(str(error))
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
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        both = host == "::" and socket.has_dualstack_ipv6()  # all of the machine's addresses, IPv4 among them
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise OptionError(
            f"--port {port}", problem=f"cannot listen on {host} ({error.strerror})", remedy="choose another"
        ) from None


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until a signal asks for the end."""
    import uvicorn  # with the page below, the slow part of starting

    from matting_api.app import create_app
    from matting_api.middleware.access_log import AccessLog
    from matting_api.middleware.connections import server_config
    from matting_api.tempdir import private_folder

    tune_for_many_photos()
    host, port = listener.getsockname()[:2]
    settings = replace(settings, port=port)  # which the page's tools call, when a free one was asked for
    with private_folder() as folder:
        app = _site(settings, folder) if settings.page else create_app(settings)
        app = AccessLog(app, every_request=settings.access_log)
        config = server_config(app, Proxies(settings.trusted_proxies))
        server = uvicorn.Server(config)
        # From here on a signal is noted, as uvicorn itself does when it runs: raised then, it could cut its start.
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        what = "page and REST API" if settings.page else "REST API"
        log.info("%s", f"{what} on http://{f'[{host}]' if ':' in host else host}:{port}")
        server.run(sockets=[listener])


def _site(settings: Settings, folder: Path) -> ASGIApp:
    from matting_api.site import create_site

    return create_site(settings, folder)


def say(line: str) -> None:
    """Write one line for people."""
    print(f"matting ui: {line}", file=sys.stderr, flush=True)


class _Leave(BaseException):
    """A signal asked for the end."""


def _leave(*_: object) -> None:
    raise _Leave


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
