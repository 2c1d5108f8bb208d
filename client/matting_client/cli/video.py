"""`matting video`: a clip in, the same clip cut out, with its sound and its timing."""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import matting_client
from matting_client.cli.engine import add_engine, open_client
from matting_client.cli.inputs import STANDARD
from matting_client.cli.interruption import Interruption
from matting_client.cli.overwriting import check_standard_output
from matting_client.cli.parser import Parser, say
from matting_client.cli.progress import FrameProgress
from matting_client.cli.video_result import Result, check_output
from matting_client.client import MattingClient
from matting_client.errors import MattingError, OptionError, OutputError
from matting_client.imaging.encode import put_in_place
from matting_client.options import MAX_ERODE, MAX_THRESHOLD, Options
from matting_client.system import cut, tune_for_many_photos, usable_cores
from matting_client.video import job
from matting_client.video.animation import ANIMATED, AnimatedPicture
from matting_client.video.background import open_background
from matting_client.video.order import parse_moment
from matting_client.video.pipeline import Plan, render
from matting_client.video.reader import VideoFile
from matting_client.video.source import Folder, Raw, Source, open_source
from matting_client.video.still import Still
from matting_client.video.stream import IN_FLIGHT
from matting_client.video.writer import CODECS, Pictures, RawPixels, Writer

EXAMPLES = """examples:
  matting video clip.mp4 -o clip.webm                       VP9 with alpha
  matting video clip.mp4 -o clip.mov                        ProRes 4444, for editing
  matting video clip.mp4 -o green.mp4 --background '#00b140'   or a picture, a video, or blur
  matting video clip.mp4 -o frames/%05d.png --alpha-only    grey pictures
  matting video dance.gif -o dance.webp
  matting video frames/ --fps 25 -o clip.webm               a folder of pictures
  matting video clip.mp4 -o - | ffmpeg -f rawvideo -pix_fmt rgba -s 1280x720 -r 30 -i - out.mkv
  ... | matting video - --size 1280x720 --fps 30 -o clip.webm

A job that was stopped goes on where it was when the same command is given again.
exit code: 0 done; 1 the clip is damaged within, or the result cannot be written; 2 nothing was begun: wrong usage, no
clip, no server; 130 interrupted.
"""


def parser() -> Parser:
    """The options of the command."""
    p = Parser(
        prog="matting video",
        description="Cut the subject out of a video.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = p.add_argument
    add("source", metavar="CLIP", help="video, GIF, WebP, folder of pictures, or - for raw RGB24")
    add("-o", "--output", required=True, metavar="OUT", help=".webm, .mov, .mp4, .gif, .webp, DIR/%%05d.png, or -")
    add(
        "--background", metavar="X", help="'#ffffff', a colour name, a picture, a video, or blur (default: transparent)"
    )
    add("--alpha-only", action="store_true", help="the alpha in grey")
    add(
        "--start",
        type=_seconds,
        default=Fraction(0),
        metavar="TIME",
        help="seconds or [hh:]mm:ss to begin at (default: 0)",
    )
    add("--end", type=_seconds, metavar="TIME", help="seconds or [hh:]mm:ss to end before (default: the clip's end)")
    add("--size", type=_size, metavar="WxH", help="of raw frames on standard input")
    add("--fps", type=_rate, metavar="N", help="of raw frames or a folder, such as 30 or 30000/1001 (default: 30)")
    add("--sound", action=argparse.BooleanOptionalAction, default=True, help="keep the sound (default: on)")
    add("--smooth", action=argparse.BooleanOptionalAction, default=True, help="let frames agree (default: on)")
    add(
        "--alpha-threshold",
        type=int,
        default=0,
        metavar=f"0..{MAX_THRESHOLD}",
        help="alpha below it becomes 0 (default: 0)",
    )
    add(
        "--erode",
        type=float,
        default=0.0,
        metavar=f"-{MAX_ERODE}..{MAX_ERODE}",
        help="pull the edge in; negative dilates (default: 0)",
    )
    add("--feather", action="store_true", help="soften the edge")
    add(
        "--foreground",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the subject's own colours at the edge (default: on)",
    )
    add_engine(p)
    add("--jobs", type=int, metavar="N", help=f"frames at once (default: {IN_FLIGHT}, or what the cores can use)")
    return p


def _seconds(text: str) -> Fraction:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected WIDTHxHEIGHT, such as 1280x720")
    return int(match[1]), int(match[2])


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected frames a second, such as 25 or 30000/1001")
    return rate


def _source(given: argparse.Namespace) -> Source:
    if given.end is not None and given.end <= given.start:
        raise OptionError("--end", f"{float(given.end):g} s", "more than --start")
    if given.source != STANDARD:
        if given.size:
            raise OptionError("--size", f"it with {given.source}, which has its own", remedy="leave it out")
        path = Path(given.source)
        if not path.exists():
            raise OptionError(path, "no such file", remedy="check the name")
        return open_source(path, given.start, given.end, given.fps)
    if not given.size:
        raise OptionError("standard input", problem="add --size 1280x720 and --fps 30, and send raw RGB24 frames")
    if given.start or given.end is not None:
        raise OptionError("--start, --end", "standard input", "a video file", "cut it first")
    return Raw(sys.stdin.buffer, given.size, given.fps)


def _key(given: argparse.Namespace, source: Source) -> dict[str, Any]:
    """Everything that the result's bytes depend on."""
    files = [Path(text) for text in (given.source, given.background) if text]
    if isinstance(source, Folder):
        files += source.files  # a folder does not tell that a picture in it has changed
    return {
        **{name: str(value) for name, value in vars(given).items() if name not in ("jobs", "url")},
        "version": matting_client.__version__,
        "files": [_state(path) for path in files if path.exists()],
        "clip": asdict(source.clip),
    }


def _state(path: Path) -> tuple[str, int, int]:
    """What tells that a file has changed."""
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def convert(
    client: MattingClient, plan: Plan, result: Result, given: argparse.Namespace, interruption: Interruption
) -> None:
    """Make the result.

    Raises
    ------
    MattingError
    KeyboardInterrupt
        The end was asked for; the job can be taken up again.
    """
    resumable = not isinstance(plan.source, Raw) and (result.kind in CODECS or result.kind == "%")
    if not resumable:
        _convert_at_once(client, plan, result, given.jobs, interruption)
        return
    key = _key(given, plan.source)
    done = job.frames_done(result.path, key)
    if done:
        say("video", f"goes on after frame {done}")
    progress = FrameProgress(plan.source.clip.count, done)

    def on_frame() -> None:
        interruption.check()
        progress.step()

    try:
        if result.kind == "%":
            job.make_pictures(client.engine, plan, result.out, key, in_flight=given.jobs, on_frame=on_frame)
        else:
            job.make_container(
                client.engine,
                plan,
                result.path,
                key,
                sound=given.sound,
                in_flight=given.jobs,
                on_frame=on_frame,
            )
    finally:
        progress.end()


def _convert_at_once(client: MattingClient, plan: Plan, result: Result, jobs: int, interruption: Interruption) -> None:
    """Without a way to go on: a pipe has no beginning to go back to, and an animated picture is short."""
    clip = plan.source.clip
    part = result.path.with_name(f".{cut(result.path.name)}.part")
    if result.kind in (*CODECS, *ANIMATED):
        _see_writable(result.path, part)
    writer: Writer
    if result.kind == STANDARD:
        writer = RawPixels(sys.stdout.buffer)
    elif result.kind == "%":
        writer = Pictures(result.out)
    elif result.kind in ANIMATED:
        writer = AnimatedPicture(part, result.kind, clip.time_base)
    else:
        writer = job.begin_encoded(result.path, clip)(part, 0)
    progress = FrameProgress(clip.count, 0)
    try:
        for picture, tick, _ in render(client.engine, plan, first=0, still=Still(), in_flight=jobs):
            interruption.check()
            writer.write(picture, tick)
            progress.step()
        writer.close()
        if part.exists():
            put_in_place(part, result.path)
    finally:
        progress.end()
        part.unlink(missing_ok=True)


def _see_writable(target: Path, part: Path) -> None:
    """Make the unfinished file, before the work and not after it. Raises OutputError."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise OutputError(target, problem=f"cannot be written ({error.strerror})", remedy="write elsewhere") from None


def main(argv: list[str]) -> int:
    """Run `matting video`; returns its exit code.

    Raises
    ------
    OptionError, EngineError
        Nothing was begun: wrong usage, or no server.
    """
    given = parser().parse_args(argv)
    if given.jobs is None:
        # In this process: a frame for each core, and one that is ready when the first of them is done.
        given.jobs = IN_FLIGHT if given.engine == "triton" else min(IN_FLIGHT, usable_cores() + 1)
    if not 1 <= given.jobs <= 64:
        raise OptionError("--jobs", given.jobs, "1 to 64")
    transparent = given.background is None and not given.alpha_only
    result = Result(check_output(given.output, transparent=transparent), given.output)
    if result.kind == STANDARD:
        check_standard_output("add | ffmpeg ... or name a file")
    if given.alpha_only and given.background is not None:
        raise OptionError("--alpha-only", "--background beside it", "one of them")
    colour, background = open_background(given.background)
    options = Options(
        background=colour,
        alpha_only=given.alpha_only,
        alpha_threshold=given.alpha_threshold,
        erode=given.erode,
        feather=given.feather,
        foreground=given.foreground,
    )
    source = _source(given)
    result.check([text for text in (given.source, given.background) if text and Path(text).exists()])
    client = open_client(given, for_video=True)
    tune_for_many_photos()
    with Interruption("matting video") as interruption, client:
        try:
            convert(client, Plan(source, options, background, given.smooth), result, given, interruption)
        except MattingError as error:
            say("video", str(parser().as_typed(error)))
            if result.kind == STANDARD:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
    if isinstance(source, VideoFile) and source.ends_early():
        end = f"its pictures end after {float(source.seen):.1f} s"
        say("video", f"{source.name}: {end}; it is damaged there, or has no more")
    return 0
