"""The photos of one command, several at once, so that the server forms batches."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial

from matting_client.budget import room_for
from matting_client.cli.inputs import Job, read_named
from matting_client.cli.interruption import STEP, Interruption
from matting_client.cli.outage import Outage
from matting_client.cli.review import Outcome
from matting_client.client import MattingClient
from matting_client.correction import Correction
from matting_client.cutout import Cutout
from matting_client.errors import MattingError, OutputError, ServerBusy, ServerUnavailable, Unstorable
from matting_client.framing import more_pixels
from matting_client.imaging.encode import write
from matting_client.options import Options
from matting_client.shop import Template, broken_rules

Done = Future[Outcome | None]  # an outcome, or None where the command was interrupted before the photo was done


@dataclass
class Work:
    """Cuts photos out and writes the results.

    Parameters
    ----------
    client, options : by which and how.
    correction : laid over each result.
    shop : whose rules the results are held against.
    interruption : after which no photo is begun and nothing is written.
    outage : for how long photos wait for a server that is gone.
    """

    client: MattingClient
    options: Options
    interruption: Interruption
    outage: Outage
    correction: Correction = field(default_factory=Correction)
    shop: Template | None = None

    def through(self, jobs: Iterable[Job], workers: int) -> Iterator[tuple[Job, Done]]:
        """Work on all jobs, `workers` at once; gives each when it is done, or has failed with a `MattingError`.

        Fewer at once when photos are large: see `budget`.

        Raises
        ------
        KeyboardInterrupt
            The end was asked for; what was in work is done and was given, and nothing is half-written.
        """
        todo = deque(jobs)
        running: dict[Done, Job] = {}
        with ThreadPoolExecutor(workers) as pool:
            # Few are handed out at a time, so that an interruption ends soon.
            while todo or running:
                while todo and len(running) < workers:
                    job = todo.popleft()
                    running[pool.submit(self.one, job)] = job
                ends = self.interruption.is_set()
                for future in wait(running, None if ends else STEP, ALL_COMPLETED if ends else FIRST_COMPLETED).done:
                    yield running.pop(future), future
                if ends:
                    raise KeyboardInterrupt

    def one(self, job: Job) -> Outcome | None:
        """Make and write one cutout; None when the command was interrupted before.

        Raises
        ------
        MattingError
        """
        if job.clash:
            raise Unstorable(job.name, problem=job.clash)
        if self.outage.is_given_up():
            raise ServerUnavailable(
                job.name, problem="not done, the server is gone", remedy="start it and run again with --skip-existing"
            )
        data = read_named(job.source)
        with room_for(data, job.name, made=partial(more_pixels, self.options)):
            if self.interruption.is_set():
                return None
            cutout = self._cut_out(data, job.name)
            if cutout is None or self.interruption.is_set():  # from then on nothing is written
                return None
            if self.correction:
                marks = self.correction
                cutout = cutout.corrected(marks.mask, picks=marks.picks, strokes=marks.strokes)
            result = cutout.encode()
            outcome = Outcome.of(cutout, result, broken_rules(self.shop, cutout, result) if self.shop else ())
            # The last of all: what is written is told of, whatever ends the process.
            if job.target:
                write(job.target, result.data)
            else:
                _to_standard_output(result.data)
            return outcome

    def _cut_out(self, data: bytes, name: str) -> Cutout | None:
        """Ask for as long as the server is waited for, or until the end is asked for."""
        while True:
            try:
                cutout = self.client.cutout(data, self.options, name)
            except (ServerBusy, ServerUnavailable) as error:
                if self.outage.wait(error):
                    continue
                if self.interruption.is_set():
                    return None
                raise error.about(name) from None
            else:
                self.outage.end()
                return cutout


def told(error: BaseException, photo: str) -> MattingError:
    """The error of a photo; of one that nobody expected, what kind it is."""
    known = error if isinstance(error, MattingError) else MattingError(type(error).__name__, problem=error)
    return known.about(photo)


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
