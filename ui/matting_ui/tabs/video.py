"""A clip: a look at one frame, then all of it, with its progress."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import gradio as gr
from matting_client import MattingError
from matting_client.imaging.encode import encode
from matting_client.video.inspection import MOST
from matting_client.video.order import check_frames
from matting_client.video.pipeline import Plan

from matting_ui import controls, ids
from matting_ui.clips import ended, look_into, look_of, progress, read_order, wanted_second
from matting_ui.context import Studio, page_errors, words_of
from matting_ui.filenames import portable
from matting_ui.gradio_patches import sender
from matting_ui.jobs import Job, Jobs
from matting_ui.preview import chequerboard
from matting_ui.sweep import freshen
from matting_ui.tabs import video_parts

LINE = "video"  # the queue of whole clips, of which one is worked on at a time
# Of looks into clips: one that takes its time keeps no photo waiting.
_LOOKS: dict[str, Any] = {"concurrency_limit": MOST, "concurrency_id": "video-look"}
REFRESH_SECONDS = 0.5
_NOTHING = (gr.skip(), gr.skip(), gr.skip())
# MP4 cannot be transparent: whichever of the two is chosen, the other one gives way.
_BACKGROUND_OF = "(format, now) => (format === 'mp4' && now === 'transparent' ? 'white' : now)"
_FORMAT_OF = "(background, now) => (background === 'transparent' && now === 'mp4' ? 'webm' : now)"
_CALM = f"(clip) => {{ matting.calm(document.getElementById('tab-{ids.TAB_VIDEO}')); return clip; }}"


class Stopped(Exception):
    """The visitor wants it no more."""


@dataclass(frozen=True)
class Handlers:
    """What happens on the tab; every keyword is the value of a control."""

    studio: Studio
    page: gr.Blocks
    jobs: Jobs = field(default_factory=Jobs)

    def preview(
        self, clip: str | None, second: float | None, request: gr.Request, picture: str | None = None, **values: Any
    ) -> tuple[str | None, str]:
        """One frame, cut out, and a line about the clip."""
        words = words_of(request)
        if clip is None:
            return None, words["video_waiting"]
        with page_errors(request, "video"):
            order = read_order(self.studio, picture=picture, **values)
            name = Path(clip).name
            wanted = wanted_second(second)
            look = look_into(self.studio.uploaded, clip, wanted)
            frame = look.rgb
            cutout = self.studio.cut(encode(frame, "png"), order.options, name, None)
            behind = order.background.behind(cutout, Fraction(0))
            if behind is None and order.options.background is None:
                behind = chequerboard(*frame.shape[:2])
            made = cutout.render(behind)
        ready = words["video_ready_one" if look.clip.count == 1 else "video_ready"]
        line = ready.format(width=frame.shape[1], height=frame.shape[0], frames=look.clip.count or "?")
        line = line if look.start == wanted else f"{line} · {words['video_last']}"
        return self.studio.save_preview(made), line

    def begin(self, clip: str | None, request: gr.Request) -> tuple[Any, Any]:
        """Note that the clip is wanted, for `run`, unless work goes on; say so, and that it can be cancelled."""
        if not self.jobs.begin(clip, request):
            return gr.skip(), _enable(can=True)
        is_waiting = self.page.line.place(LINE, sender(request))[0] > 0
        return words_of(request)["video_queued" if is_waiting else "working"], _enable(can=True)

    def run(self, clip: str | None, request: gr.Request, **values: Any) -> Iterator[tuple[Any, Any, Any]]:
        """Make what `begin` noted; what it says last is of its end. The clip is named to be kept while this waits."""
        job = self.jobs.take(request)
        if job is None:
            yield _NOTHING
            return
        try:
            for line, file in self._made(job.of, request, job.stopped, values):
                if not job.is_wanted:
                    raise Stopped
                made = look_of(**values) if file else gr.skip()
                yield line, file or self._no_file(request), made
        except Stopped:
            yield self._stopped(job, request)
        except gr.Error:
            if job.is_wanted:
                raise
            yield self._stopped(job, request)
        finally:
            job.is_over = True

    def _stopped(self, job: Job, request: gr.Request) -> tuple[Any, Any, Any]:
        """What is said last of work that was stopped: nothing of its clip, if that was replaced."""
        if job.is_wanted:
            return words_of(request)["video_cancelled"], None, gr.skip()
        return self._calm(request), gr.skip(), gr.skip()

    def _calm(self, request: gr.Request) -> Any:
        """The line on the progress without that of a clip which was replaced."""
        return gr.skip() if self.jobs.is_busy(request) else ""

    def whole(
        self, clip: str | None, request: gr.Request, picture: str | None = None, **values: Any
    ) -> Iterator[tuple[str, str | None]]:
        """All of it, for programs: a line with the progress, at the end the file.

        Whoever stops listening stops the work.
        """
        yield from self._made(clip, request, threading.Event(), {**values, "picture": picture})

    def settled(self, request: gr.Request) -> Any:
        """Whether there still is work to cancel when one call has ended."""
        return _enable(self.jobs.is_busy(request))

    def cancelled(self, request: gr.Request) -> tuple[str, None, Any]:
        """End `run`, even while it waits for its turn: the line, no file, and nothing to cancel."""
        self.jobs.stop(request)
        return words_of(request)["video_cancelled"], None, _enable(can=False)

    def offer(self, clip: str | None) -> Any:
        """The button that starts: for a clip whose first frame can be read."""
        if clip is None:
            return _enable(can=False)
        try:
            look_into(self.studio.uploaded, clip, Fraction(0))
            return _enable(can=True)
        except MattingError:  # `preview` says why
            return _enable(can=False)

    def forget(self, clip: str | None, request: gr.Request) -> tuple[Any, Any, None]:
        """Let go of what was made of another clip, or is being made, and of what was said of it."""
        if self.jobs.keep_only(clip, request):  # of this clip already: whoever is quick starts before this is called
            return _NOTHING
        return self._calm(request), self._no_file(request), None

    def compare(self, made: tuple[Any, ...] | None, request: gr.Request, **values: Any) -> Any:
        """Say of a result whether it was made with the settings as they are now."""
        is_same = made is None or tuple(made) == look_of(**values)
        return gr.update(label=words_of(request)["download" if is_same else "video_earlier"])

    def _no_file(self, request: gr.Request) -> Any:
        return gr.update(value=None, label=words_of(request)["download"])

    def _made(
        self, clip: str | None, request: gr.Request, stopped: threading.Event, values: dict[str, Any]
    ) -> Iterator[tuple[str, str | None]]:
        """A line with the progress, again and again, and at the end one with the file."""
        words = words_of(request)
        if clip is None:
            yield words["video_waiting"], None
            return

        def go_on() -> None:
            if stopped.is_set():
                raise Stopped

        with page_errors(request, "video"):
            controls.need_picture(values["background"], values["picture"])
            order = read_order(self.studio, **values)
            path = self.studio.uploaded(clip)
            name = Path(clip).name
            source = order.open(path, name)
            source.go_on = go_on
            target = self.studio.folder / secrets.token_hex(16) / portable(Path(clip).stem, f"-cutout{order.suffix}")
            target.parent.mkdir()
            for line in self._work(Plan(source, order.options, order.background), target, words, stopped):
                freshen(path, target.parent)
                yield line, None
        yield ended(words, source), str(target)

    def _work(self, plan: Plan, target: Path, words: dict[str, str], stopped: threading.Event) -> Iterator[str]:
        done, begun = 0, time.monotonic()

        def step() -> None:
            nonlocal done
            done += 1
            if stopped.is_set():
                raise Stopped
            check_frames(plan.source.clip.name, done)

        if stopped.is_set():
            raise Stopped
        with ThreadPoolExecutor(1, "clip") as pool:
            made = pool.submit(self.studio.convert, plan, target, step)
            try:
                while not made.done():
                    yield progress(words, done, plan.source.clip.count, time.monotonic() - begun)
                    wait([made], REFRESH_SECONDS)
                made.result()
            finally:
                stopped.set()


def build(studio: Studio, page: gr.Blocks, i18n: gr.I18n) -> None:
    """Lay the tab out and wire it."""
    do = Handlers(studio, page)
    with gr.Row(elem_classes="split", equal_height=False):
        with gr.Column(scale=3, min_width=320, elem_classes="inputs"):
            clip = gr.File(
                label=i18n("clip"), file_types=list(ids.CLIPS), elem_id=ids.VIDEO_CLIP, elem_classes="takes-clip"
            )
            with gr.Column(elem_classes="settings"):
                values, second = video_parts.settings(i18n)
        with gr.Column(scale=8, min_width=320, elem_classes="outputs"):
            start, cancel = video_parts.buttons(i18n)
            status = gr.Markdown(i18n("video_waiting"), elem_id=ids.VIDEO_STATUS, elem_classes="status")
            line = gr.Markdown("", elem_id=ids.VIDEO_PROGRESS, elem_classes="status")
            result = gr.File(label=i18n("download"), interactive=False, elem_id=ids.VIDEO_RESULT)
            frame = gr.Image(
                label=i18n("video_frame"),
                interactive=False,
                type="filepath",
                format="webp",
                buttons=["fullscreen"],
                elem_id=ids.VIDEO_FRAME,
            )
    made = gr.State(None)  # what the result was made with
    clip.upload(None, None, status, js="() => matting.word('working')", api_visibility="private")
    _wire_run(do, clip, values, [start, cancel], [line, result, made])
    _wire_clip(do, clip, start, [line, result, made])
    _wire_settings(do, values, result, made)
    look = [clip.upload, clip.clear, second.change]
    look += [values["background"].change, values["colour"].input, values["picture"].change]
    settings: dict[str, Any] = {
        "inputs_kwargs": values,
        "api_name": ids.API_VIDEO_FRAME,
        "show_progress_on": frame,
        **_LOOKS,
    }
    looked = gr.on(look, do.preview, [clip, second], [frame, status], trigger_mode="always_last", **settings)
    looked.failure(None, None, status, js=f"() => matting.fail('{ids.TAB_VIDEO}')", api_visibility="private")


def _wire_run(do: Handlers, clip: Any, values: dict[str, Any], buttons: list[Any], parts: list[Any]) -> None:
    """Start and Cancel."""
    light: dict[str, Any] = {**do.studio.light, "api_visibility": "private"}
    work: dict[str, Any] = {"inputs_kwargs": values, "concurrency_limit": 1, "concurrency_id": LINE}
    start, cancel = buttons
    line, result, made = parts
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "multiple"}
    begun = start.click(do.begin, clip, [line, cancel], js=_CALM, **light)
    running = begun.then(do.run, clip, parts, **quiet, **work)
    for over in (running.success, running.failure):
        over(do.settled, None, cancel, **light)
    running.success(do.compare, made, result, inputs_kwargs=values, **light)  # they may have changed meanwhile
    running.failure(None, None, line, js="() => ''", api_visibility="private")  # why stands above
    cancelled = cancel.click(do.cancelled, None, [line, result, cancel], **light)
    for then in (begun.success, running.success, cancelled.success):
        then(None, line, None, js="(line) => { matting.announce(line); }", api_visibility="private")
    gr.Button(visible=False).click(do.whole, clip, [line, result], api_name=ids.API_VIDEO, **work)


def _wire_clip(do: Handlers, clip: Any, start: Any, parts: list[Any]) -> None:
    """Another clip, or none: what was made of the one before goes, and so does what is being made of it."""
    light: dict[str, Any] = {**do.studio.light, "api_visibility": "private", "trigger_mode": "always_last"}
    changed = [clip.upload, clip.clear]  # not its own `change`, which comes again and again while a call is on its way
    gr.on(changed, do.offer, clip, start, js=_CALM, **{**light, **_LOOKS})
    gr.on(changed, do.forget, clip, parts, **light)


def _wire_settings(do: Handlers, values: dict[str, Any], result: Any, made: Any) -> None:
    """What goes with what, and whether the result is of these settings."""
    light: dict[str, Any] = {**do.studio.light, "api_visibility": "private", "trigger_mode": "always_last"}
    format, background, colour, picture, start, end = values.values()
    private: dict[str, Any] = {"api_visibility": "private"}
    format.input(None, [format, background], background, js=_BACKGROUND_OF, **private)
    background.input(None, [background, format], format, js=_FORMAT_OF, **private)
    background.change(controls.show_behind, background, [colour, picture], **light)
    moved = [format.change, background.change, colour.input, picture.change, start.change, end.change]
    gr.on(moved, do.compare, made, result, inputs_kwargs=values, **light)


def _enable(can: bool) -> Any:
    return gr.update(interactive=can)
