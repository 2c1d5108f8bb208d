"""Where frames go: files of one codec each, pictures, raw pixels. Every writer takes (H, W, C) uint8 and a time.

Animated pictures are written by `animation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2
import numpy as np

from matting_client.errors import OptionError, OutputError
from matting_client.imaging.encode import encode, write
from matting_client.types import Picture
from matting_client.video.ffmpeg import failures, import_av, reason_of

THREADS = 2  # of an encoder, always: with another number the bytes would differ
BT709 = 1  # ISO/IEC 23091-2
LIMITED = 1  # FFmpeg's AVCOL_RANGE_MPEG


@dataclass(frozen=True)
class Codec:
    """How a container is filled: FFmpeg's encoder, pixel formats with and without alpha, sound it can hold."""

    encoder: str
    opaque: str
    transparent: str | None
    options: dict[str, str]
    sound: tuple[str, ...]  # the first is what others become
    even: bool = False  # sides must be even


CODECS = {
    ".webm": Codec(
        "libvpx-vp9",
        "yuv420p",
        "yuva420p",
        {
            "deadline": "realtime",
            "cpu-used": "7",
            "row-mt": "1",
            "crf": "24",
            "b": "0",
            "auto-alt-ref": "0",
            "lag-in-frames": "0",  # else 25 frames wait in each of the two encoders, of colours and of alpha
        },
        ("opus", "vorbis"),
    ),
    ".mov": Codec(
        "prores_ks", "yuv444p10le", "yuva444p10le", {"profile": "4444"}, ("aac", "mp3", "alac", "pcm_s16le", "ac3")
    ),
    ".mp4": Codec(
        "libx264",
        "yuv420p",
        None,
        {"preset": "veryfast", "crf": "18", "bf": "0", "rc-lookahead": "4"},
        ("aac", "mp3", "ac3"),
        even=True,
    ),
}


class Writer(Protocol):
    """Takes frames in order."""

    def write(self, picture: Picture, tick: int) -> None:
        """Take (H, W), (H, W, 3) or (H, W, 4) uint8, shown from `tick` on."""
        ...

    def close(self) -> None:
        """Complete the file."""
        ...


def rgb_or_rgba(picture: Picture) -> Picture:
    """Grey becomes RGB."""
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB).astype(np.uint8) if picture.ndim == 2 else picture


class Encoded:
    """Frames encoded by FFmpeg into one container file, without sound.

    Parameters
    ----------
    path : the file; its container is that of `suffix`.
    suffix : .webm, .mov or .mp4.
    time_base, fps : of the ticks, and the nominal rate.

    Raises
    ------
    OptionError
        This FFmpeg lacks the encoder.
    """

    def __init__(self, path: Path, suffix: str, time_base: Fraction, fps: Fraction) -> None:
        self._av = import_av()
        self._codec = CODECS[suffix]
        self._path = path
        self._suffix = suffix
        self._time_base = time_base
        self._fps = fps
        check_encoder(suffix)
        self._container: Any = None
        self._stream: Any = None

    def _open(self, picture: Picture) -> None:
        has_alpha = picture.shape[2] == 4
        # FFmpeg calls these containers as their files end.
        options = {"fflags": "+bitexact"}
        self._container = self._av.open(str(self._path), "w", format=self._suffix[1:], options=options)
        options = dict(self._codec.options)
        stream = self._container.add_stream(self._codec.encoder, rate=self._fps, options=options)
        stream.height, stream.width = (_even(side) if self._codec.even else side for side in picture.shape[:2])
        stream.pix_fmt = self._codec.transparent if has_alpha else self._codec.opaque
        context = stream.codec_context
        context.time_base = self._time_base
        context.thread_count = THREADS
        context.colorspace = BT709
        context.color_primaries = 1
        context.color_trc = 1
        context.color_range = LIMITED
        self._stream = stream

    def write(self, picture: Picture, tick: int) -> None:
        """Encode a frame.

        Raises
        ------
        OutputError
            It cannot be encoded or written.
        """
        picture = rgb_or_rgba(picture)
        try:
            if self._container is None:
                self._open(picture)
            if self._codec.even:
                bottom, right = (side % 2 for side in picture.shape[:2])
                picture = cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE).astype(np.uint8)
            picture = np.ascontiguousarray(picture)
            kind = "rgba" if picture.shape[2] == 4 else "rgb24"
            frame = self._av.VideoFrame.from_numpy_buffer(picture, format=kind)
            frame = frame.reformat(
                format=self._stream.pix_fmt, dst_colorspace=BT709, dst_color_range=LIMITED, threads=1
            )
            frame.pts = tick
            frame.time_base = self._time_base
            self._container.mux(self._stream.encode(frame))
        except failures() as error:
            raise unwritable(self._path, error) from None

    def close(self) -> None:
        """Flush the encoder and complete the file; errors as of `write`."""
        if self._container is None:
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except failures() as error:
            raise unwritable(self._path, error) from None


def check_encoder(suffix: str) -> None:
    """See that FFmpeg has what a container needs.

    Raises
    ------
    OptionError
        It has not.
    """
    av = import_av()
    encoder = CODECS[suffix].encoder
    if encoder not in av.codecs_available:
        raise OptionError(
            suffix,
            problem=f"this FFmpeg lacks the encoder {encoder}",
            remedy="pip install av, or choose another format",
            option="format",
        )


def _even(side: int) -> int:
    return side + side % 2


def unwritable(path: Path, error: Exception) -> OutputError:
    """What to say of a file that FFmpeg or the system cannot write."""
    reason = reason_of(error)
    return OutputError(path, problem=f"cannot be written ({reason})", remedy="free space or write elsewhere")


class Pictures:
    """Numbered PNG files, `frames/%05d.png`, from 1 on; each appears when it is complete."""

    def __init__(self, pattern: str, first: int = 0) -> None:
        self._pattern = pattern
        self._number = first

    def write(self, picture: Picture, tick: int) -> None:
        """Write the next picture. Raises OutputError."""
        self._number += 1
        write(Path(self._pattern % self._number), encode(picture, "png"))

    def close(self) -> None:
        """Nothing is left to do."""


class RawPixels:
    """Raw bytes: RGBA, RGB24 on a background, or grey."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def write(self, picture: Picture, tick: int) -> None:
        """Write a frame's bytes.

        Raises
        ------
        OutputError
            Nobody reads any more.
        """
        try:
            self._pipe.write(np.ascontiguousarray(picture).data)
        except OSError as error:
            raise OutputError(
                "standard output", problem=f"cannot be written ({error.strerror})", remedy="write to a file"
            ) from None

    def close(self) -> None:
        """Flush. Raises OutputError."""
        try:
            self._pipe.flush()
        except OSError as error:
            raise OutputError(
                "standard output", problem=f"cannot be written ({error.strerror})", remedy="write to a file"
            ) from None
