"""A source's frames, rendered: what the command, the API and the page have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

from matting_client.cutout import Cutout
from matting_client.engine import Engine
from matting_client.options import Options
from matting_client.types import Picture
from matting_client.video.background import Background
from matting_client.video.source import Source
from matting_client.video.still import Still
from matting_client.video.stream import IN_FLIGHT, cutouts, in_order, pixel_workers
from matting_client.video.temporal import REACH


@dataclass(frozen=True)
class Plan:
    """What becomes of which clip.

    Attributes
    ----------
    source : the clip.
    options : how a frame is made, as of a photo.
    background : what gives pictures to put behind.
    smooth : let neighbouring frames agree.
    """

    source: Source
    options: Options
    background: Background
    smooth: bool = True


def render(
    engine: Engine, plan: Plan, *, first: int = 0, still: Still | None = None, in_flight: int = IN_FLIGHT
) -> Iterator[tuple[Picture, int, Still]]:
    """Pictures in order, each with its tick and the state behind it.

    Parameters
    ----------
    engine : the model.
    plan : what to do.
    first : number of the first frame that is wanted. The frames before are read but not cut out, but for those within
        reach of it.
    still : the state behind frame `first - 1`.
    in_flight : frames that the model gets at once.

    Returns
    -------
    (H, W), (H, W, 3) or (H, W, 4) uint8 as of `Cutout.render`.

    Raises
    ------
    MattingError
    """
    skip = min(first, REACH) if plan.smooth else 0
    ticks: deque[int] = deque()

    def frames() -> Iterator[Picture]:
        for number, timed in enumerate(plan.source.frames()):
            if number >= first:
                ticks.append(timed.tick)
            if number >= first - skip:
                yield timed.rgb

    def draw(made: tuple[Cutout, Picture | None, int, Still]) -> tuple[Picture, int, Still]:
        cutout, behind, tick, state = made
        return cutout.render(behind), tick, state

    def place(made: tuple[Cutout, Still]) -> tuple[Cutout, Picture | None, int, Still]:
        cutout, state = made
        tick = ticks.popleft()
        return cutout, plan.background.behind(cutout, Fraction(tick) * plan.source.clip.time_base), tick, state

    made = cutouts(engine, frames(), plan.options, smooth=plan.smooth, still=still, skip=skip, in_flight=in_flight)
    workers = pixel_workers(in_flight)
    with closing(made), ThreadPoolExecutor(workers) as pool:
        yield from in_order(pool, draw, map(place, made), workers)
