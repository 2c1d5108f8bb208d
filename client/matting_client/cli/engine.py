"""Where the model runs: what the commands that take a photo or a clip say of it, and the client for it."""

from __future__ import annotations

import argparse

from matting_client.client import MattingClient
from matting_client.connection import connect
from matting_client.errors import ServerUnavailable
from matting_client.triton.protocol import LbPolicy


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add `--engine`, `--url` and `--model`."""
    add = parser.add_argument
    add("--engine", default="triton", metavar="triton|local", help="a server, or this process (default: triton)")
    add("--url", default="127.0.0.1:8001", help="grpc://host:port or http://host:port (default: %(default)s)")
    add("--model", default="matting_512", help="matting_512 or matting_1024 (default: %(default)s)")


def open_client(
    given: argparse.Namespace,
    *,
    shared_memory: bool | None = None,
    lb_policy: LbPolicy = "pick_first",
    for_video: bool = False,
) -> MattingClient:
    """A client for what `add_engine` read; other arguments as of `connect`.

    Raises
    ------
    MattingError
        As of `connect`; of a server that is not there it says that none is needed.
    """
    try:
        return connect(
            given.engine,
            given.url,
            given.model,
            shared_memory=shared_memory,
            lb_policy=lb_policy,
            for_video=for_video,
        )
    except ServerUnavailable as error:
        raise error.replace(remedy=f"{error.remedy}, or use --engine local") from None
