"""`matting cutout`: photos in, cutouts out, several at once so that the server forms batches."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import get_args

from matting_client.budget import room_for
from matting_client.cli.finishing import add_finishing
from matting_client.cli.inputs import Job, find_photos, output_format, plan
from matting_client.cli.marks import add_marks, read_correction
from matting_client.cli.parser import Parser
from matting_client.cli.review import Outcome, Review
from matting_client.client import MattingClient, connect
from matting_client.correction import Correction
from matting_client.errors import MattingError, OptionError, OutputError, ServerUnavailable
from matting_client.imaging.decode import Limits, read, read_bytes
from matting_client.imaging.encode import write
from matting_client.machine import usable_cores
from matting_client.options import MAX_ERODE, MAX_THRESHOLD, Options, parse_colour, presets
from matting_client.shop import Template, broken_rules, template
from matting_client.system import tune_for_many_photos
from matting_client.triton import shm
from matting_client.triton.protocol import LbPolicy

GRACE = 5.0  # seconds an interrupted command waits for photos in work
INTERRUPTED = 130
EXAMPLES = """examples:
  matting cutout photo.jpg -o cutout.png                    transparent PNG of the photo's size
  matting cutout photo.jpg -o white.jpg --background white
  matting cutout photo.jpg -o shop.jpg --background white --crop --crop-margin 5% --size 1080px
  matting cutout goods/ -o shop/ --template amazon          2000 x 2000 on white, and what the shop would object to
  matting cutout photos/ -o cutouts/ --preset product       cutouts/<name>.png for every picture
  matting cutout shop/ -o cutouts/ --recursive              the same with subfolders, which keep their tree
  matting cutout 'shop/*.jpg' --alpha-only                  outputs/<name>.png, the alpha in grey
  matting cutout - < photo.jpg > cutout.png
  matting cutout photo.jpg -o cutout.png --engine local     without a server
  matting cutout photos/ -o out/ --review-above 0.03        and which results to look at first
  matting cutout photo.jpg -o cutout.png --remove 900,400   without the person at x 900, y 400
  matting cutout photo.jpg -o cutout.png --keep 310,620,40  and what a brush of 40 px covers there

exit code: 0 all done; 1 some photos failed, each named, the others written; 2 wrong usage or no server;
130 interrupted, with nothing half-written.
"""


def parser(
    prog: str = "matting cutout", description: str = "Cut the subject out of photos.", epilog: str = EXAMPLES
) -> argparse.ArgumentParser:
    """The options of the command; unset ones stay out, so that a preset's values hold."""
    p = Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    names = "; ".join(f"{preset.name}: {preset.description['en'].rstrip('.')}" for preset in presets().values())
    p.add_argument("files", nargs="+", metavar="FILE", help="photo, folder, glob, or - for standard input")
    p.add_argument("-o", "--output", default=None, metavar="OUT", help="file, folder, or - (default: outputs/)")
    p.add_argument(
        "-r", "--recursive", action="store_true", default=False, help="subfolders, too; their results keep the tree"
    )
    p.add_argument("--preset", metavar="NAME", default=None, help=f"a set of options. {names}")
    p.add_argument(
        "--background", metavar="COLOUR|FILE", help="'#ffffff', a colour name, or a picture (default: transparent)"
    )
    p.add_argument("--format", metavar="FORMAT", help="png, jpeg or webp (default: the suffix of -o, else png)")
    p.add_argument("--quality", type=int, metavar="1..100", help="of JPEG and WebP (default: 92)")
    p.add_argument("--alpha-only", action="store_true", help="write the alpha as an 8-bit grey PNG")
    p.add_argument("--alpha-threshold", type=int, metavar=f"0..{MAX_THRESHOLD}", help="alpha below it becomes 0")
    p.add_argument(
        "--erode",
        type=float,
        metavar=f"-{MAX_ERODE}..{MAX_ERODE}",
        help="pull the edge in, in px at a 1024 px short side; negative dilates",
    )
    p.add_argument("--feather", action=argparse.BooleanOptionalAction, help="soften the edge")
    p.add_argument(
        "--foreground",
        action=argparse.BooleanOptionalAction,
        help="the subject's own colours at the edge (default: on)",
    )
    p.add_argument(
        "--refine", action=argparse.BooleanOptionalAction, help="follow the edges of large photos (default: on)"
    )
    p.add_argument("--passes", type=int, metavar="1|2", help="2: a small subject is seen again, up close (default: 2)")
    p.add_argument(
        "--orientation",
        metavar="given|auto",
        help="auto: ask in all four orientations, for photos that lie on their side (default: given)",
    )
    p.add_argument(
        "--roi", metavar="'X1 Y1 X2 Y2'", help="only this part of the photo counts, in px or %%: '0%% 0%% 50%% 100%%'"
    )
    p.add_argument("--crop", action=argparse.BooleanOptionalAction, help="cut the result to the subject")
    p.add_argument(
        "--crop-margin", metavar="M", help="room around it, 1, 2 or 4 of 0..500px or 0..50%% of its size (default: 0)"
    )
    p.add_argument("--scale", metavar="10%..100%", help="how much of the result the subject fills (default: original)")
    p.add_argument(
        "--position", metavar="P", help="original, center or 'X%% Y%%' (default: original; center with --scale)"
    )
    p.add_argument(
        "--size", metavar="S", help="largest result: a longest side such as 1080px, or an area such as 0.25MP"
    )
    add_finishing(p)
    p.add_argument(
        "--engine", default="triton", metavar="triton|local", help="a server, or this process (default: triton)"
    )
    p.add_argument(
        "--url", default="127.0.0.1:8001", help="grpc://host:port or http://host:port (default: %(default)s)"
    )
    p.add_argument(
        "--shared-memory",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="pass pixels through memory shared with the server (default: where it is on this machine)",
    )
    p.add_argument(
        "--lb-policy",
        choices=get_args(LbPolicy),
        default="pick_first",
        help="of gRPC, where --url names several servers (default: %(default)s)",
    )
    p.add_argument("--model", default="matting_512", help="matting_512 or matting_1024 (default: %(default)s)")
    p.add_argument(
        "--jobs", type=int, default=0, metavar="N", help="photos at once (default: the cores and two more, at most 8)"
    )
    p.add_argument(
        "--review-above",
        type=float,
        default=None,
        metavar="U",
        help="name the results whose uncertainty is larger, the worst first; 0.03 is a good start",
    )
    p.add_argument(
        "--skip-existing",
        action="store_true",
        default=False,
        help="leave results that exist; goes on after an interruption",
    )
    return p


def read_options(given: argparse.Namespace) -> Options:
    """Options from the preset, the suffix of -o and what the command line says, in rising order of weight.

    Raises
    ------
    OptionError
    """
    names = {each.name for each in fields(Options)} - {"background"}
    changes = {name: value for name, value in vars(given).items() if name in names}
    single = len(given.files) == 1 and not Path(given.files[0]).is_dir()
    suffix = output_format(given.output, single)
    if suffix and changes.get("format", suffix) not in (suffix, "jpg" if suffix == "jpeg" else suffix):
        raise OptionError(f"--format {changes['format']}", f"-o {given.output}", "the same format", "leave one out")
    if suffix:
        changes["format"] = suffix
    if hasattr(given, "background"):
        changes["background"] = _background(given.background)
    if changes.get("alpha_only"):
        changes.setdefault("format", "png")
    if given.template and given.preset:
        raise OptionError("--template", "--preset beside it", "one of them", "leave one out")
    if given.template:
        return template(given.template).make(**changes)
    return Options.from_preset(given.preset, **changes) if given.preset else Options(**changes)


def _background(text: str) -> str | Path:
    path = Path(text)
    if path.is_file():
        read(path)  # a bad picture is known before any photo is worked on
        return path
    parse_colour(text)
    return text


class Progress:
    """A line on a terminal's standard error: done, speed, time left; nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.failed = 0
        self.start = time.monotonic()
        self.shown = sys.stderr.isatty() and total > 1

    def step(self, failed: bool = False) -> None:
        """Count one photo."""
        self.done += 1
        self.failed += failed
        if self.shown:
            spent = time.monotonic() - self.start
            left = spent / self.done * (self.total - self.done)
            line = f"{self.done}/{self.total}  {self.done / spent:.1f}/s  {left:.0f} s left  {self.failed} failed"
            print(f"\r{line} \033[K", end="", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Print a line above the progress."""
        print(("\r\033[K" if self.shown else "") + line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.shown:
            print(file=sys.stderr)


@dataclass
class State:
    """What the photos of one command have in common; `correction` is laid over each result."""

    correction: Correction = field(default_factory=Correction)
    template: Template | None = None  # whose rules the results are held against
    gone: threading.Event = field(default_factory=threading.Event)  # the server does not answer any more
    interrupted: threading.Event = field(default_factory=threading.Event)


def run_job(client: MattingClient, job: Job, options: Options, state: State) -> Outcome | None:
    """Make and write one cutout; None when the command was interrupted before.

    Raises
    ------
    MattingError
    """
    if job.clash:
        raise OutputError(job.name, problem=job.clash)
    if state.gone.is_set():
        raise ServerUnavailable(
            job.name, problem="not done, the server is gone", remedy="start it and run again with --skip-existing"
        )
    data = read_bytes(job.source) if job.source else sys.stdin.buffer.read(Limits().max_bytes + 1)
    with room_for(data, job.name):
        if state.interrupted.is_set():
            return None
        try:
            cutout = client.cutout(data, options, job.name)
        except ServerUnavailable as error:
            state.gone.set()
            raise error.about(job.name) from None
        if state.correction:
            marks = state.correction
            cutout = cutout.corrected(marks.mask, picks=marks.picks, strokes=marks.strokes)
        if state.interrupted.is_set():  # from then on nothing is written
            return None
        result = cutout.encode()
        if job.target:
            write(job.target, result.data)
        else:
            _to_standard_output(result.data)
        return Outcome.of(cutout, broken_rules(state.template, cutout, result) if state.template else ())


def _to_standard_output(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Nobody reads any more: what is left in the buffer must not fail once again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(
            "standard output", problem=f"cannot be written ({error.strerror})", remedy="write to a file with -o"
        ) from None


def run_all(
    client: MattingClient,
    jobs: Iterable[Job],
    options: Options,
    workers: int,
    *,
    review_above: float | None = None,
    correction: Correction | None = None,
    shop: Template | None = None,
) -> int:
    """Work on all jobs, `workers` at once; failures are named on standard error. Returns how many failed.

    Fewer at once when photos are large: see `budget`.
    """
    todo = list(jobs)
    progress, failed, review = Progress(len(todo)), 0, Review(review_above)
    state = State(correction or Correction(), shop)
    pool = ThreadPoolExecutor(workers)
    waiting: dict[Future[Outcome | None], Job] = {}
    try:
        # Few are handed out at a time, so that an interruption ends soon.
        while todo or waiting:
            while todo and len(waiting) < workers:
                job = todo.pop(0)
                waiting[pool.submit(run_job, client, job, options, state)] = job
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                failed += _report(future, waiting.pop(future), progress, review)
    except KeyboardInterrupt:
        state.interrupted.set()
        _wait_or_leave(waiting, progress)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        progress.end()
    for line in review.lines():
        progress.say(f"matting cutout: {line}")
    return failed


def _wait_or_leave(running: Iterable[Future[Outcome | None]], progress: Progress) -> None:
    """Let results that are being written become complete; then leave, even from a server that hangs."""
    with contextlib.suppress(KeyboardInterrupt):
        wait(running, timeout=GRACE)
    if not all(future.done() for future in running):
        progress.say("matting cutout: interrupted")
        # Python would wait for the threads, and they for the server.
        shm.unlink_all()
        os._exit(INTERRUPTED)


def _report(future: Future[Outcome | None], job: Job, progress: Progress, review: Review) -> int:
    error = future.exception()
    progress.step(failed=error is not None)
    if error is None:
        outcome = future.result()
        for note in review.add(job.name, outcome) if outcome else []:
            progress.say(f"matting cutout: {note}")
        return 0
    if not isinstance(error, MattingError):
        error = MattingError(type(error).__name__, problem=error)
    progress.say(f"matting cutout: {error.about(job.name)}")
    return 1


def main(argv: list[str]) -> int:
    """Run `matting cutout`; returns its exit code.

    Raises
    ------
    OptionError, EngineError
        Nothing was begun: wrong usage, or no server.
    """
    p = parser()
    add_marks(p)
    given = p.parse_args(argv)
    if given.jobs < 0:
        raise OptionError("--jobs", given.jobs, "1 or more")
    try:
        options = read_options(given)
        found = find_photos(given.files, given.recursive, given.output)
        jobs = plan(found, given.output, options.format)
        correction = read_correction(given, len(found.photos))
    except OSError as error:  # a name that is too long, a folder that may not be read
        raise OptionError(
            error.filename, problem=f"cannot be used ({error.strerror})", remedy="check the path"
        ) from None
    if given.skip_existing:
        jobs = [job for job in jobs if job.clash or not (job.target and job.target.exists())]
    for line in found.left_out:
        print(f"matting cutout: {line}", file=sys.stderr)
    if not jobs:
        return 0
    if jobs[0].target is None and sys.stdout.isatty():
        raise OptionError("standard output", "a terminal", "a file or a pipe", "add > cutout.png")
    try:
        client = connect(
            given.engine, given.url, given.model, shared_memory=given.shared_memory, lb_policy=given.lb_policy
        )
    except ServerUnavailable as error:
        raise error.replace(remedy=f"{error.remedy}, or use --engine local") from None
    if len(jobs) > 1:
        tune_for_many_photos()
    with client, ended_by_sigterm():
        shop = template(given.template) if given.template else None
        workers = given.jobs or min(8, usable_cores() + 2)
        failed = run_all(
            client, jobs, options, workers, review_above=given.review_above, correction=correction, shop=shop
        )
    if failed and len(jobs) > 1:
        print(f"matting cutout: {len(jobs) - failed} done, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, with nothing half-written."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # also where SIGINT is ignored, as behind `&`
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
