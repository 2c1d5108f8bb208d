"""Segments and the source's sound, put together in one file with their exact times."""

from __future__ import annotations

import contextlib
import heapq
import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from matting_client.imaging.encode import put_in_place
from matting_client.video.ffmpeg import failures, import_av, reason_of
from matting_client.video.reader import Clip, VideoFile
from matting_client.video.workplace import Segment
from matting_client.video.writer import CODECS, unwritable

SOUND_MARGIN = 10  # seconds that sound may lie before the picture it belongs to
log = logging.getLogger("video")


def assemble(segments: list[Segment], target: Path, clip: Clip, sound: VideoFile | None, folder: Path) -> None:
    """Put the segments' packets, with their exact times, and the source's sound into the result.

    Parameters
    ----------
    segments : all of them.
    target : the result, replaced when the new one is complete; a pipe or a device gets it.
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
    try:
        with (
            av.open(str(part), "w", format=suffix[1:], options={"fflags": "+bitexact"}) as out,
            contextlib.ExitStack() as stack,
        ):
            with av.open(str(segments[0].video)) as first:
                stream = out.add_stream_from_template(first.streams.video[0])
                stream.time_base = clip.time_base
            sources = [_video_packets(av, segments, stream, clip)]
            if sound is not None:
                tracks = _sound_tracks(av, sound, out, CODECS[suffix].sound, stack)
                sources += [_until_damaged(track, sound.name) for track in tracks]
            for _, _, packet in heapq.merge(*sources, key=lambda each: each[:2]):
                if sound is not None:
                    sound.go_on()
                out.mux_one(packet)
        put_in_place(part, target)
    except failures() as error:
        raise unwritable(target, error) from None


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


def _sound_tracks(
    av: Any, source: VideoFile, out: Any, kinds: tuple[str, ...], stack: contextlib.ExitStack
) -> list[Iterator[tuple[Fraction, int, Any]]]:
    """The packets of every sound track, each read from a file of its own."""
    with source.opened() as container:
        count = len(container.streams.audio)
    tracks = (_sound_packets(av, source, number, out, kinds, stack) for number in range(count))
    return [track for track in tracks if track is not None]


def _sound_packets(
    av: Any, source: VideoFile, number: int, out: Any, kinds: tuple[str, ...], stack: contextlib.ExitStack
) -> Iterator[tuple[Fraction, int, Any]] | None:
    """Packets of a sound track within the cut, copied where the container can hold them, else made anew."""
    container = stack.enter_context(source.opened())
    heard = container.streams.audio[number]
    if heard.codec_context is None:  # FFmpeg does not know the codec
        log.warning("%s: left without a track of sound, whose codec FFmpeg does not know", source.name)
        return None
    copied = heard.codec_context.codec.canonical_name in kinds
    origin = Fraction(container.streams.video[0].start_time or 0) * container.streams.video[0].time_base
    first = origin + source.start
    last = None if source.end is None else origin + source.end
    if source.start:
        container.seek(round(max(first - SOUND_MARGIN, origin) * 1_000_000))
    if copied:
        stream = out.add_stream_from_template(heard)
        _name_track(stream, heard)
        return _copied_sound(container, heard, stream, first, last)
    stream = out.add_stream({"opus": "libopus"}.get(kinds[0], kinds[0]), rate=48000)
    stream.codec_context.layout = "stereo" if heard.codec_context.layout.nb_channels > 1 else "mono"
    _name_track(stream, heard)
    return _recoded_sound(av, container, heard, stream, first, last)


def _name_track(stream: Any, heard: Any) -> None:
    """Language and title, by which a player lets choose between tracks."""
    for name in ("language", "title"):
        if name in heard.metadata:
            stream.metadata[name] = heard.metadata[name]


def _until_damaged(packets: Iterator[tuple[Fraction, int, Any]], name: str) -> Iterator[tuple[Fraction, int, Any]]:
    """Sound up to where it is damaged: the frames are worth more than what is missing."""
    try:
        yield from packets
    except failures() as error:
        log.warning("%s: the sound ends early, where it is damaged (%s)", name, reason_of(error))


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
