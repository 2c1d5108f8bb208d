"""What an error tells beyond its sentence, in Chinese: what came, what was expected, and what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

from matting_client import MattingError

_CHINESE: dict[str, str] = json.loads(Path(__file__).with_name("details.json").read_text(encoding="utf-8"))
_PATTERNS = [(re.compile(re.escape(text).replace(r"\{\}", "(.+?)")), chinese) for text, chinese in _CHINESE.items()]


def chinese_text(english: str) -> str | None:
    """A part of an error's line; None where nobody has put it into Chinese."""
    for pattern, chinese in _PATTERNS:
        found = pattern.fullmatch(english)
        if found:
            numbers = found.groups()
            if "万" in chinese:  # Chinese counts in ten thousands
                numbers = tuple(f"{100 * float(millions):g}" for millions in numbers)
            return chinese.format(*numbers)
    return None


def chinese_line(error: MattingError) -> str:
    """An error's line; as it is where some of it is not known in Chinese."""
    parts = [error.problem or error.got, "" if error.problem else error.expected, error.remedy]
    told = [chinese_text(part) if part else "" for part in parts]
    if None in told:
        return str(error)
    got, expected, remedy = told
    text = "；".join(part for part in ("，".join(part for part in (got, expected) if part), remedy) if part)
    return "：".join(part for part in (error.subject, text) if part)
