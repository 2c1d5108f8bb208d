"""A button for a result that went wrong: the photo and its correction, if there is one, go into the sample box."""

from __future__ import annotations

from typing import Any

import gradio as gr
from matting_client.imaging.encode import encode

from matting_ui import ids
from matting_ui.context import KeepSample, Studio, page_errors, words_of


def add_report_button(studio: Studio, photo: Any, key: Any, i18n: gr.I18n) -> None:
    """Lay the button out and wire it, where the server keeps samples at all.

    Parameters
    ----------
    photo : component with the upload.
    key : state with the key of the kept cutout.
    """
    keep = studio.keep_sample
    if keep is None:
        return
    button = gr.Button(i18n("report"), elem_id=ids.REPORT, size="sm")
    gr.Markdown(i18n("report_info"), elem_classes="report-info")

    def report(photo: str | None, key: str | None, request: gr.Request) -> None:
        _report(studio, keep, photo, key, request)

    button.click(report, [photo, key], None, trigger_mode="once", api_visibility="private", **studio.light)


def _report(studio: Studio, keep: KeepSample, photo: str | None, key: str | None, request: gr.Request) -> None:
    kept = studio.kept(key, request)
    if photo is None or kept is None or key is None:
        return
    words = words_of(request)
    is_corrected = studio.editor.is_corrected(key)
    if kept.small.is_reported:
        gr.Info(words["report_again"])
        return
    with page_errors(request):
        path = studio.uploaded(photo)
        keep(studio.read(path, path.name), path.name, encode(kept.full.raw, "png") if is_corrected else None)
    kept.small.is_reported = True
    gr.Info(words["report_corrected" if is_corrected else "report_done"])
