"""What all processes that serve share: their log, sockets that they are handed, their files, a count of connections."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from matting_client.errors import OptionError

LogFormat = Literal["text", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")
LOG_VARIABLE = "MATTING_LOG_FORMAT"
FIRST_SOCKET = 3
RESERVED_FILES = 64  # of a process itself, beside its connections
FEWEST_CONNECTIONS = 8
SUM_SECONDS = 60.0  # repeated refusals are told so often
LAST_SHARE = 8  # one connection in so many is for callers who have none yet


class _Formatter(logging.Formatter):
    """One line an event, whatever its message holds: time (UTC), level, component, message, and a request's id."""

    def __init__(self, component: str, log_format: LogFormat) -> None:
        super().__init__()
        self._component = component
        self._format = log_format

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z"
        event: dict[str, Any] = {
            "time": moment,
            "level": record.levelname.lower(),
            "component": getattr(record, "component", self._component),
            "message": record.getMessage(),
        }
        request_id = getattr(record, "request_id", None)
        if request_id:
            event["request_id"] = request_id
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False) if self._format == "json" else _text(event)


def _text(event: dict[str, Any]) -> str:
    request = f" [{event['request_id']}]" if "request_id" in event else ""
    line = f"{event['time']} {event['level']} {event['component']}: {event['message']}{request}"
    trace = str(event.get("exception", "")).split("\n") if "exception" in event else []
    return "\n  ".join(map(_printable, (line, *trace)))


def _printable(line: str) -> str:
    """A line in which a visitor's text cannot look like another event."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)


def configure_log(component: str, log_format: LogFormat | None = None) -> None:
    """Write this process's log to stderr.

    Parameters
    ----------
    component : who speaks: supervisor, page, api ...
    log_format : None takes $MATTING_LOG_FORMAT, else text.
    """
    named = os.environ.get(LOG_VARIABLE) or "text"
    found = log_format or named.lower()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(component, "json" if found == "json" else "text"))
    logging.raiseExceptions = False  # a log that nobody reads any more must not end anything
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    if found not in LOG_FORMATS:
        logging.getLogger("matting").warning("$%s: got %r, expected text or json: using text", LOG_VARIABLE, named)


def relay(line: str, component: str) -> None:
    """Log a line that a child process has written: an event as above, in JSON, or plain text of a library."""
    event: Any = None
    if line.startswith('{"time"'):
        with suppress(ValueError):  # cut off when the process died
            event = json.loads(line)
    if not isinstance(event, dict):
        event = {"message": line}
    level = logging.getLevelNamesMapping().get(str(event.get("level", "info")).upper(), logging.INFO)
    message = str(event.get("message", "")) + ("\n" + str(event["exception"]) if "exception" in event else "")
    extra = {"component": event.get("component", component), "request_id": event.get("request_id")}
    logging.getLogger("matting").log(level, "%s", message, extra=extra)


class Refusals:
    """Tells the first refusal with a status at once, within an event loop, and further ones as a number after a minute.

    Whoever sends thousands of them must not fill the disk.
    """

    def __init__(self) -> None:
        self._repeated: Counter[int] = Counter()  # since one with this status was told

    def tell(self, status: int, line: str, request_id: str = "") -> None:
        """A request was refused, as a line says."""
        if status in self._repeated:
            self._repeated[status] += 1
            return
        logging.getLogger("matting").warning("refused: %s", line, extra={"request_id": request_id})
        self._repeated[status] = 0
        asyncio.get_running_loop().call_later(SUM_SECONDS, self._sum_up, status)

    def tell_malformed(self, status: int, caller: str) -> None:
        """What came from an address cannot be read as a request, and was answered with a status."""
        self.tell(status, f"what is no HTTP/1.1 {status} {caller}")

    def _sum_up(self, status: int) -> None:
        count = self._repeated.pop(status)
        if count:
            logging.getLogger("matting").warning("refused: %d more with %d in %.0f s", count, status, SUM_SECONDS)


def trace_endpoint(url: str) -> str:
    """Where an OTLP receiver takes spans over HTTP.

    Parameters
    ----------
    url : http://host:port or https://host, also with a path below which the receiver lies.

    Raises
    ------
    OptionError
        It is none.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        usable = usable and parts.port != 0  # raises what is none
    except ValueError:
        usable = False
    if not usable:
        raise OptionError("--trace", f"{url[:100]!r}", "the address of an OTLP receiver, such as http://127.0.0.1:4318")
    return f"{url.rstrip('/')}/v1/traces"


def listening(host: str, port: int, backlog: int) -> socket.socket:
    """A socket that listens for HTTP; "::" stands for all addresses of the machine, IPv4 among them.

    Raises
    ------
    OSError
        The address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    except UnicodeError:  # a name that no DNS can have
        raise socket.gaierror(socket.EAI_NONAME, "no name of a host") from None
    both = host == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=both)
    # Connections inherit it. asyncio sets it on those alone whose protocol is named, and an answer in two parts would
    # wait 40 ms for the caller's word that the first has come.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    return listener


def inherited_listeners() -> list[socket.socket]:
    """Listening sockets that the supervisor or systemd has handed over, as sd_listen_fds(3) describes; often none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):  # meant for another process, or for nobody
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=FIRST_SOCKET + index) for index in range(count)]


def raise_file_limit() -> int:
    """Allow this process as many open files as the system lets it have; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 2**20


def affordable_connections(most: int, files_each: int) -> int:
    """How many connections this process has files for, at most ``most``; it is allowed all that it may have first.

    Parameters
    ----------
    files_each : open files that one connection may need.

    Raises
    ------
    OptionError
        There are too few to serve anyone.
    """
    allowed = raise_file_limit()
    needed = RESERVED_FILES + FEWEST_CONNECTIONS * files_each
    if allowed < needed:
        raise too_few_files(allowed, needed)
    return min(most, (allowed - RESERVED_FILES) // files_each)


def too_few_files(allowed: int, needed: int) -> OptionError:
    """The error of a process that may not open as many files as it needs."""
    return OptionError("open files", allowed, f"{needed} or more", "raise the hard limit, as with ulimit -Hn 4096")


def temporary_folder() -> Path:
    """The system's folder for temporary files; the log tells where that is not what $TMPDIR names.

    Raises
    ------
    OSError
        There is none that can be written to.
    """
    folder = Path(tempfile.gettempdir())
    if named := os.environ.get("TMPDIR"):
        _tell_unusable(named, folder)
    return folder


@cache
def _tell_unusable(named: str, used: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=named) as file:
            file.write(b"x")
    except OSError as error:
        logging.getLogger("matting").warning(
            "TMPDIR=%s cannot be used (%s): using %s instead", named, error.strerror, used
        )


class Connections:
    """Counts connections; those of one caller are at most half of all, and the last are for callers who have none.

    So neither the supervisor nor whoever else asks for health is kept out by a few callers who open all they can.

    Parameters
    ----------
    most : all at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts = Counter[str]()
        self._total = 0

    def enter(self, who: str, *, may_have_all: bool = False) -> bool:
        """Count a connection, unless it is one too many.

        Parameters
        ----------
        who : the caller's address.
        may_have_all : as a proxy, through which everyone comes.
        """
        most = self._most if may_have_all else max(1, self._most // 2)
        room = self._most - (self._most // LAST_SHARE if self._counts[who] else 0)
        if self._total >= room or self._counts[who] >= most:
            return False
        self._total += 1
        self._counts[who] += 1
        return True

    def leave(self, who: str) -> None:
        """End a connection that was counted."""
        self._total -= 1
        self._counts[who] -= 1
        if not self._counts[who]:
            del self._counts[who]
