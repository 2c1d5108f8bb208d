"""Every word of the page, in English and Chinese."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matting_client import MattingError, NoFace, ServerBusy, ServerUnavailable, SeveralFaces

from matting_ui.details import chinese_line
from matting_ui.errors import NoRoom, UploadError

_PAIRS: dict[str, tuple[str, str]] = json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))
EN: dict[str, str] = {key: english for key, (english, _) in _PAIRS.items()}
ZH: dict[str, str] = {key: chinese for key, (_, chinese) in _PAIRS.items()}
LANGUAGES = ("en", "zh")
LANGUAGE_COOKIE = "matting_language"  # the visitor's own choice


def _codes(kind: type[MattingError] | type[UploadError]) -> Iterator[str]:
    """Those of a kind of error and all that are of it."""
    yield kind.code
    for each in kind.__subclasses__():
        yield from _codes(each)


# Of errors, which are the API's, and of the page's own script; a sentence for each is in texts.json.
_OF_THE_SCRIPT = ("unreachable", "forbidden", "restarted")
CODES = tuple(dict.fromkeys((*_codes(MattingError), *_codes(UploadError), *_OF_THE_SCRIPT)))
RETRY = (
    "server_busy",
    "server_unavailable",
    "too_many_uploads",
    "storage_unavailable",
    "insufficient_storage",
    "unreachable",
)
# Addresses and paths stay inside; of faces the sentence says it all.
_TELLS_NOTHING_MORE = (NoRoom, ServerBusy, ServerUnavailable, NoFace, SeveralFaces)


def language(accept: str) -> str:
    """Language code, zh or en, from an Accept-Language header, whose first entry is the browser's own language."""
    return "zh" if accept.strip().lower().startswith("zh") else "en"


def language_of(request: Any) -> str:
    """The language of whoever sent a request: the one chosen on the page, else the browser's."""
    if request is None:
        return "en"
    chosen = str((getattr(request, "cookies", None) or {}).get(LANGUAGE_COOKIE, ""))
    return chosen if chosen in LANGUAGES else language(str(request.headers.get("accept-language", "")))


def texts(code: str) -> dict[str, str]:
    """The words in a language."""
    return ZH if code == "zh" else EN


def failure(error: MattingError, language: str, of: str = "photo") -> str:
    """What a visitor is told of an error: a sentence, and below it the error's own line where it tells more.

    Parameters
    ----------
    of : what was uploaded: "photo" or "video".
    """
    words = texts(language)
    key = f"error_{error.code}"
    sentence = words.get(f"{key}_{of}", words[key])
    if isinstance(error, _TELLS_NOTHING_MORE):
        return sentence
    subject = Path(error.subject)
    shown = error.replace(subject=subject.name) if subject.is_absolute() else error
    return f"{sentence}\n{chinese_line(shown) if language == 'zh' else shown}"


def script_words() -> dict[str, dict[str, str]]:
    """What the page's own script says, by language: a sentence for each code, and the words of its buttons."""
    refusals = ("one_only", "no_files", "no_photo", "no_clip")
    more = ("retry", "close", "choose_again", *refusals, "uploading", "working", "note")
    labels = ["close", *(key for key in EN if key.startswith("gradio_"))]  # Gradio's own, which are English alone
    return {
        code: {
            **{name: texts(code)[f"error_{name}"] for name in CODES},
            **{name: texts(code)[name] for name in more},
            **{EN[key]: texts(code)[key] for key in labels},
        }
        for code in LANGUAGES
    }
