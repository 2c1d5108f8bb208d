"""`matting migrate`: finds the places of a code base that call remove.bg, and says what to change."""

from __future__ import annotations

import argparse
import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from matting_client.cli.folders import counted
from matting_client.cli.parser import Parser, one_line, say
from matting_client.errors import OptionError

EXAMPLES = """\
examples:
  matting migrate .                            every place below this folder
  matting migrate src --server https://photos.example.com
  matting migrate vendor                       a folder that is left out otherwise

Nothing is changed. Left out are files that are no text, lists of exact versions (package-lock.json and its kind),
links, hidden folders but .github and its kind, and folders that are named as installed packages and built files are:
{skipped}.
The folders are named at the end, and so are texts that could not be read or have more than {most} MB.

exit code: 0 nothing to change, 1 places were found, 2 wrong usage
"""
SERVER = "http://127.0.0.1:7860"
MOST_BYTES = 2 * 2**20  # of a file; larger ones are hardly written by people
MOST_NAMED = 20  # folders and files of a kind that were left out
SKIPPED = {"node_modules", "vendor", "venv", "site-packages", "__pycache__", "dist", "build", "target"}
HIDDEN = {".circleci", ".devcontainer", ".github", ".gitlab"}  # that people write
NEVER_WRITTEN = {"__pycache__", ".git"}  # by people: not worth a word
LOCKS = {"package-lock.json", "yarn.lock", "poetry.lock", "Gemfile.lock", "go.sum", "composer.lock", "uv.lock"}
_PYTHON_LISTS = (  # of packages
    r"(.*/)?((require|constraint|dev|prod).*\.(txt|in)|pipfile|pyproject\.toml|setup\.(py|cfg)|environment.*\.ya?ml)"
    r"|requirements/.*\.(txt|in)"
)
_SCRIPTS = r".*\.(sh|bash|zsh|fish|ps1|bat|cmd|ya?ml|mk)|.*/(.*(docker|make|just|jenkins)file.*)"
_IMPORTED = r"(^|\"|\\n)\s*(import\s+([\w.]+(\s+as\s+\w+)?\s*,\s*)*|from\s+)"  # in Python, and in notebooks' JSON
_RUN = r"(^|[;&|`(]|\brun:|\bRUN\b)\s*(-\s+)?(\w+=\S*\s+)*"  # before a program, in _SCRIPTS
_BY_NAME = r"(import_module|__import__)\(\s*['\"]"
_ADDED = r"\b(pip3?|uv|poetry|pipenv|pdm|rye|conda|mamba)\s+(install|add)\b.{0,500}\s"
_SECRET = re.compile(r"((key|token)\w{0,40}['\"]?[\s=:,]\s*['\"]?)[a-z0-9]{16,}", re.I)  # places are shown to others
_LINE_END = re.compile(r"\r\n|\r|\n")  # no others: in Latin-1 they are letters of Windows' own code pages
_CONTINUED = re.compile(r"\\[ \t]*(?:\r\n|\r|\n)")
_JOINED = "\x1f"  # stands for it while the lines are one: a blank that no text has
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Rule:
    """What to look for, in files of what folder/name, and what to do about it; ``{server}`` is the new address."""

    pattern: re.Pattern[str]
    advice: str
    names: re.Pattern[str]


def _rule(pattern: str, advice: str, names: str = ".*") -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), advice, re.compile(names, re.IGNORECASE))


_NPM = "npm's client has its address in dist/index.js: {server} there"
_PYPI_HERE = "set removebg.removebg.API_ENDPOINT = '{server}/v1.0/removebg'"
_PYPI = f"{_PYPI_HERE} where it is imported"
_PYPI_API_HERE = "set remove_bg_api.API_URL = '{server}/v1.0'"
_PYPI_API = f"{_PYPI_API_HERE} where it is imported"
_PROGRAM = "matting cutout FILES -o FOLDER does the same"
_COMPOSER = "set its object's public $endpoint = '{server}/v1.0/removebg' once it is made"
_GEM = "the gem's address, RemoveBg::Api::URL, becomes {server}"
_KEY = "a key of --keys-file, of 16 characters or more; none where there are no keys"
_SHADOW = "a shadow is drawn, of our own kind; look at one result"
_GO = "remove.bg's Go program has its address as APIEndpoint in client/client.go: {server}/v1.0/removebg there"
_FLOW = "an app of Make, Zapier or n8n has no address to change: call {server}/v1.0/removebg by HTTP in its place"
_APP = r"remove[._-]?bg"  # Make: "app:action", Zapier: "app@version", n8n: "n8n-nodes-package.node"
RULES = (
    _rule(r"https?://api\.remove\.bg", "put {server} in its place; paths, fields and answers stay"),
    _rule(r"((?<!http://)(?<!https://)api|\*)\.remove\.bg", "put the host of {server} in its place"),
    _rule(r"https?://(www\.)?remove\.bg(?![\w.-])", "a link to remove.bg's own site, which closes"),
    _rule(r"(\b(require|import|(jest|vi)\.\w+)\(\s*|import\s+|from\s+)['\"`]remove\.bg['\"`]", _NPM),
    _rule(r"['\"]remove\.bg['\"]\s*:", _NPM),
    _rule(rf"{_IMPORTED}removebg\b|{_BY_NAME}removebg\b", _PYPI_HERE),
    _rule(rf"{_IMPORTED}remove_bg_api\b|{_BY_NAME}remove_bg_api\b", _PYPI_API_HERE),
    _rule(r"(?<![\w./-])removebg\s*(?=[\[=<>~!;,\"'\]@#]|$)", _PYPI, _PYTHON_LISTS),
    _rule(r"(?<![\w./-])remove[_-]bg[_-]api\s*(?=[\[=<>~!;,\"'\]@#]|$)", _PYPI_API, _PYTHON_LISTS),
    _rule(rf"{_ADDED}removebg\b", _PYPI),
    _rule(rf"{_ADDED}remove[_-]bg[_-]api\b", _PYPI_API),
    _rule(r"\b(npm|yarn|pnpm|bun)\s+(i|install|add)\b.{0,500}\sremove\.bg\b", _NPM),
    _rule(r"mtownsend/remove-bg(?![\w-])|mtownsend\\{1,2}RemoveBg\b|\bRemoveBg::(file|url|base64)\(", _COMPOSER),
    _rule(r"\brequire ['\"]remove_bg['\"]|\bRemoveBg\.(from_|configure)", _GEM),
    _rule(r"\b(gem install|bundle add)\b.{0,500}\sremove_bg\b", _GEM),
    _rule(r"(^\s*gem|\badd_(runtime_|development_)?dependency)[\s(]+['\"]remove_bg['\"]", _GEM),
    _rule(r"\bgithub\.com/remove-bg/go\b", _GO),
    _rule(rf'"module"\s*:\s*"{_APP}[\w-]*:|"selected_api"\s*:\s*"{_APP}', _FLOW, r".*\.json"),
    _rule(rf'"type"\s*:\s*"[^"]{{0,60}}\bn8n-nodes[^"]{{0,60}}{_APP}', _FLOW, r".*\.json"),
    _rule(r"\bremovebg['\"]?[\s,]+['\"]?(--api-key|zip2png)", _PROGRAM),
    _rule(rf"{_RUN}removebg\s+(?!--api-key|zip2png)[^\s=:]*[*./$\"-]", _PROGRAM, _SCRIPTS),
    _rule(r"remove[._-]?bg[._-]?(api[._-]?)?(key|token)", _KEY),
    _rule(r"\b(add_shadow|shadow_type|shadow_opacity)\b", _SHADOW),
    _rule(r"x-credits-charged", "always 0; a quota is told by GET {server}/v1.0/account"),
)


@dataclass(frozen=True)
class Place:
    """A line that calls remove.bg."""

    path: Path
    line: int
    text: str
    advice: str


@dataclass
class Passed:
    """What was not looked at: folders that were left out, and texts that were not read, each with a reason."""

    folders: list[Path] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What to say of it."""
        folders = [f"{path}{os.sep}" for path in self.folders]
        return [*_named("left out", folders), *_named("not read", self.files)]


def _named(what: str, found: list[str]) -> list[str]:
    more = [f"{what}: {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return [*(f"{what}: {each}" for each in found[:MOST_NAMED]), *more]


def text_files(root: Path, passed: Passed) -> Iterator[Path]:
    """Files below a folder that people may have written, in order; or the file itself. Notes what it has `passed`."""
    if root.is_file():
        yield root
        return

    def unreadable(error: OSError) -> None:
        passed.files.append(f"{error.filename} ({error.strerror})")

    for folder, folders, names in os.walk(root, onerror=unreadable):
        kept = sorted(name for name in folders if name not in SKIPPED and (name in HIDDEN or name[0] != "."))
        left_out = sorted({*folders} - {*kept} - NEVER_WRITTEN)
        passed.folders.extend(Path(folder, name) for name in left_out)
        folders[:] = kept
        for name in sorted(names):
            path = Path(folder, name)
            if name not in LOCKS and path.is_file() and not path.is_symlink():
                yield path


def read_text(path: Path, passed: Passed) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or else Latin-1, in which any bytes are letters.

    It is empty of a file that is no text, and of one that cannot be read or is too large, which is noted in `passed`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        passed.files.append(f"{path} ({error.strerror})")
        return ""
    is_utf16 = data.startswith(_UTF16)
    if b"\0" in data and not is_utf16:
        return ""  # no text has it
    if len(data) > MOST_BYTES:
        passed.files.append(f"{path} (got more than {MOST_BYTES // 2**20} MB; look for remove.bg in it yourself)")
        return ""
    if is_utf16:
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def find_places(root: Path, server: str, passed: Passed) -> Iterator[Place]:
    """All places below a folder, with what to do about each; parameters as of `text_files`."""
    for path in text_files(root, passed):
        rules = [rule for rule in RULES if rule.names.fullmatch(f"{path.absolute().parent.name}/{path.name}")]
        first = 1
        for joined in _LINE_END.split(_CONTINUED.sub(_JOINED, read_text(path, passed))):
            lines = joined.split(_JOINED)
            for rule in rules:
                if found := rule.pattern.search(joined):
                    index = joined.count(_JOINED, 0, found.end())
                    text = _SECRET.sub(r"\1***", lines[index].strip())[:120]
                    yield Place(path, first + index, text, rule.advice.format(server=server))
            first += len(lines)


def parser() -> argparse.ArgumentParser:
    """Arguments of `matting migrate`."""
    result = Parser(
        prog="matting migrate",
        description="Find the places of a code base that call remove.bg, and say what to change.",
        epilog=EXAMPLES.format(skipped=", ".join(sorted(SKIPPED)), most=MOST_BYTES // 2**20),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("folder", type=Path, metavar="DIR", help="a folder, or one file")
    result.add_argument("--server", default=SERVER, metavar="URL", help="your server (default: %(default)s)")
    return result


def main(argv: list[str]) -> int:
    """Run `matting migrate` with `argv` (without the command's name); returns the exit code.

    Raises
    ------
    OptionError
        The server's address is none.
    OSError
        The folder or file cannot be read.
    """
    given = parser().parse_args(argv)
    if not given.folder.exists():
        say("migrate", f"{given.folder}: no such folder or file")
        return 2
    if given.folder.is_dir():
        os.scandir(given.folder).close()
    else:
        given.folder.open("rb").close()
    address = urlsplit(given.server)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise OptionError("--server", f"{given.server!r}", "an address such as https://photos.example.com")
    passed = Passed()
    places = list(find_places(given.folder, given.server.rstrip("/"), passed))
    if all(place.advice == _SHADOW for place in places):  # others draw shadows, too
        places = []
    for place in places:
        print(one_line(f"{place.path}:{place.line}: {place.text}"), f"    {place.advice}", sep="\n")
    told = passed.lines()
    for line in told:
        say("migrate", line)
    files = {place.path for place in places}
    nothing = "nothing calls remove.bg in what was read" if told else "nothing calls remove.bg"
    verb = "calls" if len(places) == 1 else "call"
    print(f"{counted(places, 'place')} in {counted(files, 'file')} {verb} remove.bg" if places else nothing)
    return 1 if places else 0
