"""`matting serve`: the embedded Triton on this machine, supervised."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from matting_client.cli.parser import Parser, error_line, say
from matting_client.errors import OptionError
from matting_client.hosts import read_hosts
from matting_client.serving import LOG_FORMATS, LOG_VARIABLE, configure_log, trace_endpoint
from matting_client.system import is_loopback

from matting_server.errors import ServeError
from matting_server.settings import Settings
from matting_server.supervisor import serve

HOSTS_VARIABLE = "MATTING_API_ALLOWED_HOSTS"
_EXAMPLES = """\
examples:
  matting serve                                     Triton on 127.0.0.1:8001 (gRPC)
  matting serve --page                              and the web page with the REST API on 127.0.0.1:7860
  matting serve --triton-http --triton-metrics      and KServe over HTTP on 8000, Triton's metrics on 8002
  matting serve --threads 4 --precision f32         four threads for each model, no bf16
  matting serve --grpc-port 9001

exit code: 0 ended by Ctrl-C or a signal, 1 the server failed, 2 wrong usage (a port is taken, a file is missing)
"""


def parser() -> argparse.ArgumentParser:
    """Arguments of `matting serve`."""
    result = Parser(
        prog="matting serve",
        description="Start the embedded Triton server with the models of a repository, and keep it running.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_addresses(result)
    _add_models(result)
    _add_process(result)
    _add_page(result)
    return result


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    """Where it listens, and for whom."""
    add = parser.add_argument
    add("--host", default=Settings.host, help="address Triton listens on (default: %(default)s, this machine only)")
    add("--grpc-port", type=_port, default=Settings.grpc_port, metavar="PORT", help="default: %(default)s")
    add("--triton-http", action="store_true", help="also let KServe clients in over HTTP (default: gRPC only)")
    add("--http-port", type=_port, default=Settings.http_port, metavar="PORT", help="default: %(default)s")
    add("--triton-metrics", action="store_true", help="also show Triton's own metrics (default: the page's only)")
    add("--metrics-port", type=_port, default=Settings.metrics_port, metavar="PORT", help="default: %(default)s")
    add(
        "--allowed-hosts",
        type=_hosts,
        default=os.environ.get(HOSTS_VARIABLE, ""),
        metavar="NAMES",
        help="further names under which page and HTTP may be reached, such as photos.example.com or *.example.com; "
        "commas or spaces between them (default: localhost and addresses)",
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    """What it serves, and on what."""
    add = parser.add_argument
    add(
        "--model-repository",
        type=Path,
        metavar="DIR",
        help="default: $MATTING_MODEL_REPOSITORY, else the installed models",
    )
    add(
        "--instances",
        type=_count,
        default=0,
        metavar="N",
        help="processes of each model, each on a GPU of its own where there are several (default: one for each GPU)",
    )
    add(
        "--threads",
        type=_count,
        default=0,
        metavar="N",
        help="threads for each process (default: its share of the cores)",
    )
    add("--precision", choices=("auto", "int8", "bf16", "f32"), default="auto", help="default: %(default)s")


def _add_process(parser: argparse.ArgumentParser) -> None:
    """What it tells, and to whom."""
    add = parser.add_argument
    add(
        "--trace",
        type=_receiver,
        default=os.environ.get("MATTING_TRACE", ""),
        metavar="URL",
        help="send OpenTelemetry traces to this OTLP receiver, such as http://127.0.0.1:4318 (default: none)",
    )
    add(
        "--log-verbose",
        type=_count,
        default=0,
        metavar="N",
        help="show Triton's own log, at this level (default: none)",
    )
    add("--log-format", choices=LOG_FORMATS, help=f"one line an event (default: ${LOG_VARIABLE}, else text)")
    add("--ready-file", type=Path, metavar="FILE", help="written when all is ready, removed at the end")


def _add_page(parser: argparse.ArgumentParser) -> None:
    """The page beside it."""
    add = parser.add_argument
    add("--page", action="store_true", help="also run the web page and the REST API (matting ui)")
    add("--page-host", default=Settings.page_host, metavar="HOST", help="default: %(default)s, this machine only")
    add("--page-port", type=_port, default=Settings.page_port, metavar="PORT", help="default: %(default)s")
    add(
        "--model",
        default=Settings.model,
        help="that the page and the API ask: matting_512, or matting_1024 for finer hair (default: %(default)s)",
    )


def main(argv: list[str]) -> int:
    """Run `matting serve` with ``argv`` (without the command's name); returns the exit code."""
    options = vars(parser().parse_args(argv))
    settings = Settings(repository=options.pop("model_repository"), **options)
    configure_log("supervisor", settings.log_format)
    if not is_loopback(settings.host):
        logging.getLogger("matting").warning(
            "%s opens Triton to other machines. It has no passwords and no limits on what is sent to it; show people "
            "the page or the REST API instead, and keep Triton on 127.0.0.1",
            settings.host,
        )
    try:
        serve(settings)
    except ServeError as error:
        say("serve", str(error))
        return error.exit_code
    except OSError as error:  # no room, no memory, no permission
        said = error_line(error) if error.filename else f"{error.strerror}; free what is missing, and start it again"
        say("serve", said)
        return 1
    return 0


def _hosts(text: str) -> tuple[str, ...]:
    try:
        return read_hosts(text)
    except OptionError as error:
        where = f" in ${HOSTS_VARIABLE}" if text == os.environ.get(HOSTS_VARIABLE) else ""
        raise argparse.ArgumentTypeError(f"got {error.got}{where}, expected {error.expected}") from None


def _receiver(text: str) -> str:
    try:
        return text and trace_endpoint(text) and text
    except OptionError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected the address of an OTLP receiver, such as http://127.0.0.1:4318"
        ) from None


def _port(text: str) -> int:
    value = _count(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"got {text}, expected a port from 1 to 65535")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number, 0 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
