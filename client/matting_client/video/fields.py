"""Whole frames of interlaced ones, whose odd and even lines were taken at two moments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from matting_client.video.ffmpeg import import_av

if TYPE_CHECKING:
    import av

FILTER = ("bwdif", "send_frame:auto:interlaced")  # one frame for each; those that are whole stay as they are


def deinterlaced(frames: Iterable[av.VideoFrame], time_base: Fraction) -> Iterator[av.VideoFrame]:
    """As many frames, in order, at their times; FFmpeg's bwdif makes interlaced ones whole, by their neighbours.

    Frames before the first interlaced one go through at once, those from there on one frame later.

    Parameters
    ----------
    frames : as decoded.
    time_base : seconds of a tick of their times.
    """
    graph = None
    shape = None
    for frame in frames:
        if graph and _shape(frame) != shape:
            yield from _filtered(graph, None, time_base)
            graph = None
        if not graph and frame.interlaced_frame:
            graph = _graph(frame, time_base)
            shape = _shape(frame)
        if graph:
            yield from _filtered(graph, frame, time_base)
        else:
            yield frame
    if graph:
        yield from _filtered(graph, None, time_base)


def _shape(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def _graph(frame: av.VideoFrame, time_base: Fraction) -> Any:
    graph = import_av().filter.Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base),
        graph.add(*FILTER),
        graph.add("buffersink"),
    ).configure()
    return graph


def _filtered(graph: Any, frame: av.VideoFrame | None, time_base: Fraction) -> Iterator[av.VideoFrame]:
    """What the filter gives once it has seen a frame, or, with None, the last one."""
    errors = import_av().error
    graph.push(frame)
    while True:
        try:
            made = graph.pull()
        except (errors.BlockingIOError, errors.EOFError):  # it wants another frame; it has no more
            return
        if made.pts is not None:
            made.pts = round(made.pts * made.time_base / time_base)
        made.time_base = time_base
        yield made
