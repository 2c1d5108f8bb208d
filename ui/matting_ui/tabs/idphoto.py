"""An ID photo of the size an office asks for, and a sheet of them to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from matting_client import Cutout, OptionError, Options
from matting_client.idphoto import IdPhoto, id_photo, print_sheet, sheet_file
from matting_client.idsizes import Size, sizes

from matting_ui import controls, download, ids, notes
from matting_ui.context import Studio, code_of, page_errors, words_of
from matting_ui.i18n import texts
from matting_ui.photo import photo_input
from matting_ui.stage import Stage, another_button, samples, waited_since
from matting_ui.store import Kept

BACKGROUNDS = (ids.OFFICIAL, "white", "blue", "red", ids.CUSTOM)
SUFFIX = {"jpeg": "jpg", "pdf": "pdf"}
ENGLISH_FIRST = ("us-visa", "uk-passport", "canada", "india", "schengen")  # what readers of English mostly need


@dataclass(frozen=True)
class Handlers:
    """What happens on the tab; every keyword is the value of a control."""

    studio: Studio

    def cutout(self, photo: str | None, started: float | None, request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """Cut a person out and make the ID photo; returns it, the sheet and a line on both."""
        if photo is None:
            return None, None, words_of(request)["id_waiting"], None, None
        with page_errors(request):
            key, kept = self.studio.keep(photo, waited=waited_since(started))
            return *self._show(kept, request, values), key, None

    def recompose(self, key: str | None, request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """Make photo and sheet anew from the kept alpha."""
        kept = self.studio.kept(key, request)
        if kept is None:
            return gr.skip(), gr.skip(), gr.skip()
        with page_errors(request):
            return self._show(kept, request, values)

    def settle(self, key: str | None, request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """Follow a control that was moved while the photo was cut out."""
        kept = self.studio.store.get(key)
        if kept is None or kept.small.shown == values:
            return gr.skip(), gr.skip(), gr.skip()
        return self.recompose(key, request, **values)

    def file(self, key: str | None, request: gr.Request, **values: Any) -> str | None:
        """Write the ID photo from the photo's full size, as a JPEG that knows its print size."""
        return self._write(key, request, values, lambda photo: (photo.to_jpeg(), f"{photo.size.name}.jpg"))

    def sheet(self, key: str | None, request: gr.Request, **values: Any) -> str | None:
        """Write the print sheet, as a JPEG or a PDF."""

        def made(photo: IdPhoto) -> tuple[bytes, str]:
            data = sheet_file(print_sheet(photo, values["paper"])[0], values["sheet_format"])
            return data, f"{photo.size.name}-{values['paper']}.{SUFFIX[values['sheet_format']]}"

        return self._write(key, request, values, made)

    def _write(self, key: str | None, request: gr.Request, values: dict[str, Any], make: Any) -> str | None:
        kept = self.studio.kept(key, request)
        if kept is None:
            return None
        with page_errors(request):
            data, name = make(_photo(kept.full.with_options(_edge()), values))
            return self.studio.save(data, kept.stem, f"-{name}")

    def _show(self, kept: Kept, request: gr.Request, values: dict[str, Any]) -> tuple[Any, ...]:
        photo = _photo(kept.small.with_options(_edge()), values)
        kept.small.shown = values
        sheet, copies = print_sheet(photo, values["paper"])
        height, width = photo.picture.shape[:2]
        words = words_of(request)
        title = photo.size.title[code_of(request)]
        line = words["id_status"].format(title=title, width=width, height=height, copies=copies)
        whole = replace(photo, enlarged=photo.enlarged * kept.small.scale)  # as it will be made of the upload itself
        told = [line, *notes.note_lines(whole.warnings, words)]
        return self.studio.save_preview(photo.picture), self.studio.save_preview(sheet), "\n\n".join(told)


def _edge() -> Options:
    """How the edge of an ID photo is treated; the background and the rest are set later."""
    return Options.from_preset("id-photo")


def _photo(cutout: Cutout, values: Mapping[str, Any]) -> IdPhoto:
    """The ID photo that the controls ask for. Raises OptionError: a size that is not offered."""
    known = sizes()
    size = values["size"]
    background = values["background"]
    if size not in known:
        raise OptionError("size", f"{size!r:.60}", f"one of {', '.join(known)}")
    own = {ids.OFFICIAL: None, ids.CUSTOM: controls.colour_text(values["colour"])}
    chosen = own[background] if background in own else ids.BACKGROUNDS.get(background)
    return id_photo(cutout, known[size], chosen, values["zoom"], values["shift"] / 100)


def build(studio: Studio, page: gr.Blocks, i18n: gr.I18n) -> None:
    """Lay the tab out and wire it."""
    do = Handlers(studio)
    stage = Stage(studio, page, ids.TAB_IDPHOTO, "id_waiting")
    key = stage.key()
    started = gr.State(None)
    with gr.Row(elem_classes="machine", equal_height=False):
        with gr.Column(scale=7, min_width=320, elem_classes="picture"):
            photo = photo_input(i18n("photo"), ids.ID_PHOTO, placeholder=i18n("drop"))
            result, sheet = _outputs(i18n)
            status = gr.Markdown(i18n("id_waiting"), elem_id=ids.ID_STATUS, elem_classes="status")
            samples()
        with gr.Column(scale=3, min_width=300, elem_classes="side"):
            with gr.Row(elem_classes="buttons"):
                button = gr.Button(
                    i18n("download_id"), variant="primary", elem_id=ids.ID_DOWNLOAD, scale=2, min_width=120
                )
                whole = gr.Button(i18n("download_sheet"), elem_id=ids.ID_DOWNLOAD_SHEET, min_width=120)
                another_button(i18n("another"))
            values = _settings(i18n)
    _wire(do, stage, photo, values, [result, sheet, status], (key, started))
    page.load(_sizes_of, None, values["size"], api_visibility="private", **studio.light)
    inputs: dict[str, Any] = {"inputs": key, "inputs_kwargs": values, **studio.work}
    download.on_click(button, do.file, {"api_name": ids.API_ID_FILE}, **inputs)
    download.on_click(whole, do.sheet, {"api_name": ids.API_ID_SHEET}, **inputs)


def _settings(i18n: gr.I18n) -> dict[str, Any]:
    kinds = [(i18n(f"id_{size.name}"), size.name) for size in sizes().values()]
    size = gr.Dropdown(kinds, value=kinds[0][1], label=i18n("id_size"), elem_id=ids.ID_SIZE)
    background = controls.background_choice(i18n, BACKGROUNDS, ids.ID_BACKGROUND, ids.OFFICIAL)
    colour = controls.colour_choice(i18n, ids.ID_COLOUR)
    zoom = gr.Slider(0.7, 1.4, 1.0, step=0.01, label=i18n("zoom"), info=i18n("zoom_info"), elem_id=ids.ID_ZOOM)
    shift = gr.Slider(-20, 20, 0, step=0.5, label=i18n("shift"), info=i18n("shift_info"), elem_id=ids.ID_SHIFT)
    papers = [(i18n(f"paper_{name}"), name) for name in ("4x6", "5x7", "a4")]
    paper = gr.Radio(papers, value="4x6", label=i18n("paper"), elem_id=ids.ID_PAPER)
    sheet_format = gr.Radio(
        [("JPEG", "jpeg"), ("PDF", "pdf")], value="jpeg", label=i18n("sheet_format"), elem_id=ids.ID_FORMAT
    )
    return {
        "size": size,
        "background": background,
        "colour": colour,
        "zoom": zoom,
        "shift": shift,
        "paper": paper,
        "sheet_format": sheet_format,
    }


def _sizes_of(request: gr.Request) -> Any:
    """The sizes in the visitor's language, those of its offices first, of which the first is chosen."""
    code = code_of(request)
    first = () if code == "zh" else ENGLISH_FIRST  # the Chinese ones are first as they are
    listed = [sizes()[name] for name in (*first, *(name for name in sizes() if name not in first))]
    return gr.update(choices=[(size_words(size)[code], size.name) for size in listed], value=listed[0].name)


def size_words(size: Size) -> dict[str, str]:
    """A size as the page lists it, by language."""
    numbers = {"mm0": size.mm[0], "mm1": size.mm[1]}
    return {code: texts(code)["id_size_line"].format(title=size.title[code], **numbers) for code in size.title}


def _outputs(i18n: gr.I18n) -> tuple[Any, Any]:
    """The photo and the sheet, side by side."""
    look: dict[str, Any] = {"type": "filepath", "interactive": False, "buttons": ["fullscreen"], "height": 520}
    with gr.Row(equal_height=True, elem_classes="results"):
        result = gr.Image(
            label=i18n("id_result"), elem_id=ids.ID_RESULT, elem_classes="board", scale=2, min_width=160, **look
        )
        sheet = gr.Image(
            label=i18n("sheet"), elem_id=ids.ID_SHEET, elem_classes="board", scale=3, min_width=160, **look
        )
    return result, sheet


def _wire(
    do: Handlers, stage: Stage, photo: Any, values: dict[str, Any], parts: list[Any], states: tuple[Any, Any]
) -> None:
    light = do.studio.light
    (key, started) = states
    done = stage.follow(
        [photo.input],
        photo,
        parts,
        key,
        started,
        do.cutout,
        inputs=[photo, started],
        inputs_kwargs=values,
        api_name=ids.API_ID,
    )
    done.success(do.settle, key, parts, inputs_kwargs=values, api_visibility="private", **light)
    moved = [each.input for name, each in values.items() if name != "sheet_format"]
    again: dict[str, Any] = {"inputs": key, "inputs_kwargs": values, "outputs": parts, "trigger_mode": "always_last"}
    gr.on(moved, do.recompose, api_name=ids.API_ID_AGAIN, **again, **light)
    background = values["background"]
    colour = values["colour"]
    background.input(_show_colour, background, colour, trigger_mode="always_last", api_visibility="private", **light)


def _show_colour(background: str) -> Any:
    return gr.update(visible=background == ids.CUSTOM)
