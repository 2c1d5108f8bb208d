"""Every word of the page, in English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matting_client import (
    InputError,
    MattingError,
    ModelError,
    NoFace,
    OptionError,
    OutputError,
    ServerBusy,
    ServerUnavailable,
    SeveralFaces,
    TooLarge,
)

_PAIRS: dict[str, tuple[str, str]] = json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))
EN: dict[str, str] = {key: english for key, (english, _) in _PAIRS.items()}
ZH: dict[str, str] = {key: chinese for key, (_, chinese) in _PAIRS.items()}
LANGUAGE_COOKIE = "matting_language"  # the visitor's own choice


class NoRoom(MattingError):
    """A result cannot be kept, for the disk is full or the private folder is gone; the log says which."""


# The codes of errors, which are the API's; the first kind that fits counts. A sentence for each is in texts.json.
_CODES: tuple[tuple[type[MattingError], str], ...] = (
    (NoRoom, "insufficient_storage"),
    (TooLarge, "file_too_large"),
    (NoFace, "no_face"),
    (SeveralFaces, "several_faces"),
    (InputError, "invalid_image"),
    (OptionError, "invalid_parameter"),
    (OutputError, "invalid_parameter"),
    (ServerBusy, "server_busy"),
    (ModelError, "model_error"),
    (ServerUnavailable, "model_unavailable"),
    (MattingError, "internal_error"),
)
# Of uploads and of the page's own script.
_OTHER_CODES = ("invalid_request", "too_many_uploads", "storage_unavailable", "unreachable", "forbidden", "restarted")
CODES = tuple(dict.fromkeys((*(code for _, code in _CODES), *_OTHER_CODES)))
RETRY = (
    "server_busy",
    "model_unavailable",
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
    return chosen if chosen in ("en", "zh") else language(str(request.headers.get("accept-language", "")))


def texts(code: str) -> dict[str, str]:
    """The words in a language."""
    return ZH if code == "zh" else EN


def error_code(error: MattingError) -> str:
    """The code of an error, one of `CODES`."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def failure(error: MattingError, language: str, of: str = "photo") -> str:
    """What a visitor is told of an error: a sentence, and below it the error's own line where it tells more.

    Parameters
    ----------
    of : what was uploaded: "photo" or "video".
    """
    words, key = texts(language), f"error_{error_code(error)}"
    sentence = words.get(f"{key}_{of}", words[key])
    if isinstance(error, _TELLS_NOTHING_MORE):
        return sentence
    subject = Path(error.subject)
    return f"{sentence}\n{error.replace(subject=subject.name) if subject.is_absolute() else error}"


def script_words() -> dict[str, dict[str, str]]:
    """What the page's own script says, by language: a sentence for each code, and the words of its buttons."""
    more = ("retry", "close", "choose_again", "one_only", "no_clip")
    return {
        code: {
            **{name: texts(code)[f"error_{name}"] for name in CODES},
            **{name: texts(code)[name] for name in more},
        }
        for code in ("en", "zh")
    }
