"""Every `matting ...` line of the documents is one that the command's own parser takes."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import pytest
from matting_client import Options
from matting_client.cli.main import APPLICATION, COMMANDS, main
from matting_training import config

from tests.unit.docs.test_documents import PAGES, ROOT

OPERATORS = set("|<>&;()")  # of the shell: the command ends there
CALL = re.compile(rf"(?:^|[\s/])matting ((?:{'|'.join([*COMMANDS, *APPLICATION])})(?: .*|$))")


class Asked(BaseException):
    """Has the parser that a command began with; the command goes no further."""


def blocks_of(text: str) -> tuple[list[str], list[str]]:
    """Lines of blocks of code, fenced or indented, without their remarks, and pieces of code within the text."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    whole = re.sub(r"\\\n\s*", "", "\n".join(fenced)).splitlines() + re.findall(r"^ {4}(.*)", rest, re.MULTILINE)
    return [re.sub(r"\s# .*|\s{3,}\S.*", "", line) for line in whole], re.findall(r"`([^`\n]+)`", rest)


def commands(lines: list[str]) -> Iterator[list[str]]:
    """The words after `matting` in each line, up to the shell's next operator."""
    for line in lines:
        for found in CALL.findall(line.replace("<id>", "ID")):
            lexer = shlex.shlex(found, posix=True, punctuation_chars=True)
            lexer.commenters, lexer.whitespace_split = "", True
            yield list(takewhile(lambda word: not set(word) <= OPERATORS, lexer))


def found(part: int) -> list[Any]:
    return [
        pytest.param(words, id=f"{page.relative_to(ROOT)}: {' '.join(words)}")
        for page in PAGES
        for words in commands(blocks_of(page.read_text(encoding="utf-8"))[part])
    ]


TYPED, NAMED = found(0), found(1)


def parser_of(words: list[str], monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """The parser that the command would use."""
    parse_known = argparse.ArgumentParser.parse_known_args

    def ask(self: argparse.ArgumentParser, *given: Any, **named: Any) -> Any:
        if self.prog == "matting":
            return parse_known(self, *given, **named)
        raise Asked(self)

    with monkeypatch.context() as asked, pytest.raises(Asked) as told:
        asked.setattr(argparse.ArgumentParser, "parse_known_args", ask)
        main(words)
    (parser,) = told.value.args
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


@pytest.mark.parametrize("words", TYPED)
def test_commands_are_taken(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the parser, and no result would replace its photo."""
    _, more = parser_of(words, monkeypatch).parse_known_args(words[1:])
    config.parse(more)  # what is left is for the training
    if "-o" in words:
        out = words[words.index("-o") + 1]
        assert out == "-" or words.count(out) == 1


@pytest.mark.parametrize("command", [*COMMANDS, *APPLICATION])
def test_examples_of_the_help_are_taken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = parser_of([command], monkeypatch).epilog or ""
    for words in commands(re.findall(r"^  (matting .*?)(?:  .*)?$", text, re.MULTILINE)):
        test_commands_are_taken(words, monkeypatch)


@pytest.mark.parametrize("words", NAMED)
def test_options_that_the_text_names_are_there(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    asked = [words, ["train"]] if words[0] in ("train", "produce") else [words]  # they hand on what is the training's
    for each in asked:
        options -= parser_of(each, monkeypatch)._option_string_actions.keys()
    assert options == set()


@pytest.mark.parametrize("words", [[name] for name in (*COMMANDS, *APPLICATION)] + [["train", "--finetune", "BOX"]])
def test_options_name_their_defaults(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have a value, and those that can be switched either way."""
    for action in parser_of(words, monkeypatch)._actions:
        default = vars(Options()).get(action.dest) if action.default == argparse.SUPPRESS else action.default
        if isinstance(default, bool) and not isinstance(action, argparse.BooleanOptionalAction):
            continue
        if action.option_strings and not action.required and default not in (None, "", []):
            assert "default" in (action.help or ""), action.option_strings


def test_there_are_such_lines() -> None:
    assert len(TYPED) > 60 and len(NAMED) > 40
    assert {"serve", "cutout", "video", "train", "produce", "export"} <= {each.values[0][0] for each in TYPED}
