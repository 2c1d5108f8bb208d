"""`matting watch`: cut out whatever arrives in a folder, until it is stopped; a restart goes on where it was."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from matting_client.cli.arguments import check_work, read_options, shared_parser
from matting_client.cli.engine import open_client
from matting_client.cli.inbox import Inbox
from matting_client.cli.inputs import DEFAULT_FOLDER, STANDARD, Job, is_folder
from matting_client.cli.interruption import Interruption
from matting_client.cli.outage import Outage
from matting_client.cli.overwriting import file_identity
from matting_client.cli.parser import say
from matting_client.cli.review import Outcome, Review, review_line
from matting_client.cli.work import Work, told
from matting_client.client import MattingClient
from matting_client.errors import (
    InputError,
    MattingError,
    OptionError,
    OutputError,
    ServerBusy,
    ServerUnavailable,
    Unstorable,
)
from matting_client.imaging.encode import FORMAT_OF_SUFFIX
from matting_client.options import Options
from matting_client.shop import Template, template
from matting_client.system import default_workers, tune_for_many_photos

LOOK_SECONDS = 1.0  # between two looks at the folder
SERVER, FOLDER, RESULTS = "server", "folder", "results"  # what may keep photos waiting
HELD_SECONDS = 10.0  # between two attempts at photos whose results could not be written
EXAMPLES = """examples:
  matting watch inbox/ -o cutouts/
  matting watch inbox/ -o cutouts/ --recursive --preset product

A photo is taken once it has not changed for --settle seconds, and again when it has changed since. One that fails is
tried once more when it has not changed for ten times as long, as its copy may have stalled, and then moved to
OUT/failed/. At the start a photo whose result is there, and newer, is not done again. While the server or the folder is
gone, or a result cannot be written, photos wait. Ctrl-C and SIGTERM end it, with nothing half-written and the exit
code 0.
"""


def parser() -> argparse.ArgumentParser:
    """Options of `matting cutout`, and those of watching."""
    result = shared_parser("matting watch", "Cut out every photo that arrives.", EXAMPLES)
    result.add_argument("files", nargs=1, metavar="FOLDER", help="where photos arrive")
    result.add_argument(
        "-o", "--output", default=str(DEFAULT_FOLDER), metavar="OUT", help="folder of the results (default: outputs/)"
    )
    result.add_argument(
        "--settle",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="how long a file must be unchanged (default: %(default)g)",
    )
    return result


@dataclass
class Troubles:
    """What keeps photos waiting; each is said once, until it is over."""

    now: set[str] = field(default_factory=set)
    _held: dict[Path | None, bool] = field(default_factory=dict)  # last tried last; whether it was named
    _next: float = 0.0  # when one of these is tried

    def tell(self, kind: str, line: str | None) -> None:
        """Take note that a kind of trouble is there, with what to say of it, or is over (None)."""
        if line is None:
            self.now.discard(kind)
        elif kind not in self.now:
            self.now.add(kind)
            _say(f"{line}, waiting")

    def hold(self, job: Job, error: OutputError) -> None:
        """Take note that a photo's result cannot be written: the disk may be full, or this one's place taken."""
        was_named = self._held.pop(job.source, False)
        self._held[job.source] = was_named or RESULTS not in self.now
        if not was_named:
            self.tell(RESULTS, str(error))
        self._next = time.monotonic() + HELD_SECONDS

    def end(self, job: Job) -> None:
        """A result was written: the others', too, if this one's could not be."""
        self.tell(RESULTS, None)
        if job.source in self._held:
            self._held.clear()

    def choose(self, due: list[Job]) -> list[Job]:
        """Those to try now: all that were never held, and from time to time one that was, the longest ago."""
        jobs = {job.source: job for job in due}
        self._held = {source: named for source, named in self._held.items() if source in jobs}
        first = next(iter(self._held), None)
        is_time = time.monotonic() >= self._next
        return [job for job in due if job.source not in self._held or (job.source == first and is_time)]


def work_once(
    client: MattingClient,
    inbox: Inbox,
    options: Options,
    workers: int,
    interruption: Interruption,
    shop: Template | None = None,
    *,
    review_above: float | None = None,
    troubles: Troubles | None = None,
) -> bool:
    """Cut out what is due, `workers` photos at once; returns whether the server answered.

    Parameters
    ----------
    shop : whose rules the results are held against.
    review_above : results whose uncertainty is larger are named.
    troubles : takes note of what photos wait for. A photo whose result could not be written is tried seldom.

    Raises
    ------
    KeyboardInterrupt
        The end was asked for.
    """
    outage = Outage(0.0, _say, interruption)
    troubles = troubles or Troubles()
    review = Review(review_above)
    work = Work(client, options, interruption, outage, shop=shop)
    try:
        due = inbox.due(interruption.check)
    except OSError as error:
        troubles.tell(FOLDER, f"{error.filename}: the folder cannot be read ({error.strerror})")
        return True
    troubles.tell(FOLDER, None)
    for line in inbox.left_out:
        _say(line)
    for job, done in work.through(troubles.choose(due), workers):
        try:
            outcome = done.result()
        except (ServerBusy, ServerUnavailable):
            continue  # the photo stays for later
        except Exception as error:  # one photo stops nothing
            if isinstance(error, OutputError) and not isinstance(error, Unstorable):
                troubles.hold(job, error)  # not the photo's fault
            else:
                _fail(inbox, job, told(error, job.name))
        else:
            if outcome is not None:  # not interrupted
                inbox.done(job)
                troubles.end(job)
                _report(job, outcome, review)
    troubles.tell(SERVER, "the server is gone" if outage.is_given_up() else None)
    return not outage.is_given_up()


def _report(job: Job, outcome: Outcome, review: Review) -> None:
    """Name a result, and what it says of itself."""
    _say(f"{job.name}: {job.target}")
    if review.above is not None and outcome.uncertainty > review.above:
        _say(review_line(outcome.uncertainty, job.name))
    for note in review.add(job.name, outcome):
        _say(note)


def _fail(inbox: Inbox, job: Job, error: MattingError) -> None:
    """Name a photo that failed, and move it out of the way, unless it may not be whole yet."""
    patience = inbox.gives_time(job) if isinstance(error, InputError) else None
    if patience is not None:
        _say(f"{error}; it may not be whole yet: tried once more when it has not changed for {patience:g} s")
        return
    try:
        place = inbox.put_aside(job)
    except OSError as cause:
        _say(f"{error}; it stays, as it cannot be moved ({cause.strerror})")
    else:
        _say(f"{error}" + (f"; moved to {place}" if place else ""))


def _say(line: str) -> None:
    say("watch", line)


def _results(text: str, inbox: Path) -> Path:
    """The folder of the results, which is made.

    Raises
    ------
    OptionError
        It cannot be, is called like a file, or it is the inbox itself, whose results would arrive as photos.
    """
    out = Path(text)
    if out.suffix.lower() in FORMAT_OF_SUFFIX and not is_folder(text):
        raise OptionError(f"-o {text}", "one file", "a folder for all photos", "name one", option="output")
    if text == STANDARD or file_identity(out) == file_identity(inbox):
        raise OptionError(f"-o {text}", "no folder of its own", "one for the results", "name another", option="output")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"-o {text}", problem=f"cannot be made ({error.strerror})", remedy="name another folder", option="output"
        ) from None
    return out


def main(argv: list[str]) -> int:
    """Run `matting watch` until it is interrupted; returns its exit code.

    Raises
    ------
    OptionError, EngineError
        Nothing was begun: wrong usage, or no server.
    """
    given = parser().parse_args(argv)
    if len(given.files) != 1 or not Path(given.files[0]).is_dir():
        raise OptionError(" ".join(given.files), "no folder to watch", "one", "make it first")
    if not 0 <= given.settle < math.inf:
        raise OptionError("--settle", given.settle, "0 or more seconds")
    check_work(given)
    options = read_options(given)
    shop = template(given.template) if given.template else None
    out = _results(given.output, Path(given.files[0]))
    inbox = Inbox(Path(given.files[0]), out, options.format, given.recursive, given.settle)
    tune_for_many_photos()
    workers = given.jobs or default_workers()
    troubles = Troubles()
    try:
        client = open_client(given, shared_memory=given.shared_memory, lb_policy=given.lb_policy)
        with Interruption("matting watch") as interruption, client:
            _say(f"waiting for photos in {inbox.folder}")
            while True:
                work_once(
                    client,
                    inbox,
                    options,
                    workers,
                    interruption,
                    shop,
                    review_above=given.review_above,
                    troubles=troubles,
                )
                interruption.sleep(LOOK_SECONDS)
                interruption.check()
    except KeyboardInterrupt:
        return 0
