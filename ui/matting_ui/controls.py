"""The options of a cutout as controls, and their values as `Options`; shared by the tabs."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr
from matting_client import Cutout, OptionError, Options, presets, templates
from matting_client.files import Encoded
from matting_client.options import MAX_ERODE, MAX_THRESHOLD
from matting_client.shop import broken_rules, template

from matting_ui import ids, notes
from matting_ui.context import Studio, code_of, words_of
from matting_ui.i18n import texts
from matting_ui.photo import photo_input

NO_PRESET = "none"
NO_SHOP = "no_shop"
MAX_MARGIN = 50  # per cent
_RGBA = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*(?:,\s*[\d.]+\s*)?\)")


def preset_choice(i18n: gr.I18n, elem_id: str) -> Any:
    """Radio of the presets."""
    choices = [(i18n(name), name) for name in (NO_PRESET, *presets())]
    return gr.Radio(choices, value=NO_PRESET, label=i18n("preset"), info=i18n("preset_info"), elem_id=elem_id)


def shop_choice(i18n: gr.I18n, elem_id: str) -> Any:
    """Choice of the shop whose pictures are made."""
    choices = [(i18n(NO_SHOP), NO_SHOP), *((i18n(f"shop_{name}"), name) for name in templates())]
    return gr.Dropdown(choices, value=NO_SHOP, label=i18n("shop"), info=i18n("shop_info"), elem_id=elem_id)


def background_choice(i18n: gr.I18n, offered: tuple[str, ...], elem_id: str, chosen: str = ids.TRANSPARENT) -> Any:
    """Radio of some of `ids.BACKGROUNDS`."""
    return gr.Radio([(i18n(name), name) for name in offered], value=chosen, label=i18n("background"), elem_id=elem_id)


def colour_choice(i18n: gr.I18n, elem_id: str) -> Any:
    """Picker of an own colour, shown when it is asked for."""
    return gr.ColorPicker("#7c5cff", label=i18n("colour"), visible=False, elem_id=elem_id)


def picture_choice(i18n: gr.I18n, elem_id: str) -> Any:
    """Where a picture to put behind is chosen, shown when it is asked for."""
    return photo_input(i18n("background_picture"), elem_id, sources=("upload",), height=150, visible=False)


def format_choice(i18n: gr.I18n, elem_id: str) -> Any:
    """Radio of the file formats."""
    return gr.Radio([(f.upper(), f) for f in ids.FORMATS], value="png", label=i18n("format"), elem_id=elem_id)


def edge_knobs(i18n: gr.I18n, prefix: str = "") -> dict[str, Any]:
    """Threshold, erode (which dilates, too) and feather."""
    threshold = gr.Slider(
        0,
        MAX_THRESHOLD,
        0,
        step=1,
        label=i18n("threshold"),
        info=i18n("threshold_info"),
        elem_id=prefix + ids.THRESHOLD,
    )
    erode = gr.Slider(
        -MAX_ERODE, MAX_ERODE, 0, step=0.5, label=i18n("erode"), info=i18n("erode_info"), elem_id=prefix + ids.ERODE
    )
    feather = gr.Checkbox(False, label=i18n("feather"), elem_id=prefix + ids.FEATHER)
    return {"threshold": threshold, "erode": erode, "feather": feather}


def file_knobs(i18n: gr.I18n, prefix: str = "") -> dict[str, Any]:
    """Crop, margin and size."""
    crop = gr.Checkbox(False, label=i18n("crop"), elem_id=prefix + ids.CROP)
    margin = gr.Slider(
        0,
        MAX_MARGIN,
        5,
        step=1,
        label=i18n("margin"),
        info=i18n("margin_info"),
        visible=False,
        elem_id=prefix + ids.MARGIN,
    )
    sizes = [(i18n("size_original") if size == ids.ORIGINAL else size, size) for size in ids.SIZES]
    size = gr.Dropdown(sizes, value=ids.ORIGINAL, label=i18n("size"), elem_id=prefix + ids.SIZE)
    return {"crop": crop, "margin": margin, "size": size}


def quality_slider(i18n: gr.I18n, elem_id: str) -> Any:
    """Slider of the quality of JPEG and WebP, shown when it counts."""
    return gr.Slider(
        1, 100, 92, step=1, label=i18n("quality"), info=i18n("quality_info"), visible=False, elem_id=elem_id
    )


def read_options(
    studio: Studio,
    *,
    preset: str = NO_PRESET,
    background: str = ids.TRANSPARENT,
    colour: str = "",
    picture: str | None = None,
    format: str = "png",
    threshold: float = 0,
    erode: float = 0,
    feather: bool = False,
    quality: float = 92,
    crop: bool = False,
    margin: float = 0,
    size: str = ids.ORIGINAL,
    shop: str = NO_SHOP,
) -> Options:
    """Options from the controls' values.

    Raises
    ------
    OptionError, InputError
        A value that the page does not offer; a picture that was not uploaded.
    """
    values: dict[str, Any] = {
        "background": read_background(studio, background, colour, picture),
        "format": format,
        "alpha_threshold": threshold,
        "erode": erode,
        "feather": bool(feather),
        "quality": round(quality),
        "crop": bool(crop),
        "crop_margin": f"{float(margin):g}%",
        "size": size,
        **_shop_options(shop, format),
    }
    return Options(**values) if preset == NO_PRESET else Options.from_preset(preset, **values)


def read_background(studio: Studio, background: str, colour: str, picture: str | None) -> Any:
    """What the background's controls ask for, as `Options.background`; no picture chosen yet means transparent."""
    if background not in ids.BACKGROUNDS:
        raise OptionError("background", f"{background!r:.60}", ", ".join(ids.BACKGROUNDS))
    if background == ids.CUSTOM:
        return colour_text(colour)
    if background == ids.FROM_PICTURE:
        return studio.background(picture) if picture else None
    return ids.BACKGROUNDS[background]


def colour_text(value: str) -> str:
    """A colour picker's value, "#rrggbb" or "rgba(r, g, b, a)" with fractions, as "#rrggbb"."""
    found = _RGBA.fullmatch(str(value).strip())
    if not found:
        return str(value)[:50]
    return "#" + "".join(f"{min(255, round(float(part))):02x}" for part in found.groups())


def _shop_options(shop: str, format: str) -> dict[str, Any]:
    """What a shop asks for beside the controls that choosing it sets: its canvas says crop and size."""
    if shop == NO_SHOP:
        return {}
    options = template(shop).values(format=format)
    others = {name: value for name, value in options.items() if name not in GIVEN_BY_SHOP}
    return {"crop": False, "size": ids.ORIGINAL, **others}


def shop_line(shop: str, cutout: Cutout, made: Encoded, code: str) -> str:
    """What a shop says of a result, in a language: all well, or what it would object to."""
    chosen = template(shop)
    broken = broken_rules(chosen, cutout, made, code)
    if broken:
        return f"⚠ {chosen.title[code]}: {'; '.join(broken)}"
    return texts(code)["shop_ok"].format(title=chosen.title[code])


def result_facts(cutout: Cutout, made: Encoded, shop: str, code: str) -> list[str]:
    """What a program is told of a result: its size, how much it doubts itself, and what else there is to know."""
    words = texts(code)
    found = [words["nothing_found"]] if cutout.is_empty else []
    found.append(words["pixels"].format(width=made.size[0], height=made.size[1]))
    found.append(words["uncertainty"].format(value=cutout.uncertainty))
    if shop != NO_SHOP:
        found.append(shop_line(shop, cutout, made, code))
    return found + notes.note_lines(cutout.origin.notes, words)


GIVEN_BY_SHOP = ("background", "format", "quality")
SET_BY_SHOP = (*GIVEN_BY_SHOP, "crop", "margin", "size")


def apply_shop(name: str) -> tuple[Any, ...]:
    """The controls `SET_BY_SHOP` as a shop wants them, whose canvas says crop and size; without one as at the start."""
    is_shop = name in templates()
    options = Options.of(template(name).options) if is_shop else Options()
    own: dict[str, Any] = {"interactive": not is_shop}
    crop = gr.update(value=False, **own)
    size = gr.update(value=ids.ORIGINAL, **own)
    return *_shown(options, GIVEN_BY_SHOP).values(), crop, gr.update(visible=False), size


SET_BY_PRESET = ("background", "format", "threshold", "erode", "feather", "quality")


def apply_preset(name: str, request: gr.Request) -> tuple[Any, ...]:
    """Values of the controls `SET_BY_PRESET` as a preset says, and the preset's own control with what it is for."""
    chosen = presets().get(name)
    options = Options.from_preset(name) if chosen else Options()
    note = chosen.description[code_of(request)] if chosen else words_of(request)["preset_info"]
    return *_shown(options, SET_BY_PRESET).values(), gr.update(info=note)


def for_program(values: dict[str, Any], picture: str | None = None) -> dict[str, Any]:
    """The values of a program's one call, for which nothing has set the controls.

    What stands as it does at first is as the preset says, or the shop, which wins.

    Raises
    ------
    OptionError
        A picture is wanted behind the subject, and there is none, for which the page would wait.
    """
    need_picture(values.get("background"), picture)
    chosen: dict[str, Any] = {}
    if values.get("preset") in presets():
        chosen.update(_shown(Options.from_preset(values["preset"]), SET_BY_PRESET))
    if values.get("shop") in templates():
        chosen.update(_shown(Options.of(template(values["shop"]).options), GIVEN_BY_SHOP))
    at_first = _shown(Options(), SET_BY_PRESET)
    return {**values, **{name: value for name, value in chosen.items() if values.get(name) in (None, at_first[name])}}


def need_picture(background: str | None, picture: str | None) -> None:
    """Raise an OptionError where a picture is wanted behind the subject, and there is none."""
    if background == ids.FROM_PICTURE and not picture:
        raise OptionError("picture", "none", "a file for the background 'picture'")


def _shown(options: Options, names: tuple[str, ...]) -> dict[str, Any]:
    """What the controls of these names show of options."""
    known = {value: key for key, value in ids.BACKGROUNDS.items() if value}
    shown = {
        "background": known.get(str(options.background), ids.CUSTOM) if options.background else ids.TRANSPARENT,
        "format": options.format,
        "threshold": options.alpha_threshold,
        "erode": options.erode,
        "feather": options.feather,
        "quality": options.quality,
    }
    return {name: shown[name] for name in names}


def show_for(background: str, format: str, crop: bool) -> tuple[Any, ...]:
    """Which of the dependent controls are shown: colour, picture, quality, margin."""
    return *show_behind(background), *(gr.update(visible=each) for each in (format != "png", bool(crop)))


def show_behind(background: str) -> tuple[Any, Any]:
    """Whether colour and picture are shown."""
    return gr.update(visible=background == ids.CUSTOM), gr.update(visible=background == ids.FROM_PICTURE)
