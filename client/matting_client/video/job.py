"""One clip from its source to its file: whole or absent, and taken up again where it was stopped.

A container is made of segments. Each is encoded by a fresh encoder into the folder `.NAME.matting` beside the result,
and appears there, with the state behind its last frame, when it is complete; at the end their packets are put together
with the sound. Whoever starts the same job again goes on after the last segment, and the bytes are the same, since an
uninterrupted job is made of the same segments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from matting_client.engine import Engine
from matting_client.types import Picture
from matting_client.video.container import assemble
from matting_client.video.pipeline import Plan, render
from matting_client.video.reader import Clip, VideoFile
from matting_client.video.still import Still
from matting_client.video.stream import IN_FLIGHT
from matting_client.video.workplace import Segment, Workplace
from matting_client.video.writer import Encoded, Pictures, Writer, unwritable

SEGMENT = 120  # frames
Rendered = Iterable[tuple[Picture, int, Still]]  # pictures with their ticks and the states behind them
Render = Callable[[int, Still], Rendered]  # from frame number N on, with the state before it


def run(workplace: Workplace, render: Render, begin: Callable[[Path, int], Writer]) -> list[Segment]:
    """Render what is not there yet, segment by segment.

    Parameters
    ----------
    render : gives the pictures from a frame on.
    begin : makes the writer of a segment from its path and the number of its first frame.
    """
    segments = workplace.complete()
    done = sum(len(segment.read_ticks()) for segment in segments)
    if segments and len(segments[-1].read_ticks()) < SEGMENT:
        return segments  # only the last one of a clip is shorter
    still = Still.load(segments[-1].state) if segments else Still()
    pictures = iter(render(done, still))
    for number in range(len(segments), 10**6):
        segment = workplace.segment(number)
        part = segment.video.with_suffix(".part")
        ticks, still = _write_segment(pictures, begin(part, done), still)
        if not ticks:
            break
        _complete(segment, part, ticks, still)
        segments.append(segment)
        done += len(ticks)
        if len(ticks) < SEGMENT:
            break
    return segments


def _complete(segment: Segment, part: Path, ticks: list[int], still: Still) -> None:
    """Put what a segment needs beside it, and then itself. Raises OutputError."""
    try:
        still.save(segment.state)
        segment.ticks.write_text(json.dumps(ticks), encoding="utf-8")
        part.touch()  # pictures are written elsewhere
        part.replace(segment.video)
    except OSError as error:
        raise unwritable(segment.video, error) from None


def _write_segment(
    pictures: Iterator[tuple[Picture, int, Still]], writer: Writer, still: Still
) -> tuple[list[int], Still]:
    """Write up to `SEGMENT` frames; gives their ticks and the state behind the last."""
    ticks: list[int] = []
    for picture, tick, behind in pictures:
        writer.write(picture, tick)
        del picture  # or it would be kept while the next one is made
        ticks.append(tick)
        still = behind
        if len(ticks) == SEGMENT:
            break
    writer.close()
    return ticks, still


def begin_encoded(target: Path, clip: Clip) -> Callable[[Path, int], Writer]:
    """What makes the writer of a container's segment."""

    def begin(path: Path, number: int) -> Writer:
        return Encoded(path, target.suffix.lower(), clip.time_base, clip.fps)

    return begin


def frames_done(target: Path, key: dict[str, Any]) -> int:
    """Frames of a job that need not be made again."""
    with Workplace(target, key) as workplace:
        return sum(len(segment.read_ticks()) for segment in workplace.complete())


def named_after(pattern: str) -> Path:
    """What the job of numbered pictures is called after."""
    return Path(pattern.replace("%", "_"))


def make_pictures(
    engine: Engine,
    plan: Plan,
    pattern: str,
    key: dict[str, Any],
    *,
    in_flight: int = IN_FLIGHT,
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Make numbered pictures, such as `frames/%05d.png`; parameters and errors as of `make_container`."""
    with Workplace(named_after(pattern), key) as workplace:
        run(workplace, _rendering(engine, plan, in_flight, on_frame), lambda _, first: Pictures(pattern, first))
        workplace.remove()


def _rendering(engine: Engine, plan: Plan, in_flight: int, on_frame: Callable[[], None]) -> Render:
    def noted(made: tuple[Picture, int, Still]) -> tuple[Picture, int, Still]:
        on_frame()
        return made

    def pictures(first: int, still: Still) -> Rendered:
        return map(noted, render(engine, plan, first=first, still=still, in_flight=in_flight))

    return pictures


def make_container(
    engine: Engine,
    plan: Plan,
    target: Path,
    key: dict[str, Any],
    *,
    sound: bool = True,
    in_flight: int = IN_FLIGHT,
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Make a .webm, .mov or .mp4 file of a clip, or go on with it.

    Parameters
    ----------
    engine : the model.
    plan : what becomes of which clip.
    target : the result; it appears when it is complete.
    key : everything that its bytes depend on.
    sound : keep the source's.
    in_flight : frames that are worked on at once.
    on_frame : called after every frame; what it raises stops the job, which can be taken up again.

    Raises
    ------
    MattingError
    """
    clip = plan.source.clip
    with Workplace(target, key) as workplace:
        segments = run(workplace, _rendering(engine, plan, in_flight, on_frame), begin_encoded(target, clip))
        heard = plan.source if sound and isinstance(plan.source, VideoFile) else None
        assemble(segments, target, clip, heard, workplace.folder)
        workplace.remove()
