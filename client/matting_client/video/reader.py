"""Frames of a video file, with the times at which they are shown; `source` has those of everything else."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matting_client.errors import InputError, MattingError, OptionError
from matting_client.types import Picture
from matting_client.video.ffmpeg import failures, import_av, reason_of
from matting_client.video.fields import deinterlaced

if TYPE_CHECKING:
    import av

# Containers alone: FFmpeg's playlists and device formats would open other files and addresses.
DEMUXERS = "mov,matroska,avi,mpegts,mpeg,ogg,flv,asf,mxf,dv,h264,hevc,ivf,nut,y4m,yuv4mpegpipe"
MICROSECOND = Fraction(1, 1_000_000)
HD_HEIGHT = 720  # lines from which on a file that does not say so means BT.709
BT601, BT709, UNSPECIFIED = 5, 1, 2  # ISO/IEC 23091-2, as are the next two
HDR_CURVES = (16, 18)  # PQ and HLG
WIDE_COLOURS = (9, 12)  # BT.2020 and Display P3
DEFAULT_FPS = Fraction(30)
WHOLE = Fraction(9, 10)  # of a clip's length: its sound may be somewhat longer than its pictures
MAX_VIDEO_PIXELS = 4096 * 4096
SEEK_MARGINS = (0, 10, 60)  # seconds before a moment from which a decoder is begun, until it reaches it
DECODER_THREADS = 1  # far faster than any model as it is; FFmpeg would take one for every core, with frames of its own


@dataclass(frozen=True, eq=False, repr=False)
class Timed:
    """A frame, (H, W, 3) uint8 RGB, and when it is shown, in ticks of the clip's time base from its beginning."""

    rgb: Picture
    tick: int


@dataclass(frozen=True)
class Clip:
    """What is known of a clip before its frames are read.

    Attributes
    ----------
    name : for messages.
    time_base : seconds of a tick.
    fps : frames a second, on average.
    count : frames, as far as is known; None where not even the packets have times.
    """

    name: str
    time_base: Fraction
    fps: Fraction
    count: int | None


class VideoFile:
    """A file that FFmpeg reads.

    Parameters
    ----------
    path : the file.
    name : what messages call it; its path by default.
    start, end : seconds; frames from `start` on and before `end`. None is the file's end.
    most_pixels : of a frame.

    Attributes
    ----------
    go_on : called again and again while its sound is put to the result, which may take long; what it raises ends that.
    seconds : its length as it says; None where it does not.
    seen : seconds of it up to which `frames` has given some.

    Raises
    ------
    InputError
        Not a readable video.
    OptionError
        It ends before `start`.
    """

    def __init__(
        self,
        path: Path,
        start: Fraction = Fraction(0),
        end: Fraction | None = None,
        *,
        name: str | None = None,
        most_pixels: int = MAX_VIDEO_PIXELS,
    ) -> None:
        self.path = path
        self._most_pixels = most_pixels
        self.name = name or str(path)
        self.start = start
        self.end = end
        self.go_on: Callable[[], None] = lambda: None
        self._reformatter = import_av().video.reformatter.VideoReformatter()  # its tables for HDR take seconds
        with self.opened() as container:
            stream = container.streams.video[0]
            rate = Fraction(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
            self.clip = Clip(self.name, Fraction(stream.time_base or MICROSECOND), rate, None)
            self.seconds = seconds = _seconds(container, stream, 1 / rate)
        self.seen = Fraction(0)
        if seconds is not None:
            if start >= seconds:
                raise OptionError(
                    f"start {float(start):g}", f"a clip of {float(seconds):.2f} s", remedy="start earlier"
                )
            length = min(seconds, end or seconds) - start
            self.clip = replace(self.clip, count=max(1, round(length * self.clip.fps)))

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The container, open. Raises InputError where it is no usable video."""
        av = import_av()
        with contextlib.ExitStack() as stack:
            try:
                # Opened here, so that FFmpeg takes no part of the name for a protocol.
                file = stack.enter_context(self.path.open("rb"))
                allowed = {"format_whitelist": DEMUXERS, "protocol_whitelist": ""}
                container = stack.enter_context(av.open(file, options=allowed))
            except failures() as error:
                raise InputError(
                    self.name, f"no readable video ({reason_of(error)})", remedy="choose another file"
                ) from None
            if not container.streams.video:
                raise InputError(self.name, "no video stream", "one", "choose another file")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise InputError(self.name, "a codec that FFmpeg does not know", "a video", "choose another file")
            stream.codec_context.options = {"max_pixels": str(self._most_pixels)}
            self._check_size(stream.width or 0, stream.height or 0)
            yield container

    def _check_size(self, width: int, height: int) -> None:
        if not 0 < width * height <= self._most_pixels:
            raise InputError(self.name, f"{width}x{height} pixels", f"1 to {self._most_pixels}", "make it smaller")

    def frames(self) -> Iterator[Timed]:
        """The frames, upright.

        Raises
        ------
        InputError
            The file is damaged; says where.
        OptionError
            It has no frames from `start` to `end`.
        """
        with self.opened() as container:
            stream = container.streams.video[0]
            base = self.clip.time_base
            origin = stream.start_time or 0
            first = origin + round(self.start / base)
            step = max(1, round(1 / self.clip.fps / base))
            last = -1
            for frame in self._decoded_from(container, stream, first):
                tick = frame.pts - first if frame.pts is not None else last + step
                if tick < 0:
                    continue
                if self.end is not None and tick * base >= self.end - self.start:
                    break
                last = max(tick, last + 1)
                self.seen = self.start + (last + (frame.duration or step)) * base
                yield Timed(self._picture(frame, stream), last)
            if last < 0:
                raise self._without_frames()

    def ends_early(self) -> bool:
        """Whether `frames`, gone through, ended long before the length that the file tells, or before `end`."""
        if self.seconds is None:
            return False
        whole = self.seconds if self.end is None else min(self.end, self.seconds)
        return 0 < self.seen - self.start < WHOLE * (whole - self.start)

    def _without_frames(self) -> MattingError:
        if not self.start and self.end is None:
            return InputError(self.name, "no frames", "some", "choose another file")
        until = "on" if self.end is None else f"to {float(self.end):g} s"
        return OptionError(
            f"start {float(self.start):g}", f"no frames from there {until}", remedy="choose another part"
        )

    def _picture(self, frame: av.VideoFrame, stream: Any) -> Picture:
        aspect = stream.sample_aspect_ratio
        self._check_size(*_square_size(frame.width, frame.height, aspect))  # a later frame may be larger than the first
        try:
            return upright_rgb(frame, self._reformatter, aspect)
        except failures() as error:
            raise InputError(
                self.name,
                problem=f"colours that cannot be read (matrix {int(frame.colorspace)}: {reason_of(error)})",
                remedy="convert it to BT.709",
            ) from None

    def _decoded_from(self, container: Any, stream: Any, first: int) -> Iterator[Any]:
        """Frames from a key frame on that is not after the tick `first`.

        Containers without an index, such as MPEG-TS, are searched by guessing, which may end behind the key frame.
        """
        if not self.start:
            yield from self._decoded(container, stream)
            return
        for margin in SEEK_MARGINS:
            back = round(margin / self.clip.time_base)
            if first - back <= (stream.start_time or 0):
                break
            container.seek(first - back, stream=stream)
            frames = self._decoded(container, stream)
            head = next(frames, None)
            if head is not None and head.pts is not None and head.pts <= first:
                yield from itertools.chain([head], frames)
                return
        with self.opened() as again:
            yield from self._decoded(again, again.streams.video[0])

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        number = 0
        if not stream.codec_context.is_open:
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = DECODER_THREADS
        try:
            for frame in deinterlaced(container.decode(stream), stream.time_base or MICROSECOND):
                number += 1
                yield frame
        except failures() as error:
            raise InputError(
                self.name,
                problem=f"damaged after frame {number} ({reason_of(error)})",
                remedy="cut it there, or repair it",
            ) from None


def _seconds(container: Any, stream: Any, a_frame: Fraction) -> Fraction | None:
    """Length of a clip as it says, or as its packets do; `a_frame` is how long the last one of these is shown.

    What a browser records does not say it.
    """
    if stream.duration and stream.time_base:
        return Fraction(stream.duration * stream.time_base)
    if container.duration:
        return Fraction(container.duration) * MICROSECOND
    last = None
    with contextlib.suppress(*failures()):  # `frames` says where it is damaged
        for packet in container.demux(stream):
            if packet.pts is not None:
                last = max(packet.pts, last or 0)
    if last is None or not stream.time_base:
        return None
    ticks: int = last - (stream.start_time or 0)
    return ticks * Fraction(stream.time_base) + a_frame


def upright_rgb(frame: av.VideoFrame, reformatter: Any, aspect: Fraction | None = None) -> Picture:
    """(H, W, 3) uint8 BT.709 of a decoded frame: by its own matrix and range, square pixels, turned as its file says.

    Parameters
    ----------
    frame : as decoded.
    reformatter : the clip's, for all of its frames.
    aspect : width of its pixels by their height; None for square ones.
    """
    width, height = _square_size(frame.width, frame.height, aspect)
    matrix = int(frame.colorspace)
    if matrix == UNSPECIFIED:
        matrix = BT709 if frame.height >= HD_HEIGHT else BT601
    colours: dict[str, int] = {}
    if frame.color_trc in HDR_CURVES or frame.color_primaries in WIDE_COLOURS:
        colours = {"dst_color_trc": BT709, "dst_color_primaries": BT709}
    made = reformatter.reformat(frame, width, height, format="rgb24", src_colorspace=matrix, **colours)
    rgb = made.to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)))


def _square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Size in square pixels, none of which is lost; a ratio that no camera has is taken for a mistake."""
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        return width, height
    if aspect > 1:
        return round(width * aspect), height
    return width, round(height / aspect)
