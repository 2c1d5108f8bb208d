"""One photo: cut it out, look at it before and after, change how it is made, download it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from matting_client import InputError, Options
from matting_client.files import Encoded
from matting_client.imaging.encode import MEDIA_TYPES, SUFFIX_OF_FORMAT
from matting_client.timing import Timings

from matting_ui import controls, correct, device, download, ids, notes, report
from matting_ui.context import Studio, code_of, page_errors, size_text, words_of
from matting_ui.photo import photo_input
from matting_ui.preview import Made, Preview
from matting_ui.stage import Stage, another_button, samples, waited_since
from matting_ui.store import Kept
from matting_ui.tabs import single_parts

Key = str | None  # of a kept cutout
Upload = str | None  # path of an uploaded file


@dataclass(frozen=True)
class Handlers:
    """What happens on the tab; every keyword is the value of a control."""

    studio: Studio

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
            return None, None, words_of(request)["waiting"], None, None
        with page_errors(request):
            plain = controls.read_options(self.studio, **values)
            key, kept = self.studio.keep(photo, bool(fine), waited_since(started), by_hand=False)
            try:
                options = controls.read_options(self.studio, picture=picture, **values)
                return *self._show(kept, options, request), key, None
            except InputError:  # of the background picture: `settle` says so, beside a result that can be changed
                if started is None:  # a program, which is told at once
                    raise
                return *self._show(kept, plain, request), key, None

    def recompose(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> tuple[Any, ...]:
        """Make the preview anew from the kept alpha."""
        kept = self.studio.kept(key, request)
        if kept is None:
            return gr.skip(), gr.skip(), gr.skip()
        with page_errors(request):
            return self._show(kept, controls.read_options(self.studio, picture=picture, **values), request)

    def settle(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> tuple[Any, ...]:
        """Follow a control that was moved while the photo was cut out."""
        kept = self.studio.store.get(key)
        with page_errors(request):
            if kept is None or kept.small.shown == controls.read_options(self.studio, picture=picture, **values):
                return gr.skip(), gr.skip(), gr.skip()
        return self.recompose(key, request, picture, **values)

    def offer_fine(self, key: Key, request: gr.Request) -> Any:
        """The choice of the finer model, which would make the alpha anew: not while that is corrected by hand."""
        is_corrected = key is not None and self.studio.editor.is_corrected(key)
        info = words_of(request)["fine_corrected" if is_corrected else "fine_info"]
        return gr.update(interactive=not is_corrected, info=info)

    def file(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> str | None:
        """Write the result in full size; the download hands over exactly these bytes."""
        kept = self.studio.kept(key, request)
        if kept is None:
            return None
        with page_errors(request):
            options = controls.read_options(self.studio, picture=picture, **values)
            return self.studio.hand_over(self._made(kept, options).path, kept.stem, _ending(options))

    def alpha(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> str | None:
        """Write the alpha in full size, as a grey PNG."""
        kept = self.studio.kept(key, request)
        if kept is None:
            return None
        with page_errors(request):
            options = controls.read_options(self.studio, **values).for_alpha()
            encoded = self.studio.finished(kept.full.with_options(options))
            return self.studio.save(encoded.data, kept.stem, "-alpha.png")

    def whole(self, photo: Upload, request: gr.Request, picture: Upload = None, **values: Any) -> str | None:
        """Cut the subject out of a photo, in one call for programs; returns the file in full size."""
        return self.told(photo, request, picture, **values)[0]

    def told(
        self, photo: Upload, request: gr.Request, picture: Upload = None, **values: Any
    ) -> tuple[str | None, str | None]:
        """Cut the subject out of a photo, in one call; returns the file in full size, and what to know of it."""
        if photo is None:
            return None, None
        with page_errors(request):
            options = controls.read_options(self.studio, picture=picture, **controls.for_program(values, picture))
            path = self.studio.uploaded(photo)
            with self.studio.opened(path, path.name) as photo_bytes:
                cutout = self.studio.cut(photo_bytes, options, path.name, None)
                made = cutout.encode()
            facts = controls.result_facts(cutout, made, values.get("shop", controls.NO_SHOP), code_of(request))
            return self.studio.save(made.data, path.stem, _ending(options)), " · ".join(facts)

    def _show(self, kept: Kept, options: Options, request: gr.Request) -> tuple[Any, ...]:
        """Before and after, alpha, status."""
        after, alpha = (self.studio.save_preview(each) for each in kept.small.views(options))
        before = self._before(kept.small, options)
        kept.small.shown = options
        return (before, after), alpha, self._status(kept, options, request)

    def _before(self, small: Preview, options: Options) -> str:
        """The photo as it is shown: mostly the same one, which needs no new file."""
        if options.crop or options.canvas or options.size != ids.ORIGINAL:
            return self.studio.save_preview(small.source(options))
        if not Path(small.before).is_file():  # not yet there, or swept
            small.before = self.studio.save_preview(small.source(options))
        return small.before

    def weigh(self, key: Key, request: gr.Request, picture: Upload = None, **values: Any) -> Any:
        """Make the file of the result, so that its size can be told and a download need not wait."""
        kept = self.studio.store.get(key)
        if kept is None:
            return gr.skip()
        with page_errors(request):
            options = controls.read_options(self.studio, picture=picture, **values)
            return self._status(kept, options, request, self._made(kept, options), values.get("shop", controls.NO_SHOP))

    def _made(self, kept: Kept, options: Options) -> Made:
        """The file of the result, the one that is there already where the options are the same."""
        made = kept.small.made
        if made is None or made.options != options or not Path(made.path).is_file():
            encoded = self.studio.finished(kept.full.with_options(options))
            path = self.studio.draft(encoded.data, kept.stem, _ending(options))
            made = kept.small.made = Made(options, path, encoded.size, len(encoded.data))
        return made

    def _status(
        self,
        kept: Kept,
        options: Options,
        request: gr.Request,
        made: Made | None = None,
        shop: str = controls.NO_SHOP,
    ) -> str:
        """What the result is, and in a paragraph of its own how it was made."""
        words = words_of(request)
        seconds = kept.full.seconds
        facts = [options.format.upper()]
        if made is not None:
            facts = [words["pixels"].format(width=made.size[0], height=made.size[1]), *facts, size_text(made.bytes)]
            facts += self._shop_line(kept, made, shop, request)
        if kept.full.is_empty:
            facts.insert(0, words["nothing_found"])
        if options.format == "jpeg" and options.background is None:
            facts.append(words["jpeg_white"])
        facts += notes.note_lines(kept.full.origin.notes, words)
        infer = seconds.get("infer", 0.0) + seconds.get("second", 0.0)
        steps = {"queue": round(1000 * seconds.get("queue", 0.0)), "infer": round(1000 * infer)}
        total = round(1000 * (infer + sum(seconds.get(step, 0.0) for step in ("queue", "decode", "refine"))))
        return f"{' · '.join(facts)}\n\n{words['timings'].format(model=kept.model, total=total, **steps)}"

    def _shop_line(self, kept: Kept, made: Made, shop: str, request: gr.Request) -> list[str]:
        """What a shop says of the file, if one was chosen."""
        if shop == controls.NO_SHOP:
            return []
        media_type = MEDIA_TYPES[made.options.format]
        encoded = Encoded(Path(made.path).read_bytes(), media_type, made.size, Timings())
        return [controls.shop_line(shop, kept.full.with_options(made.options), encoded, code_of(request))]


def _ending(options: Options) -> str:
    return f"-cutout{SUFFIX_OF_FORMAT[options.format]}"


def build(studio: Studio, page: gr.Blocks, i18n: gr.I18n) -> None:
    """Lay the tab out and wire it."""
    do = Handlers(studio)
    stage = Stage(studio, page, ids.TAB_SINGLE, "waiting")
    key = stage.key()
    started = gr.State(None)
    with gr.Row(elem_classes="machine", equal_height=False):
        with gr.Column(scale=7, min_width=320, elem_classes="picture"):
            photo = photo_input(i18n("photo"), ids.PHOTO, placeholder=i18n("drop"))
            result = single_parts.result(i18n)
            status = gr.Markdown(i18n("waiting"), elem_id=ids.STATUS, elem_classes="status")
            samples()
        with gr.Column(scale=3, min_width=300, elem_classes="side"):
            with gr.Row(elem_classes="buttons"):
                button = gr.Button(i18n("download"), variant="primary", elem_id=ids.DOWNLOAD, scale=2, min_width=120)
                correcting = gr.Button(i18n("correct"), elem_id=ids.CORRECT, min_width=120)
                another_button(i18n("another"))
            values, fine = single_parts.settings(i18n, studio.model)
            with gr.Accordion(i18n("details"), open=False, elem_id=ids.DETAILS):
                alpha, alpha_button = single_parts.details_part(i18n)
            report.add_report_button(studio, photo, key, i18n)
    if studio.in_browser:
        device.build(studio.in_browser)
    parts = [result, alpha, status]
    done = stage.follow(
        [photo.input, fine.input],
        photo,
        parts,
        key,
        started,
        do.cutout,
        inputs=[photo, started, fine],
        inputs_kwargs=values,
        api_name=ids.API_CUTOUT,
    )
    private: dict[str, Any] = {"api_visibility": "private", **studio.light}
    settled = done.success(do.settle, key, parts, inputs_kwargs=values, **private)
    settled.then(do.weigh, **_weighing(do, key, values, status))
    done.success(do.offer_fine, key, fine, **private)
    _wire_settings(do, values, parts, key)
    _wire_editor(do, correcting, values, parts, (key, fine))
    inputs: dict[str, Any] = {"inputs": key, "inputs_kwargs": values, **studio.work}
    download.on_click(button, do.file, {"api_name": ids.API_FILE}, **inputs)
    download.on_click(alpha_button, do.alpha, {"api_name": ids.API_ALPHA}, **inputs)
    file, call = gr.File(visible=False), gr.Button(visible=False)  # for programs; the page itself does not call it
    call.click(do.whole, photo, file, inputs_kwargs=values, api_name=ids.API_ONE, **studio.work)
    facts = gr.Textbox(visible=False)
    told = gr.Button(visible=False)
    told.click(do.told, photo, [file, facts], inputs_kwargs=values, api_name=ids.API_TOLD, **studio.work)


def _weighing(do: Handlers, key: Any, values: dict[str, Any], status: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {"inputs": key, "inputs_kwargs": values, "outputs": status}
    return {**inputs, "api_visibility": "private", "trigger_mode": "always_last", **do.studio.behind}


def _wire_editor(
    do: Handlers, button: Any, values: dict[str, Any], parts: list[Any], key_and_fine: tuple[Any, Any]
) -> None:
    """Show what was corrected by hand, once the editor is closed."""
    key, fine = key_and_fine
    again: dict[str, Any] = {"inputs": key, "inputs_kwargs": values, "outputs": parts, **do.studio.light}
    closed = correct.on_click(button, do.studio, key)
    shown_again = closed.then(do.recompose, api_visibility="private", trigger_mode="always_last", **again)
    shown_again.then(do.weigh, **_weighing(do, key, values, parts[-1]))
    closed.then(do.offer_fine, key, fine, api_visibility="private", **do.studio.light)


def _wire_settings(do: Handlers, values: dict[str, Any], parts: list[Any], key: Any) -> None:
    light: dict[str, Any] = {**do.studio.light, "trigger_mode": "always_last"}  # of quick choices the last one holds
    preset = values["preset"]
    again: dict[str, Any] = {"fn": do.recompose, "inputs": key, "inputs_kwargs": values, "outputs": parts, **light}
    moved = [each.input for name, each in values.items() if name not in ("preset", "shop")]
    weighing = _weighing(do, key, values, parts[-1])
    gr.on(moved, api_name=ids.API_RECOMPOSE, **again).then(do.weigh, **weighing)
    dependent = [values[name] for name in ("colour", "picture", "quality", "margin")]
    deciding = [values[name] for name in ("background", "format", "crop")]
    show: dict[str, Any] = {"fn": controls.show_for, "inputs": deciding, "outputs": dependent, **light}
    gr.on([each.input for each in deciding], api_visibility="private", **show)
    set_by_preset = [values[name] for name in controls.SET_BY_PRESET]
    chosen = preset.input(controls.apply_preset, preset, [*set_by_preset, preset], api_name=ids.API_PRESET, **light)
    chosen.then(api_visibility="private", **again).then(do.weigh, **weighing)
    chosen.then(api_visibility="private", **show)
    set_by_shop = [values[name] for name in controls.SET_BY_SHOP]
    listed = values["shop"].input(controls.apply_shop, values["shop"], set_by_shop, api_visibility="private", **light)
    listed.then(api_visibility="private", **again).then(do.weigh, **weighing)
    listed.then(api_visibility="private", **show)
