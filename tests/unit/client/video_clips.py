"""Short clips that FFmpeg really encodes and decodes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES = 128, 96, 12
TICK = Fraction(1, 12800)


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A bright square that goes right, two pixels a frame, on a dark ground."""
    frame = np.full((height, width, 3), 30, np.uint8)
    left = 10 + 2 * number
    frame[30:70, left : left + 40] = 230, 210, 220
    return frame


def write_clip(
    path: Path, *, steps: tuple[int, ...] = (512,), frames: int = FRAMES, sound: str | None = "aac", tracks: int = 1
) -> None:
    """An H.264 clip whose frames last `steps` ticks in turn, with a tone on every track of sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "0", "crf": "10"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = TICK
        heard = [container.add_stream(sound, rate=48000) for _ in range(tracks)] if sound else []
        for track in heard:
            track.codec_context.layout = "stereo"
        tick = 0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number))
            frame.pts, frame.time_base = tick, TICK
            tick += steps[number % len(steps)]
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for track in heard:
            _tone(container, track, float(tick * TICK))


def write_long_groups(path: Path, frames: int = 60) -> None:
    """A clip with frames that refer to later ones, a key frame in 20, no index, and a clock that begins at 10 s."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "3", "g": "20"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = Fraction(1, 25)
        heard = container.add_stream("aac", rate=48000)
        heard.codec_context.layout = "stereo"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number % 30))
            frame.pts, frame.time_base = 250 + number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        _tone(container, heard, frames / 25, 10)


def write_interlaced(path: Path, codec: str) -> None:
    """A clip whose even lines show a moment, and whose odd ones the next: two pictures a frame, four pixels apart."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options={"b": "8M", "flags": "+ildct+ilme", "x264opts": "tff=1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            lines = picture(4 * number)
            lines[1::2] = picture(4 * number + 2)[1::2]
            container.mux(video.encode(av.VideoFrame.from_ndarray(lines)))
        container.mux(video.encode(None))


def write_still(path: Path, *, matrix: int = 5, aspect: Fraction | None = None) -> None:
    """A clip of one frame with this colour matrix (ISO/IEC 23091-2), whose pixels have this aspect."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        stream.codec_context.colorspace = matrix
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0)).reformat(format="yuv444p")))
        container.mux(stream.encode(None))


SWATCHES = np.array([(255, 255, 255), (230, 210, 220), (200, 60, 40), (30, 50, 180), (118, 118, 118), (0, 0, 0)])


def write_hdr(path: Path, curve: int) -> None:
    """A clip of one frame with `SWATCHES` side by side, in BT.2020 with 10 bits; its white has 203 nits (BT.2408).

    Curves, ISO/IEC 23091-2: 16 PQ, 18 HLG (BT.2100), 14 BT.2020.
    """
    to_bt2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    linear = (SWATCHES / 255) ** 2.4 @ to_bt2020.T
    if curve == 16:
        power = (linear * 203 / 10_000) ** 0.1593017578125
        code = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    elif curve == 18:
        shown = linear * 0.203
        scene = shown * np.maximum(shown @ [0.2627, 0.678, 0.0593], 1e-9)[:, None] ** (1 / 1.2 - 1)
        bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        code = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
    else:
        code = linear ** (1 / 2.4)
    pixels = np.repeat((code.clip(0, 1) * 65535).astype(np.uint16), 16, axis=0)[None].repeat(32, axis=0)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb48le")
    frame = frame.reformat(format="yuv444p10le", dst_colorspace=9, dst_color_range=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv444p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, curve, 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_pictures(path: Path, jpegs: list[bytes]) -> None:
    """An AVI whose frames are these JPEG files, whatever is in them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number, data in enumerate(jpegs):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = number
            container.mux(packet)


def _tone(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float, begin: int = 0) -> None:
    wave = (8000 * np.sin(np.arange(int(48000 * seconds)) * 2 * np.pi * 440 / 48000)).astype(np.int16)
    for start in range(0, len(wave) - 1024, 1024):
        frame = av.AudioFrame.from_ndarray(np.repeat(wave[start : start + 1024], 2)[None], "s16", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start + 48000 * begin, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def turned(data: bytes) -> bytes:
    """The same MP4 file, shown turned by 90 degrees clockwise: its track header's matrix, ISO/IEC 14496-12."""
    start = data.index(b"tkhd") + 4 + 40
    matrix = [0, 1, 0, -1, 0, 0, HEIGHT, 0, 0x4000]
    coded = b"".join((value << 16).to_bytes(4, "big", signed=True) for value in matrix)
    return data[:start] + coded + data[start + 36 :]


def read_clip(path: Path) -> tuple[list[NDArray[np.uint8]], list[float], float]:
    """RGBA frames, their seconds, and the seconds of sound; VP9 by the decoder that knows its alpha."""
    pictures, seconds = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.name == "vp9":
            context = av.CodecContext.create("libvpx-vp9", "r")
        for packet in container.demux(stream):
            for frame in context.decode(packet if packet.size else None):
                pictures.append(frame.reformat(format="rgba").to_ndarray())
                seconds.append(float(frame.pts * stream.time_base))
    with av.open(str(path)) as container:
        heard = (
            sum(frame.samples / frame.rate for frame in container.decode(audio=0)) if container.streams.audio else 0.0
        )
    return pictures, seconds, heard


def write_without_length(path: Path) -> None:
    """A WebM that does not say how long it is, as browsers record it."""
    with path.open("wb") as file:
        file_like = SimpleNamespace(write=file.write)  # nothing to seek back in
        with av.open(file_like, "w", format="webm", options={"live": "1"}) as container:
            video = container.add_stream("libvpx", rate=25)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(FRAMES):
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number))))
            container.mux(video.encode(None))
