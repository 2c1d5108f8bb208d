"""`matting cutout`: photos in, cutouts out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from matting_client.cli.arguments import check_work, parser, read_options
from matting_client.cli.engine import open_client
from matting_client.cli.inputs import STANDARD, Job, find_photos, pair_with_results
from matting_client.cli.interruption import Interruption
from matting_client.cli.marks import read_correction
from matting_client.cli.outage import Outage
from matting_client.cli.overwriting import check_standard_output, check_target, check_writable
from matting_client.cli.parser import say
from matting_client.cli.progress import PhotoProgress
from matting_client.cli.review import Review
from matting_client.cli.work import Done, Work, told
from matting_client.client import MattingClient
from matting_client.correction import Correction
from matting_client.errors import OptionError, OutputError
from matting_client.imaging import formats
from matting_client.manifest import DONE, FAILED, Entry, Manifest
from matting_client.options import Options
from matting_client.shop import Template, template
from matting_client.system import default_workers, tune_for_many_photos


def run_all(
    client: MattingClient,
    jobs: Iterable[Job],
    options: Options,
    workers: int,
    *,
    review_above: float | None = None,
    correction: Correction | None = None,
    shop: Template | None = None,
    patience: float = 0.0,
    interruption: Interruption | None = None,
    manifest: Manifest | None = None,
) -> int:
    """Work on all jobs, `workers` at once; failures are named on standard error. Returns how many failed.

    Parameters
    ----------
    correction : laid over each result.
    shop : whose rules the results are held against.
    patience : seconds that the photos wait for a server that is gone, beyond the client's own attempts.
    interruption : asks for the end.
    manifest : gets a row for each photo.

    Raises
    ------
    KeyboardInterrupt
        The end was asked for; nothing is half-written.
    """
    todo = list(jobs)
    progress = PhotoProgress(len(todo))
    review = Review(review_above)
    interruption = interruption or Interruption()
    outage = Outage(patience, lambda line: progress.say(f"matting cutout: {line}"), interruption)
    failed = 0
    try:
        work = Work(client, options, interruption, outage, correction or Correction(), shop)
        for job, done in work.through(todo, workers):
            failed += _report(done, job, progress, review)
            if manifest is not None and (done.exception() or done.result()):
                try:
                    manifest.add(_entry(done, job))
                except OutputError as error:  # the photos are worth more than their list
                    progress.say(f"matting cutout: {error}")
                    manifest = None
                    failed += 1
    finally:
        progress.end()
    for line in review.lines():
        progress.say(f"matting cutout: {line}")
    return failed


def _report(future: Done, job: Job, progress: PhotoProgress, review: Review) -> int:
    error = future.exception()
    progress.step(failed=error is not None)
    if error is None:
        outcome = future.result()
        for note in review.add(job.name, outcome) if outcome else []:
            progress.say(f"matting cutout: {note}")
        return 0
    progress.say(f"matting cutout: {told(error, job.name)}")
    return 1


def _entry(future: Done, job: Job) -> Entry:
    """The manifest's row of a photo that was not given up before it was begun."""
    if error := future.exception():
        return Entry(job.name, FAILED, reason=str(told(error, job.name)))
    outcome = future.result()
    assert outcome is not None
    file = str(job.target or "standard output")
    width, height = outcome.size
    return Entry(
        job.name,
        DONE,
        file,
        width,
        height,
        outcome.seconds,
        not outcome.is_empty,
        outcome.uncertainty,
        reason="; ".join(outcome.notes),
    )


def check_manifest(path: Path, jobs: Iterable[Job], reads: Iterable[Path]) -> None:
    """Refuse a list that would take the place of a picture.

    Raises
    ------
    OptionError
    """
    if str(path) == STANDARD or path.suffix.lower() in formats.SUFFIXES:
        raise OptionError(f"--manifest {path}", "no name for a list", "one such as manifest.csv")
    files = [file for job in jobs for file in (job.source, job.target)]
    check_target("--manifest", path, [*files, *reads])


def main(argv: list[str]) -> int:
    """Run `matting cutout`; returns its exit code.

    Raises
    ------
    OptionError, EngineError
        Nothing was begun: wrong usage, or no server.
    OSError
        The same: a name that is too long, a folder that may not be read.
    """
    given = parser().parse_args(argv)
    check_work(given)
    if not given.wait >= 0:
        raise OptionError("--wait", given.wait, "0 or more seconds")
    options = read_options(given)
    found = find_photos(given.files, given.recursive, given.output)
    reads = [path for path in (options.background, given.mask) if isinstance(path, Path)]
    jobs = pair_with_results(found, given.output, options.format, reads)
    correction = read_correction(given, len(found.photos))
    if given.manifest:
        check_manifest(given.manifest, jobs, reads)
    if given.skip_existing:
        jobs = [job for job in jobs if job.clash or not (job.target and job.target.exists())]
    for line in found.left_out:
        say("cutout", line)
    if not jobs:
        return 0
    if jobs[0].target is None:
        check_standard_output("add > cutout.png")
    elif len(jobs) > 1:
        check_writable("-o", jobs[0].target)
    client = open_client(given, shared_memory=given.shared_memory, lb_policy=given.lb_policy)
    if len(jobs) > 1:
        tune_for_many_photos()
    workers = given.jobs or default_workers()
    with (
        Interruption("matting cutout") as interruption,
        client,
        # After all that may end the command: it takes the place of the list of before.
        Manifest(given.manifest, goes_on=given.skip_existing) if given.manifest else nullcontext() as manifest,
    ):
        failed = run_all(
            client,
            jobs,
            options,
            workers,
            review_above=given.review_above,
            correction=correction,
            shop=template(given.template) if given.template else None,
            patience=given.wait,
            interruption=interruption,
            manifest=manifest,
        )
    if failed and len(jobs) > 1:
        say("cutout", f"{len(jobs) - failed} done, {failed} failed")
    return 1 if failed else 0
