"""The arguments of `matting ui`, and what the environment says in their place."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import get_args

from matting_client.cli.parser import Parser
from matting_client.serving import LOG_FORMATS
from matting_client.triton.protocol import LbPolicy

from matting_api.environment import number_or_text, switch
from matting_api.settings import Settings

EXAMPLES = """\
examples:
  matting ui                                   page and API on http://127.0.0.1:7860, through Triton on 127.0.0.1:8001
  matting ui --url 192.168.1.5:8001 --port 8080
  matting ui --engine local                    without a server: the model runs in this process

  curl -F image_file=@photo.jpg -o cutout.png http://127.0.0.1:7860/v1.0/removebg

environment, for matting serve --page too; =1 switches on, =0 off:
  MATTING_API_KEYS        API keys, with spaces or commas between them
  MATTING_API_KEYS_FILE, MATTING_API_RATE, MATTING_API_QUOTA, MATTING_API_QUEUE
                          as --keys-file, --rate, --quota, --queue
  MATTING_API_MAX_UPLOAD_MB, MATTING_API_MAX_CLIP_MB, MATTING_API_MAX_PIXELS
                          as --max-upload-mb, --max-clip-mb, --max-pixels
  MATTING_API_ALLOWED_HOSTS, MATTING_API_TRUSTED_PROXIES
                          as --allowed-hosts, --trusted-proxies
  MATTING_API_ORIGINS, MATTING_API_SAMPLES, MATTING_API_ROOT_PATH
                          as --origins, --samples, --root-path
  MATTING_TRACE           as --trace
  MATTING_JOBS, MATTING_JOBS_BUCKETS, MATTING_API_WEBHOOK_SECRET_FILE
                          as --jobs-folder, --jobs-buckets, --webhook-secret-file
  AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
                          where the buckets of --jobs-buckets are, and who may use them
  MATTING_OUTPUTS, MATTING_OUTPUTS_MB, MATTING_OUTPUTS_DAYS
                          as --outputs, --outputs-mb, --outputs-days
  MATTING_API_PREVIEW_DEFAULT=1, MATTING_API_ACCESS_LOG=1
                          as --preview-default, --access-log
  MATTING_API_URLS=1, MATTING_API_URL_PORTS
                          as --urls, --url-ports
  MATTING_API_LOGINS_FILE, MATTING_API_MCP=1
                          as --logins-file, --mcp

exit code: 0 ended by Ctrl-C or a signal, 2 wrong usage (a port is taken, a value cannot be)
"""


def parser() -> argparse.ArgumentParser:
    """Arguments of `matting ui`."""
    result = Parser(
        prog="matting ui",
        description="Serve the web page and the REST API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_address(result)
    _add_engine(result)
    _add_process(result)
    _add_callers(result)
    _add_results(result)
    _add_page(result)
    return result


def _add_address(parser: argparse.ArgumentParser) -> None:
    """Where it listens, and who may ask."""
    add = parser.add_argument
    add("--host", default=Settings.host, help="address to listen on (default: %(default)s, this machine only)")
    add("--port", type=int, default=Settings.port, help="default: %(default)s; 0 takes a free one")
    add(
        "--allowed-hosts",
        metavar="NAMES",
        default=number_or_text("ALLOWED_HOSTS", ""),
        help="further names under which browsers may open it, such as photos.example.com or *.example.com; commas or "
        "spaces between them (default: localhost and the address it listens on)",
    )
    add(
        "--trusted-proxies",
        metavar="ADDRESSES",
        default=number_or_text("TRUSTED_PROXIES", ""),
        help="addresses or networks of proxies whose X-Forwarded-For is believed (default: none)",
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    """Where the model runs."""
    add = parser.add_argument
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


def _add_process(parser: argparse.ArgumentParser) -> None:
    """What one photo and all photos may take, and what is logged."""
    add = parser.add_argument
    for name, default, what in (
        ("MAX_UPLOAD_MB", Settings.max_upload_mb, "picture, as a file"),
        ("MAX_CLIP_MB", Settings.max_clip_mb, "clip"),
        ("MAX_PIXELS", Settings.max_pixels, "picture"),
    ):
        add(
            f"--{name.lower().replace('_', '-')}",
            type=int,
            default=number_or_text(name, default),
            metavar="N",
            help=f"largest {what} (default: %(default)s)",
        )
    add(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        dest="workers",
        help="photos at once, each for the API, the page and its batches; half of it for jobs "
        "(default: cores + 2, at most 8)",
    )
    add("--log-format", choices=LOG_FORMATS, help="one line an event (default: $MATTING_LOG_FORMAT, else text)")
    add(
        "--access-log",
        action=argparse.BooleanOptionalAction,
        default=switch("ACCESS_LOG"),
        help="write a line for each request (default: refusals, summed up)",
    )
    add(
        "--trace",
        metavar="URL",
        default=os.environ.get("MATTING_TRACE", ""),
        help="send OpenTelemetry traces of photo requests to this OTLP receiver, such as http://127.0.0.1:4318 "
        "(default: none)",
    )


def _add_callers(parser: argparse.ArgumentParser) -> None:
    """Who may use the API, and how much of it; from here on all but --page can be set in the environment."""
    add = parser.add_argument
    add(
        "--queue",
        type=int,
        metavar="N",
        dest="waiting",
        default=number_or_text("QUEUE", Settings.waiting),
        help="further requests that may wait; more are refused with 503 (default: %(default)s)",
    )
    add(
        "--rate",
        type=int,
        metavar="N",
        default=number_or_text("RATE", Settings.rate),
        help="API requests a minute of one key, or of one address without keys; 0 for no limit (default: %(default)s)",
    )
    add(
        "--quota",
        type=int,
        metavar="N",
        default=number_or_text("QUOTA", Settings.quota),
        help="photos a day of the same, those of jobs among them (default: %(default)s)",
    )
    add(
        "--keys-file",
        type=Path,
        metavar="FILE",
        default=number_or_text("KEYS_FILE", None),
        help="API keys, one a line; without keys the API is open",
    )
    add(
        "--urls",
        action=argparse.BooleanOptionalAction,
        default=switch("URLS"),
        help="let the API fetch image_url and bg_image_url from public addresses (default: off)",
    )
    add(
        "--url-ports",
        metavar="PORTS",
        default=number_or_text("URL_PORTS", "80,443"),
        help="ports of other hosts that --urls may use (default: %(default)s)",
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    """What is kept, and how large results are."""
    add = parser.add_argument
    add(
        "--samples",
        type=Path,
        metavar="FOLDER",
        default=number_or_text("SAMPLES", None),
        help="keep photos that come to /v1.0/improve there (default: keep none)",
    )
    _add_outputs(parser)
    add(
        "--preview-default",
        action=argparse.BooleanOptionalAction,
        dest="preview_by_default",
        default=switch("PREVIEW_DEFAULT"),
        help="make results without a size as small as remove.bg does, 0.25 megapixels (default: as large as the photo)",
    )


def _add_page(parser: argparse.ArgumentParser) -> None:
    """Under which addresses the page is shown, and to whom."""
    add = parser.add_argument
    add(
        "--root-path",
        metavar="PATH",
        default=number_or_text("ROOT_PATH", ""),
        help="path below which a proxy shows it, such as /matting (default: none)",
    )
    add(
        "--origins",
        metavar="ORIGINS",
        default=number_or_text("ORIGINS", ""),
        help="other websites whose pages may use the API, such as https://shop.example.com; * for all (default: none)",
    )
    add(
        "--page",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the web page, which asks for no key (default: on)",
    )
    add(
        "--logins-file",
        type=Path,
        metavar="FILE",
        default=number_or_text("LOGINS_FILE", None),
        help="who may use the page, as name:password, one a line; without it the page is open",
    )
    add(
        "--mcp",
        action=argparse.BooleanOptionalAction,
        default=switch("MCP"),
        help="offer the page's functions as tools of the Model Context Protocol at /gradio_api/mcp/ (default: off)",
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """What stays on the server."""
    add = parser.add_argument
    add(
        "--jobs-folder",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get("MATTING_JOBS") or None,
        help="jobs lie there and are taken up again after a restart (default: they end with the server)",
    )
    add(
        "--jobs-buckets",
        metavar="PLACES",
        default=os.environ.get("MATTING_JOBS_BUCKETS", ""),
        help="S3-compatible buckets, or folders of them, that jobs may read photos from and put results into, such as "
        "results or photos/2026:ro, which is only read; commas or spaces between them (default: none)",
    )
    add(
        "--webhook-secret-file",
        type=Path,
        metavar="FILE",
        default=number_or_text("WEBHOOK_SECRET_FILE", None),
        help="signs messages about jobs that are over; with --urls and --jobs-folder (default: nobody is told)",
    )
    add(
        "--outputs",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get("MATTING_OUTPUTS") or None,
        help="also keep every result of page and API there (default: keep none)",
    )
    add(
        "--outputs-mb",
        type=int,
        metavar="N",
        default=number_or_text("OUTPUTS_MB", Settings.outputs_mb, "MATTING"),
        help="of all results there; the oldest go first (default: %(default)s)",
    )
    add(
        "--outputs-days",
        type=int,
        metavar="N",
        default=number_or_text("OUTPUTS_DAYS", Settings.outputs_days, "MATTING"),
        help="after which a result there goes (default: %(default)s)",
    )
