"""What the page does when something is clicked; the work itself is matting_client's."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from matting_client import Cutout, MattingError, OptionError, Options, presets

from ui import names
from ui.preview import small_copy
from ui.store import Kept, Store
from ui.texts import failure, language, texts

Cut = Callable[[bytes, Options, str], Cutout]
NO_PRESET = "none"
_RGBA = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*(?:,\s*[\d.]+\s*)?\)")


@dataclass(frozen=True)
class Handlers:
    """The page's functions.

    Parameters
    ----------
    cut : makes a cutout of a file's bytes; may be called from several threads.
    store : keeps cutouts between events.
    folder : private folder for results, inside Gradio's.
    model : name to show.
    """

    cut: Cut
    store: Store
    folder: Path
    model: str

    def reset(self, key: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Clear the results, before another photo or after the photo was removed."""
        self.store.drop(key)
        words = _words(request)
        return None, None, words["waiting"], _no_file(words["download"]), None

    def cutout(
        self,
        photo: str | None,
        preset: str,
        background: str,
        colour: str,
        format: str,
        threshold: float,
        erode: float,
        feather: bool,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Cut a photo out."""
        if photo is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip(), None
        code = _code(request)
        try:
            options = read_options(preset, background, colour, format, threshold, erode, feather)
            path = Path(photo)
            full = self.cut(path.read_bytes(), options, path.name)
            kept = Kept(full, small_copy(full), path.stem)
            return *self._show(kept, options, code), self.store.put(kept)
        except MattingError as error:
            raise _failed(error, code) from None

    def recompose(
        self,
        key: str | None,
        preset: str,
        background: str,
        colour: str,
        format: str,
        threshold: float,
        erode: float,
        feather: bool,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Make the preview anew from the kept alpha."""
        kept = self.store.get(key)
        if kept is None:
            if key is not None:
                gr.Warning(_words(request)["expired"])
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        try:
            return self._show(
                kept, read_options(preset, background, colour, format, threshold, erode, feather), _code(request)
            )
        except MattingError as error:
            raise _failed(error, _code(request)) from None

    def file(
        self,
        key: str | None,
        preset: str,
        background: str,
        colour: str,
        format: str,
        threshold: float,
        erode: float,
        feather: bool,
        request: gr.Request,
    ) -> Any:
        """Write the result in full size; the download hands over exactly these bytes."""
        kept = self.store.get(key)
        if kept is None:
            return gr.skip()
        try:
            options = read_options(preset, background, colour, format, threshold, erode, feather)
            path = self._save(kept.full.with_options(options), f"{kept.stem}-cutout")
        except MattingError as error:
            raise _failed(error, _code(request)) from None
        label = f"{_words(request)['download']} {options.format.upper()} · {path.stat().st_size / 1e6:.1f} MB"
        return gr.update(value=str(path), label=label, interactive=True)

    def preset(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        """Set the controls as a preset says."""
        chosen = presets().get(name)
        options = Options.from_preset(name) if chosen else Options()
        note = chosen.description[_code(request)] if chosen else _words(request)["preset_info"]
        known = {value: key for key, value in names.BACKGROUNDS.items() if value}
        background = known.get(str(options.background), names.CUSTOM) if options.background else names.TRANSPARENT
        custom = gr.update(visible=background == names.CUSTOM)
        knobs = (options.alpha_threshold, options.erode, options.feather)
        return background, custom, options.format, *knobs, gr.update(info=note)

    def _show(self, kept: Kept, options: Options, code: str) -> tuple[Any, ...]:
        transparent = options.background is None and options.format != "jpeg"
        shown = options.with_changes(format="png" if transparent else "jpeg")
        alpha = options.with_changes(format="png", alpha_only=True)
        result = self._save(kept.small.with_options(shown), "preview")
        grey = self._save(kept.small.with_options(alpha), "alpha")
        words = texts(code)
        return str(result), str(grey), _status(kept.full, options, self.model, words), _no_file(words["preparing"])

    def _save(self, cutout: Cutout, stem: str) -> Path:
        suffix = "jpg" if cutout.options.format == "jpeg" else cutout.options.format
        path = self.folder / secrets.token_hex(16) / f"{stem[:80]}.{suffix}"
        cutout.save(path)
        return path


def read_options(
    preset: str, background: str, colour: str, format: str, threshold: float, erode: float, feather: bool
) -> Options:
    """Options from the controls' values, in the order the page has them.

    Raises
    ------
    OptionError
        A value that the page does not offer.
    """
    if background not in names.BACKGROUNDS:
        raise OptionError(f"background: got {background!r:.60}, expected {', '.join(names.BACKGROUNDS)}")
    values: dict[str, Any] = {
        "background": colour_text(colour) if background == names.CUSTOM else names.BACKGROUNDS[background],
        "format": format,
        "alpha_threshold": threshold,
        "erode": erode,
        "feather": bool(feather),
    }
    return Options(**values) if preset == NO_PRESET else Options.from_preset(preset, **values)


def colour_text(value: str) -> str:
    """A colour picker's value, "#rrggbb" or "rgba(r, g, b, a)" with fractions, as "#rrggbb"."""
    found = _RGBA.fullmatch(str(value).strip())
    if not found:
        return str(value)[:50]
    return "#" + "".join(f"{min(255, round(float(part))):02x}" for part in found.groups())


def _status(cutout: Cutout, options: Options, model: str, words: dict[str, str]) -> str:
    height, width = cutout.rgb.shape[:2]
    steps = ("decode", "infer", "refine")
    total = sum(cutout.seconds.get(step, 0.0) for step in steps)
    line = words["status"].format(width=width, height=height, model=model, milliseconds=round(1000 * total))
    inference = words["step_infer"].format(milliseconds=round(1000 * cutout.seconds.get("infer", 0.0)))
    note = f" · {words['jpeg_white']}" if options.format == "jpeg" and options.background is None else ""
    return f"{line} ({inference}){note}"


def _no_file(label: str) -> Any:
    return gr.update(value=None, label=label, interactive=False)


def _code(request: gr.Request) -> str:
    return language(str(request.headers.get("accept-language", ""))) if request else "en"


def _words(request: gr.Request) -> dict[str, str]:
    return texts(_code(request))


def _failed(error: MattingError, code: str) -> gr.Error:

    return gr.Error(failure(error, code), title=texts(code)["failed"], duration=10, print_exception=False)
