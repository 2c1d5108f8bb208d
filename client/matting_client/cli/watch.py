"""`matting watch`: cut out whatever arrives in a folder, until it is stopped; a restart goes on where it was."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from matting_client.cli.arguments import read_options, shared_parser
from matting_client.cli.folders import list_folder
from matting_client.cli.inputs import Found, Job, Photo, plan
from matting_client.cli.interruption import Interruption
from matting_client.cli.outage import Outage
from matting_client.cli.review import Review
from matting_client.cli.work import Work
from matting_client.client import MattingClient
from matting_client.connection import connect
from matting_client.errors import MattingError, OptionError, ServerBusy, ServerUnavailable
from matting_client.options import Options
from matting_client.shop import Template, template
from matting_client.system import tune_for_many_photos, usable_cores

LOOK_SECONDS = 1.0  # between two looks at the folder
FAILED = "failed"  # folder within that of the results
PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".download")  # names of files that are still being written
EXAMPLES = """examples:
  matting watch inbox/ -o cutouts/
  matting watch inbox/ -o cutouts/ --recursive --preset product

A photo is taken once it has not changed for --settle seconds. One that fails is moved to OUT/failed/. A photo whose
result is there, and newer, is not done again. Ctrl-C and SIGTERM end it with nothing half-written; exit code 0.
"""


def parser() -> argparse.ArgumentParser:
    """Options of `matting cutout`, and those of watching."""
    result = shared_parser("matting watch", "Cut out every photo that arrives.", EXAMPLES)
    result.add_argument(
        "--settle", type=float, default=2.0, metavar="SECONDS", help="how long a file must be unchanged"
    )
    return result


@dataclass
class Inbox:
    """A folder whose photos are waited for.

    Parameters
    ----------
    folder, out : where photos come and results go.
    settle : seconds that a file must not have changed.
    """

    folder: Path
    out: Path
    format: str
    recursive: bool
    settle: float
    _seen: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def due(self) -> list[Job]:
        """Whole photos without a result.

        Raises
        ------
        OSError
            The folder cannot be read.
        """
        listing = list_folder(self.folder, self.recursive, self.out)
        paths = [path for path in listing.photos if path.suffix.lower() not in PARTIAL]
        self._seen = {path: seen for path, seen in self._seen.items() if path in paths}
        photos = [Photo(path, path.parent.relative_to(self.folder)) for path in paths]
        if not photos:
            return []
        jobs = plan(Found(photos, single=False, left_out=[]), f"{self.out}/", self.format)
        return [job for job in jobs if self._is_settled(job.source) and not _is_done(job)]

    def put_aside(self, job: Job) -> Path | None:
        """Move a photo that failed out of the way; None when it has changed since, and so gets another chance."""
        assert job.source is not None
        if not self._is_settled(job.source):
            return None
        place = self.out / FAILED / job.source.relative_to(self.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(job.source, place)
        return place

    def _is_settled(self, path: Path | None) -> bool:
        """Whether a file has been the same for long enough; by this process's clock, not by the file's."""
        assert path is not None
        try:
            found = path.stat()
        except OSError:
            return False
        state = (found.st_size, found.st_mtime_ns)
        known = self._seen.get(path)
        if known is None or known[0] != state:
            self._seen[path] = state, time.monotonic()
            return False
        return time.monotonic() - known[1] >= self.settle


def _is_done(job: Job) -> bool:
    assert job.source is not None and job.target is not None
    try:
        return job.target.stat().st_mtime_ns >= job.source.stat().st_mtime_ns
    except OSError:
        return False


def work_once(
    client: MattingClient,
    inbox: Inbox,
    options: Options,
    workers: int,
    interruption: Interruption,
    shop: Template | None = None,
) -> bool:
    """Cut out what is due, `workers` photos at once; returns whether the server answered.

    Raises
    ------
    KeyboardInterrupt
        The end was asked for.
    """
    outage = Outage(0.0, _say, interruption)
    review = Review()
    work = Work(client, options, interruption, outage, shop=shop)
    for job, done in work.through(inbox.due(), workers):
        try:
            outcome = done.result()
        except (ServerBusy, ServerUnavailable):
            continue  # the photo stays for later
        except MattingError as error:
            place = inbox.put_aside(job)
            _say(f"{error}" + (f"; moved to {place}" if place else ""))
        else:
            if outcome is None:
                continue  # interrupted
            _say(f"{job.name}: {job.target}")
            for note in review.add(job.name, outcome):
                _say(note)
    return not outage.is_given_up()


def _say(line: str) -> None:
    print(f"matting watch: {line}", file=sys.stderr, flush=True)


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
    if given.settle < 0:
        raise OptionError("--settle", given.settle, "0 or more")
    options = read_options(given)
    shop = template(given.template) if given.template else None
    out = Path(given.output or "outputs")
    inbox = Inbox(Path(given.files[0]), out, options.format, given.recursive, given.settle)
    tune_for_many_photos()
    workers = given.jobs or min(8, usable_cores() + 2)
    client = connect(given.engine, given.url, given.model, shared_memory=given.shared_memory, lb_policy=given.lb_policy)
    answered = True
    try:
        with Interruption("matting watch") as interruption, client:
            _say(f"waiting for photos in {inbox.folder}")
            while True:
                before, answered = answered, work_once(client, inbox, options, workers, interruption, shop)
                if before and not answered:
                    _say("the server is gone, waiting")
                interruption.sleep(LOOK_SECONDS)
                interruption.check()
    except KeyboardInterrupt:
        return 0
