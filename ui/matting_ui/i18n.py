"""Every word of the page, in English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path

from matting_client import InputError, MattingError, ServerBusy, ServerUnavailable

_PAIRS: dict[str, tuple[str, str]] = json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))
EN: dict[str, str] = {key: english for key, (english, _) in _PAIRS.items()}
ZH: dict[str, str] = {key: chinese for key, (_, chinese) in _PAIRS.items()}
# What the client's errors are about; its own line follows.
_FAILURES = (
    (InputError, "这张图片无法使用。"),
    (ServerBusy, "服务器繁忙，请稍后再试。"),
    (ServerUnavailable, "模型暂时没有响应，请稍后再试。"),
)
_UNREACHABLE = "The model does not answer now; try again in a moment."


class NoRoom(MattingError):
    """A result cannot be kept, for the disk is full or the private folder is gone; the log says which."""


def language(accept: str) -> str:
    """Language code, zh or en, from an Accept-Language header, whose first entry is the browser's own language."""
    return "zh" if accept.strip().lower().startswith("zh") else "en"


def texts(code: str) -> dict[str, str]:
    """The words in a language."""
    return ZH if code == "zh" else EN


def failure(error: MattingError, code: str) -> str:
    """What a visitor is told of an error; addresses of servers and paths stay inside."""
    if isinstance(error, NoRoom):
        return texts(code)["no_room"]
    detail = _UNREACHABLE if isinstance(error, ServerUnavailable) else str(error)
    if code != "zh":
        return detail
    meaning = next((text for kind, text in _FAILURES if isinstance(error, kind)), "")
    return meaning if isinstance(error, ServerUnavailable) else f"{meaning}{detail}"
