"""The process in which a stranger's clip is opened first: what it costs beyond the bounds costs nobody else anything.

`inspection` starts one for each clip, and ends it when it takes too much memory or CPU time.

    request: one line of JSON {"path", "name", "second": a text or null, "seconds" of CPU}
    answer: one line of JSON {"time_base", "fps", "count"}, or {"kind", ...} of an error. With a second also {"start",
            "height", "width"}, and then the rows of the frame.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from matting_client.errors import InputError, MattingError
from matting_client.types import Picture
from matting_client.video.ffmpeg import failures
from matting_client.video.reader import Clip, VideoFile

# What phones, cameras, browsers and editors make. No others: a server decodes them in its own process, beside other
# people's photos, and FFmpeg has decoders that show memory which they have not written, such as CineForm's.
CODECS = (
    *("av1", "dnxhd", "dvvideo", "ffv1", "flv1", "h263", "h264", "hevc", "huffyuv", "mjpeg", "mpeg1video"),
    *("mpeg2video", "mpeg4", "msmpeg4v2", "msmpeg4v3", "png", "prores", "qtrle", "rawvideo", "theora", "utvideo"),
    *("v210", "vc1", "vp8", "vp9", "wmv1", "wmv2", "wmv3"),
)


def answer(request: dict[str, Any], out: BinaryIO) -> None:
    """Look into one clip and write the answer."""
    frame: Picture | None = None
    try:
        source = VideoFile(Path(request["path"]), name=request["name"])
        _check_codec(source)
        head = _described(source.clip)
        if request["second"] is None:
            _read_through(source)
        else:
            start = _shown_second(source.clip, Fraction(request["second"]))
            frame = _frame_at(source, start)
            head |= {"start": str(start), "height": frame.shape[0], "width": frame.shape[1]}
    except MemoryError:
        head = _error(InputError(request["name"], "a clip that needs too much memory", "a smaller one", "shrink it"))
    except MattingError as error:
        head = _error(error)
    out.write(json.dumps(head).encode() + b"\n")
    if frame is not None:
        out.write(frame.data)
    out.flush()


def _described(clip: Clip) -> dict[str, Any]:
    return {"time_base": str(clip.time_base), "fps": str(clip.fps), "count": clip.count}


def _error(error: MattingError) -> dict[str, Any]:
    fields = ("subject", "got", "expected", "remedy", "problem")
    return {"kind": type(error).__name__, **{name: getattr(error, name) for name in fields}}


def _check_codec(source: VideoFile) -> None:
    with source.opened() as container:
        codec = container.streams.video[0].codec_context.codec.canonical_name
    if codec not in CODECS:
        expected = "a usual codec, such as H.264, HEVC, VP9, AV1 or ProRes"
        raise InputError(source.name, f"a clip in {codec}", expected, "convert it first")


def _read_through(source: VideoFile) -> None:
    """Read every packet: what is said of them may stand anywhere in a file, and is kept until its end."""
    with source.opened() as container, contextlib.suppress(*failures()):  # `frames` says where it is damaged
        for _ in container.demux():
            pass


def _shown_second(clip: Clip, wanted: Fraction) -> Fraction:
    """A moment, or that of the last frame, where the clip's length is known and the moment is later."""
    return wanted if clip.count is None else min(wanted, (clip.count - 1) / clip.fps)


def _frame_at(source: VideoFile, start: Fraction) -> Picture:
    """The frame that is shown at a moment."""
    found = VideoFile(source.path, start, name=source.name) if start else source
    return next(found.frames()).rgb


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.buffer.readline())
    # The default action of the signal ends the process, wherever in FFmpeg it is.
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    answer(request, sys.stdout.buffer)


if __name__ == "__main__":
    main()
