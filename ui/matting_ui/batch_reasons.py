"""What a photo's card tells of it, in every language, as the page may be loaded again in another one."""

from __future__ import annotations

from matting_client import Cutout, MattingError
from matting_client.files import Encoded
from matting_client.shop import broken_rules, template

from matting_ui import controls, notes
from matting_ui.i18n import LANGUAGES, failure, texts

Reason = dict[str, str]  # by language; empty for nothing to tell


def page_text(key: str, **values: str) -> Reason:
    """One of the page's texts."""
    return {code: texts(code)[key].format(**values) for code in LANGUAGES}


def failure_reason(error: MattingError) -> Reason:
    """What went wrong."""
    return {code: failure(error, code) for code in LANGUAGES}


def earlier_stays(reason: Reason) -> Reason:
    """Why a photo still has its earlier result."""
    return {code: texts(code)["batch_earlier"].format(reason=reason.get(code, "")) for code in LANGUAGES}


def of_result(cutout: Cutout, made: Encoded, shop: str) -> Reason:
    """That a result is empty, or what a shop objects to; and what there is to know of the photo's file."""
    return {code: "; ".join(_told(cutout, made, shop, code)) for code in LANGUAGES}


def _told(cutout: Cutout, made: Encoded, shop: str, code: str) -> list[str]:
    words = texts(code)
    told = notes.note_lines(cutout.origin.notes, words)
    if cutout.is_empty:
        return [words["nothing_found"], *told]
    if shop == controls.NO_SHOP:
        return told
    return [*broken_rules(template(shop), cutout, made, code), *told]
