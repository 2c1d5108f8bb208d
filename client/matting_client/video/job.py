"""One clip from its source to its file: whole or absent, and taken up again where it was stopped.

A container is made of segments. Each is encoded by a fresh encoder into the folder `.NAME.matting` beside the result,
and appears there, with the state behind its last frame, when it is complete; at the end their packets are put together
with the sound. Whoever starts the same job again goes on after the last segment, and the bytes are the same, since an
uninterrupted job is made of the same segments.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from matting_client.engine import Engine
from matting_client.errors import OutputError
from matting_client.types import Picture
from matting_client.video.pipeline import Plan, render
from matting_client.video.reader import Clip, VideoFile, import_av, reason_of
from matting_client.video.still import Still
from matting_client.video.stream import IN_FLIGHT
from matting_client.video.writer import CODECS, Encoded, Pictures, Writer

SEGMENT = 120  # frames
Rendered = Iterable[tuple[Picture, int, Still]]  # pictures with their ticks and the states behind them
Render = Callable[[int, Still], Rendered]  # from frame number N on, with the state before it


@dataclass(frozen=True)
class Segment:
    """Encoded frames, their ticks, and the state behind them."""

    video: Path
    ticks: Path
    state: Path

    def read_ticks(self) -> list[int]:
        """The frames' ticks."""
        ticks: list[int] = json.loads(self.ticks.read_text(encoding="utf-8"))
        return ticks


class Workplace:
    """The folder of a job's segments; another job's remains are removed.

    Parameters
    ----------
    target : the result.
    key : everything that the bytes depend on.
    """

    def __init__(self, target: Path, key: dict[str, Any]) -> None:
        self.folder = target.with_name(f".{target.name[:200]}.matting")
        self._suffix = target.suffix.lower()
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        sign = self.folder / "job"
        try:
            if not sign.is_file() or sign.read_text(encoding="ascii") != digest:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(parents=True)
                sign.write_text(digest, encoding="ascii")
        except OSError as error:
            raise OutputError(
                target, problem=f"cannot be written ({error.strerror})", remedy="choose another -o"
            ) from None

    def segment(self, number: int) -> Segment:
        """The files of a segment."""
        stem = f"{number:06d}"
        return Segment(*(self.folder / f"{stem}{suffix}" for suffix in (self._suffix or ".end", ".json", ".npz")))

    def complete(self) -> list[Segment]:
        """Segments that are there, from the first on without a gap. The video is written last."""
        found: list[Segment] = []
        while (segment := self.segment(len(found))).video.is_file():
            found.append(segment)
        return found

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


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
        still.save(segment.state)
        segment.ticks.write_text(json.dumps(ticks), encoding="utf-8")
        part.touch()  # pictures are written elsewhere
        part.replace(segment.video)
        segments.append(segment)
        done += len(ticks)
        if len(ticks) < SEGMENT:
            break
    return segments


def _write_segment(
    pictures: Iterator[tuple[Picture, int, Still]], writer: Writer, still: Still
) -> tuple[list[int], Still]:
    """Write up to `SEGMENT` frames; gives their ticks and the state behind the last."""
    ticks: list[int] = []
    for picture, tick, behind in pictures:
        writer.write(picture, tick)
        ticks.append(tick)
        still = behind
        if len(ticks) == SEGMENT:
            break
    writer.close()
    return ticks, still


def assemble(segments: list[Segment], target: Path, clip: Clip, sound: VideoFile | None, folder: Path) -> None:
    """Put the segments' packets, with their exact times, and the source's sound into the result.

    Parameters
    ----------
    segments : all of them.
    target : the result, replaced when the new one is complete.
    clip : whose time base the ticks are in.
    sound : where the sound comes from.
    folder : for the unfinished file, on the same disk.

    Raises
    ------
    OutputError
    """
    av = import_av()
    suffix = target.suffix.lower()
    part = folder / f"whole{suffix}"
    name = {".webm": "webm", ".mov": "mov", ".mp4": "mp4"}[suffix]
    try:
        with (
            av.open(str(part), "w", format=name, options={"fflags": "+bitexact"}) as out,
            contextlib.ExitStack() as stack,
        ):
            with av.open(str(segments[0].video)) as first:
                stream = out.add_stream_from_template(first.streams.video[0])
                stream.time_base = clip.time_base
            sources = [_video_packets(av, segments, stream, clip)]
            if sound is not None:
                heard = _sound_packets(av, sound, out, CODECS[suffix].sound, stack)
                sources += [heard] if heard else []
            for _, _, packet in heapq.merge(*sources, key=lambda each: each[:2]):
                out.mux_one(packet)
        part.replace(target)
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise OutputError(
            target, problem=f"cannot be written ({reason})", remedy="free space or choose another -o"
        ) from None


def _video_packets(av: Any, segments: list[Segment], stream: Any, clip: Clip) -> Iterator[tuple[Fraction, int, Any]]:
    ticks = [tick for segment in segments for tick in segment.read_ticks()]
    end = ticks[-1] + max(1, round(1 / clip.fps / clip.time_base))  # without an end, a player would skip the last frame
    steps = pairwise([*ticks, end])
    for segment in segments:
        with av.open(str(segment.video)) as container:
            for packet in container.demux(video=0):
                if not packet.size:
                    continue
                tick, following = next(steps)
                packet.time_base = clip.time_base
                packet.pts = packet.dts = tick
                packet.duration = following - tick
                packet.stream = stream
                yield tick * clip.time_base, 0, packet


def _sound_packets(
    av: Any, source: VideoFile, out: Any, kinds: tuple[str, ...], stack: contextlib.ExitStack
) -> Iterator[tuple[Fraction, int, Any]] | None:
    """Packets of the first sound track within the cut, copied where the container can hold them, else made anew."""
    container = stack.enter_context(source.opened())
    if not container.streams.audio:
        return None
    heard = container.streams.audio[0]
    copied = heard.codec_context.codec.canonical_name in kinds
    origin = Fraction(container.streams.video[0].start_time or 0) * container.streams.video[0].time_base
    first, last = origin + source.start, None if source.end is None else origin + source.end
    if source.start:
        container.seek(round(first * 1_000_000))
    if copied:
        stream = out.add_stream_from_template(heard)
        return _copied_sound(container, heard, stream, first, last)
    stream = out.add_stream({"opus": "libopus"}.get(kinds[0], kinds[0]), rate=48000)
    stream.codec_context.layout = "stereo" if heard.codec_context.layout.nb_channels > 1 else "mono"
    return _recoded_sound(av, container, heard, stream, first, last)


def _copied_sound(
    container: Any, heard: Any, stream: Any, first: Fraction, last: Fraction | None
) -> Iterator[tuple[Fraction, int, Any]]:
    for packet in container.demux(heard):
        if packet.pts is None or not packet.size:
            continue
        time = packet.pts * packet.time_base
        if time < first:
            continue
        if last is not None and time >= last:
            return
        shift = round(first / packet.time_base)
        packet.pts -= shift
        packet.dts = packet.pts
        packet.stream = stream
        yield time - first, 1, packet


def _recoded_sound(
    av: Any, container: Any, heard: Any, stream: Any, first: Fraction, last: Fraction | None
) -> Iterator[tuple[Fraction, int, Any]]:
    context = stream.codec_context
    resampler = av.AudioResampler(
        format=context.codec.audio_formats[0], layout=context.layout, rate=48000, frame_size=context.frame_size or 960
    )
    shift: int | None = None

    def encoded(frames: Iterable[Any]) -> Iterator[tuple[Fraction, int, Any]]:
        for frame in frames:
            for packet in stream.encode(frame):
                yield packet.pts * packet.time_base, 1, packet

    for frame in container.decode(heard):
        time = frame.pts * frame.time_base
        if time < first:
            continue
        if last is not None and time >= last:
            break
        shift = round(first / frame.time_base) if shift is None else shift
        frame.pts -= shift
        yield from encoded(resampler.resample(frame))
    yield from encoded(resampler.resample(None))
    yield from encoded([None])


def begin_encoded(target: Path, clip: Clip) -> Callable[[Path, int], Writer]:
    """What makes the writer of a container's segment."""

    def begin(path: Path, number: int) -> Writer:
        return Encoded(path, target.suffix.lower(), clip.time_base, clip.fps)

    return begin


def frames_done(target: Path, key: dict[str, Any]) -> int:
    """Frames of a job that need not be made again."""
    return sum(len(segment.read_ticks()) for segment in Workplace(target, key).complete())


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
    workplace = Workplace(named_after(pattern), key)
    run(workplace, _rendering(engine, plan, in_flight, on_frame), lambda _, first: Pictures(pattern, first))
    workplace.remove()


def _rendering(engine: Engine, plan: Plan, in_flight: int, on_frame: Callable[[], None]) -> Render:
    def pictures(first: int, still: Still) -> Rendered:
        for each in render(engine, plan, first=first, still=still, in_flight=in_flight):
            on_frame()
            yield each

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
    workplace = Workplace(target, key)
    clip = plan.source.clip
    segments = run(workplace, _rendering(engine, plan, in_flight, on_frame), begin_encoded(target, clip))
    heard = plan.source if sound and isinstance(plan.source, VideoFile) else None
    assemble(segments, target, clip, heard, workplace.folder)
    workplace.remove()
