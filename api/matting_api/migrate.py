"""`matting migrate`: finds the places of a code base that call remove.bg, and says what to change."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = """\
examples:
  matting migrate .                            every place below this folder
  matting migrate src --server https://photos.example.com

Nothing is changed. Files that are no text, hidden folders and installed packages are left out.

exit code: 0 nothing to change, 1 places were found, 2 wrong usage
"""
SERVER = "http://127.0.0.1:7860"
MOST_BYTES = 2 * 2**20  # of a file; larger ones are hardly written by people
SKIPPED = {"node_modules", "vendor", "venv", "site-packages", "__pycache__", "dist", "build", "target"}
LOCKS = {"package-lock.json", "yarn.lock", "poetry.lock", "Gemfile.lock", "go.sum", "composer.lock", "uv.lock"}


@dataclass(frozen=True)
class Rule:
    """What to look for, and what to do about it; ``{server}`` stands for the new address."""

    pattern: re.Pattern[str]
    advice: str


def _rule(pattern: str, advice: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), advice)


RULES = (
    _rule(r"https?://api\.remove\.bg", "put {server} in its place; paths, fields and answers stay"),
    _rule(r"(?<!//)api\.remove\.bg", "put the host of {server} in its place"),
    _rule(r"https?://(www\.)?remove\.bg/", "a link to remove.bg's own site, which closes"),
    _rule(r"(require\(|from\s+)['\"]remove\.bg['\"]", "npm's client has its address in dist/index.js: {server} there"),
    _rule(r"^\s*(import|from)\s+removebg\b", "set removebg.removebg.API_ENDPOINT = '{server}/v1.0/removebg'"),
    _rule(r"^\s*(import|from)\s+remove_bg_api\b", "set remove_bg_api.API_URL = '{server}/v1.0'"),
    _rule(r"\brequire ['\"]remove_bg['\"]|\bRemoveBg\.(from_|configure)", "the gem's address becomes {server}"),
    _rule(r"\bremovebg\s+(--api-key|zip2png)", "matting cutout FILES -o FOLDER does the same"),
    _rule(r"REMOVE_?BG_(API_)?KEY", "a key of --keys-file, of 16 characters or more; none where there are no keys"),
    _rule(r"\b(add_shadow|shadow_type|shadow_opacity)\b", "a shadow is drawn, of our own kind; look at one result"),
    _rule(r"x-credits-charged", "always 0; a quota is told by GET {server}/v1.0/account"),
)


@dataclass(frozen=True)
class Place:
    """A line that calls remove.bg."""

    path: Path
    line: int
    text: str
    advice: str


def text_files(root: Path) -> Iterator[Path]:
    """Files below a folder that people may have written, in order; or the file itself."""
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name not in LOCKS and path.is_file() and not path.is_symlink() and path.stat().st_size <= MOST_BYTES:
                yield path


def find_places(root: Path, server: str) -> Iterator[Place]:
    """All places below a folder, with what to do about each; files that are no text hold none."""
    for path in text_files(root):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for rule in RULES:
                if rule.pattern.search(line):
                    yield Place(path, number, line.strip()[:120], rule.advice.format(server=server))


def parser() -> argparse.ArgumentParser:
    """Arguments of `matting migrate`."""
    result = argparse.ArgumentParser(
        prog="matting migrate",
        description="Find the places of a code base that call remove.bg, and say what to change.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("folder", type=Path, metavar="DIR", help="a folder, or one file")
    result.add_argument("--server", default=SERVER, metavar="URL", help="your server (default: %(default)s)")
    return result


def main(argv: list[str]) -> int:
    """Run `matting migrate` with `argv` (without the command's name); returns the exit code."""
    given = parser().parse_args(argv)
    if not given.folder.exists():
        print(f"matting migrate: {given.folder}: no such folder or file", file=sys.stderr)
        return 2
    places = list(find_places(given.folder, given.server.rstrip("/")))
    for place in places:
        print(f"{place.path}:{place.line}: {place.text}\n    {place.advice}")
    files = len({place.path for place in places})
    print(f"{len(places)} places in {files} files call remove.bg" if places else "nothing calls remove.bg")
    return 1 if places else 0
