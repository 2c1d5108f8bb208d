"""One photo: cut it out, look at it before and after, change how it is made, download it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from matting_client import MattingError, Options, presets
from matting_client.imaging.encode import SUFFIX_OF_FORMAT

from matting_ui import controls, download, ids
from matting_ui.context import WORK, Studio, code_of, shown, words_of
from matting_ui.gradio_patches import sender
from matting_ui.photo import photo_input
from matting_ui.preview import Preview
from matting_ui.store import Kept

Key = str | None  # of a kept cutout
Upload = str | None  # path of an uploaded file


@dataclass(frozen=True)
class Handlers:
    """What happens on the tab; every keyword is the value of a control."""

    studio: Studio
    page: gr.Blocks

    def reset(self, key: str | None, photo: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Clear the results, before another photo or after the photo was removed; say how many are before it."""
        self.studio.store.drop(key)
        words = words_of(request)
        place, seconds = self.page.line.place(WORK, sender(request))
        line = words["busy"].format(place=place, seconds=max(1, round(seconds))) if place else words["working"]
        return None, None, line if photo else words["waiting"], None, time.monotonic()

    def cutout(
        self,
        photo: Upload,
        started: float | None,
        fine: bool,
        request: gr.Request,
        picture: Upload = None,
        **values: Any,
    ) -> tuple[Any, ...]:
        """Cut a photo out; returns the before and after pictures, the alpha and a line on how it went."""
        if photo is None:
            return gr.skip(), gr.skip(), words_of(request)["waiting"], None, None
        waited = time.monotonic() - started if started else 0.0
        try:
            options = controls.read_options(self.studio, picture=picture, **values)
            key, kept = self.studio.keep(photo, bool(fine), waited)
            for note in kept.full.origin.notes:
                gr.Warning(note)
            return *self._show(kept, options, request), key, None
        except MattingError as error:
            raise shown(error, request) from None

    def recompose(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> tuple[Any, ...]:
        """Make the preview anew from the kept alpha."""
        kept = self.studio.kept(key, request)
        if kept is None:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            return self._show(kept, controls.read_options(self.studio, picture=picture, **values), request)
        except MattingError as error:
            raise shown(error, request) from None

    def settle(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> tuple[Any, ...]:
        """Follow a control that was moved while the photo was cut out."""
        kept = self.studio.store.get(key)
        if kept is None or kept.small.shown == controls.read_options(self.studio, picture=picture, **values):
            return gr.skip(), gr.skip(), gr.skip()
        return self.recompose(key, request, picture, **values)

    def file(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> str | None:
        """Write the result in full size; the download hands over exactly these bytes."""
        return self._file(key, request, {**values, "picture": picture}, "cutout")

    def alpha(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> str | None:
        """Write the alpha in full size, as a grey PNG."""
        return self._file(key, request, {**values, "picture": None, "format": "png"}, "alpha", alpha_only=True)

    def whole(self, photo: Upload, request: gr.Request, picture: Upload = None, **values: Any) -> str | None:
        """Cut the subject out of a photo, in one call for programs; returns the file in full size."""
        if photo is None:
            return None
        try:
            options = controls.read_options(self.studio, picture=picture, **values)
            path = self.studio.uploaded(photo)
            with self.studio.opened(path, path.name) as photo_bytes:
                data = self.studio.cut(photo_bytes, options, path.name, None).to_bytes()
            return self.studio.save(data, path.stem, f"-cutout{SUFFIX_OF_FORMAT[options.format]}")
        except MattingError as error:
            raise shown(error, request) from None

    def preset(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        """Set the controls as a preset says."""
        chosen = presets().get(name)
        options = Options.from_preset(name) if chosen else Options()
        note = chosen.description[code_of(request)] if chosen else words_of(request)["preset_info"]
        known = {value: key for key, value in ids.BACKGROUNDS.items() if value}
        background = known.get(str(options.background), ids.CUSTOM) if options.background else ids.TRANSPARENT
        knobs = (options.format, options.alpha_threshold, options.erode, options.feather, options.quality)
        return background, *knobs, gr.update(info=note)

    def _show(self, kept: Kept, options: Options, request: gr.Request) -> tuple[Any, ...]:
        """Before and after, alpha, status."""
        after, alpha = (self.studio.save_preview(each) for each in kept.small.views(options))
        before = self._before(kept.small, options)
        kept.small.shown = options
        return (before, after), alpha, self._status(kept, options, request)

    def _before(self, small: Preview, options: Options) -> str:
        """The photo as it is shown: mostly the same one, which needs no new file."""
        if options.crop or options.size != ids.ORIGINAL:
            return self.studio.save_preview(small.source(options))
        if not Path(small.before).is_file():  # not yet there, or swept
            small.before = self.studio.save_preview(small.source(options))
        return small.before

    def _file(self, key: Key, request: gr.Request, values: Any, kind: str, **changes: Any) -> str | None:
        kept = self.studio.kept(key, request)
        if kept is None:
            return None
        try:
            options = controls.read_options(self.studio, **values).with_changes(**changes)
            data = self.studio.finished(kept.full.with_options(options))
            return self.studio.save(data, kept.stem, f"-{kind}{SUFFIX_OF_FORMAT[options.format]}")
        except MattingError as error:
            raise shown(error, request) from None

    def _status(self, kept: Kept, options: Options, request: gr.Request) -> str:
        words, seconds = words_of(request), kept.full.seconds
        height, width = kept.full.rgb.shape[:2]
        infer = seconds.get("infer", 0.0) + seconds.get("second", 0.0)
        steps = {"queue": round(1000 * seconds.get("queue", 0.0)), "infer": round(1000 * infer)}
        total = round(1000 * (infer + sum(seconds.get(step, 0.0) for step in ("queue", "decode", "refine"))))
        line = words["status"].format(width=width, height=height, model=kept.model, total=total, **steps)
        if kept.full.is_empty:
            return f"{words['nothing_found']} · {line}"
        return f"{line} · {words['jpeg_white']}" if options.format == "jpeg" and options.background is None else line


def build(studio: Studio, page: gr.Blocks, i18n: gr.I18n) -> None:
    """Lay the tab out and wire it."""
    do = Handlers(studio, page)
    key = gr.State(None, delete_callback=studio.store.drop)
    started = gr.State(None)
    with gr.Row(elem_classes="split", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="inputs"):
            photo = photo_input(i18n("photo"), ids.PHOTO)
            fine = gr.Checkbox(
                False,
                label=i18n("fine"),
                info=i18n("fine_info"),
                elem_id=ids.FINE,
                visible=studio.model != ids.FINE_MODEL,
            )
            with gr.Column(elem_classes="settings"):
                values = _settings(i18n)
        with gr.Column(scale=7, min_width=320, elem_classes="outputs"):
            shown_parts, buttons = _outputs(i18n)
    _wire_photo(do, photo, fine, values, shown_parts, key, started)
    _wire_settings(do, values, shown_parts, key)
    inputs: dict[str, Any] = {"inputs": key, "inputs_kwargs": values, **studio.work}
    download.on_click(buttons[0], do.file, {"api_name": ids.API_FILE}, **inputs)
    download.on_click(buttons[1], do.alpha, {"api_name": ids.API_ALPHA}, **inputs)
    file, call = gr.File(visible=False), gr.Button(visible=False)  # for programs; the page itself does not call it
    call.click(do.whole, photo, file, inputs_kwargs=values, api_name=ids.API_ONE, **studio.work)


def _settings(i18n: gr.I18n) -> dict[str, Any]:
    """Every control of the tab, by the name of its value."""
    values: dict[str, Any] = {"preset": controls.preset_choice(i18n, ids.PRESET)}
    values["background"] = controls.background_choice(i18n, tuple(ids.BACKGROUNDS), ids.BACKGROUND)
    values["colour"] = controls.colour_choice(i18n, ids.COLOUR)
    values["picture"] = photo_input(
        i18n("background_picture"), ids.PICTURE, sources=("upload",), height=150, visible=False
    )
    values["format"] = controls.format_choice(i18n, ids.FORMAT)
    values["quality"] = controls.quality_slider(i18n, ids.QUALITY)
    with gr.Accordion(i18n("tuning"), open=True):
        values.update(controls.edge_knobs(i18n))
    with gr.Accordion(i18n("output"), open=False, elem_id=ids.OUTPUT):
        values.update(controls.file_knobs(i18n))
    return values


def _outputs(i18n: gr.I18n) -> tuple[list[Any], list[Any]]:
    with gr.Row(equal_height=True):
        result = gr.ImageSlider(
            label=i18n("result"),
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            elem_id=ids.RESULT,
            height=560,
            max_height=560,
            scale=3,
            min_width=280,
        )
        alpha = gr.Image(
            label=i18n("alpha"),
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            elem_id=ids.ALPHA,
            height=560,
            scale=2,
            min_width=220,
        )
    status = gr.Markdown(i18n("waiting"), elem_id=ids.STATUS, elem_classes="status")
    with gr.Row(elem_classes="buttons"):
        download = gr.Button(i18n("download"), variant="primary", elem_id=ids.DOWNLOAD, scale=3)
        download_alpha = gr.Button(i18n("download_alpha"), elem_id=ids.DOWNLOAD_ALPHA, scale=2)
    return [result, alpha, status], [download, download_alpha]


def _wire_photo(do: Handlers, photo: Any, fine: Any, values: Any, parts: list[Any], key: Any, started: Any) -> None:
    result = parts[0]
    light, work = do.studio.light, do.studio.work
    # `change` would come twice when a photo replaces another.
    asked = [photo.input, fine.input]
    cleared = gr.on(asked, do.reset, [key, photo], [*parts, key, started], api_visibility="private", **light)
    done = cleared.then(
        do.cutout,
        [photo, started, fine],
        [*parts, key, started],
        inputs_kwargs=values,
        api_name=ids.API_CUTOUT,
        show_progress_on=[result],
        **work,
    )
    done.success(do.settle, key, parts, inputs_kwargs=values, api_visibility="private", **light)


def _wire_settings(do: Handlers, values: dict[str, Any], parts: list[Any], key: Any) -> None:
    light = do.studio.light
    preset = values["preset"]
    again: dict[str, Any] = {"fn": do.recompose, "inputs": key, "inputs_kwargs": values, "outputs": parts, **light}
    moved = [each.input for name, each in values.items() if name != "preset"]
    gr.on(moved, api_name=ids.API_RECOMPOSE, trigger_mode="always_last", **again)
    dependent = [values[name] for name in ("colour", "picture", "quality", "margin")]
    deciding = [values[name] for name in ("background", "format", "crop")]
    show: dict[str, Any] = {"fn": controls.show_for, "inputs": deciding, "outputs": dependent, **light}
    gr.on([each.input for each in deciding], api_visibility="private", **show)
    set_by_preset = [values[name] for name in ("background", "format", "threshold", "erode", "feather", "quality")]
    chosen = preset.input(do.preset, preset, [*set_by_preset, preset], api_name=ids.API_PRESET, **light)
    chosen.then(api_visibility="private", **again)
    chosen.then(api_visibility="private", **show)
