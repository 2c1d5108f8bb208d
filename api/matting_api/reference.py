"""`/docs`: what `/openapi.json` says, to read. It needs no script, and nothing of another host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from matting_api.paths import OPENAPI

Json = dict[str, Any]

# Of the page: it may run nothing, ask for nothing and stand in no other page.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_FILES = ("image/", "video/", "application/zip")  # answers that are kept in a file
_STYLE = """
:root { color-scheme: light dark; --ink: #1e1b4b; --soft: #57617a; --line: #dcd8f3; --mark: #6a3de8; --back: #fbfaff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ece9ff; --soft: #aab4c8; --line: #343a5c; --mark: #a58bff; --back: #12142a; }
}
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Noto Sans", "PingFang SC", sans-serif; overflow-wrap: anywhere; }
a { color: var(--mark); }
nav a { display: block; padding: .15rem 0; text-decoration: none; }
section { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .5rem; }
h1, h2 { line-height: 1.25; } h2 { font-size: 1.15rem; }
code, pre { font: .9em/1.5 ui-monospace, Consolas, monospace; } pre { overflow-x: auto; }
pre { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
.verb { color: var(--mark); font-weight: 600; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; } summary { cursor: pointer; padding: .3rem 0; }
td { border-top: 1px solid var(--line); padding: .35rem .6rem .35rem 0; vertical-align: top; }
td:first-child { width: min(12rem, 35vw); }
"""


@dataclass
class _Field:
    schema: Json
    about: str
    places: list[str] = field(default_factory=list)
    required: bool = False


def page(described: Json, origin: str) -> str:
    """The page, in HTML.

    Parameters
    ----------
    described : the OpenAPI document.
    origin : scheme and host that the reader asked.
    """
    info = described["info"]
    root = origin + described.get("servers", [{"url": ""}])[0]["url"]
    calls = list(_calls(described))
    links = "".join(
        f'<a href="#{escape(call["operationId"])}">{_name(verb, path)} {escape(call["summary"])}</a>'
        for verb, path, call in calls
    )
    sections = "".join(_section(described, root, *each) for each in calls)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}: the API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])}: the API</h1><p>{_text(info['description'])} "
        f'The same for programs: <a href=".{OPENAPI}">{OPENAPI.strip("/")}</a>.</p>'
        f"<nav>{links}</nav>{sections}</body></html>"
    )


def _calls(described: Json) -> Iterator[tuple[str, str, Json]]:
    """Verb, path and description of every call; what makes a job stands before what asks for it."""
    stems = [path.partition("/{")[0] for path in described["paths"]]
    for path in sorted(described["paths"], key=lambda path: (stems.index(path.partition("/{")[0]), len(path))):
        for verb, call in described["paths"][path].items():
            yield verb.upper(), path, call


def _section(described: Json, root: str, verb: str, path: str, call: Json) -> str:
    fields = _fields(described, call)
    rows = "".join(_row(name, each) for name, each in fields.items())
    key = " " if not call.get("security") else ' -H "X-Api-Key: $KEY" '
    about = f"<p>{_text(call['description'])}</p>" if call.get("description") else ""
    return (
        f'<section id="{escape(call["operationId"])}"><h2>{_name(verb, path)} {escape(call["summary"])}</h2>{about}'
        f"<pre>curl{key}{escape(_command(verb, call, root + path))}</pre>"
        + (f"<details open><summary>Fields</summary><table>{rows}</table></details>" if rows else "")
        + f"<details><summary>Answers</summary><table>{''.join(_answers(described, call))}</table></details></section>"
    )


def _name(verb: str, path: str) -> str:
    return f'<code><span class="verb">{verb}</span> {escape(path)}</code>'


def _command(verb: str, call: Json, address: str) -> str:
    """What asks for it with curl, after curl's name: the first file, and others that it cannot be without."""
    form = call.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
    files = {name: each for name, each in form.get("properties", {}).items() if each.get("format") == "binary"}
    shown = [name for number, name in enumerate(files) if number == 0 or files[name].get("x-shown")]
    kinds = [*call["responses"].get("200", {}).get("content", {})]
    words = [
        *(["-X", verb] if verb == "DELETE" else []),
        *(f"-F {name}=@FILE" for name in shown),
        address.replace("{job_id}", "$ID"),
        *(f"-o result.{kind.rpartition('/')[2]}" for kind in kinds[:1] if kind.startswith(_FILES)),
    ]
    return " ".join(words)


def _fields(described: Json, call: Json) -> dict[str, _Field]:
    """Every value that a call takes, by its name, and where it may stand."""
    found: dict[str, _Field] = {}

    def add(name: str, schema: Json, about: str, place: str, required: bool) -> None:
        each = found.setdefault(name, _Field(schema, about, required=required))
        each.places.append(place)

    for kind, content in call.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(described, content["schema"])
        place = "JSON" if kind == "application/json" else "form"
        for name, value in schema.get("properties", {}).items():
            value = _resolved(described, value)
            add(name, value, value.get("description", ""), place, name in schema.get("required", []))
    for each in call.get("parameters", []):
        add(each["name"], each["schema"], each.get("description", ""), each["in"], each.get("required", False))
    return found


def _row(name: str, given: _Field) -> str:
    places = ", ".join(dict.fromkeys(given.places))
    needed = ", required" if given.required else ""
    kind = _kind(given.schema)
    return (
        f'<tr><td><code>{escape(name)}</code><br><span class="soft">{escape(places)}{needed}</span></td>'
        f'<td>{_text(given.about)}<br><span class="soft">{escape(kind)}</span></td></tr>'
    )


def _kind(schema: Json) -> str:
    """What values it takes, in a few words."""
    if "enum" in schema:
        kind = " | ".join(map(str, schema["enum"]))
    elif schema.get("format") in ("binary", "byte"):
        kind = {"binary": "a file", "byte": "base64"}[schema["format"]]
    else:
        types = schema.get("type", "anything")
        kind = " or ".join(types) if isinstance(types, list) else types
    if "minimum" in schema and "maximum" in schema:
        kind += f" {schema['minimum']}..{schema['maximum']}"
    if "default" in schema:
        kind += f", {json.dumps(schema['default']).strip(chr(34))} if left out"
    return f"{kind}, such as {schema['example']}" if "example" in schema and schema.get("format") != "byte" else kind


def _answers(described: Json, call: Json) -> Iterator[str]:
    for status, answer in sorted(call["responses"].items()):
        content = answer.get("content", {})
        kinds = ", ".join(content)
        values = _resolved(described, content.get("application/json", {}).get("schema", {})).get("properties", {})
        lines = "".join(
            f"<br><code>{escape(name)}</code> {_text(_resolved(described, value).get('description', ''))}"
            for name, value in values.items()
            if int(status) < 400
        )
        yield (
            f"<tr><td><code>{status}</code></td><td>{_text(answer['description'])} "
            f'<span class="soft">{escape(kinds)}</span>{lines}</td></tr>'
        )


def _resolved(described: Json, schema: Json) -> Json:
    """A schema, or the one that it refers to; what stands beside the reference wins."""
    if "$ref" not in schema:
        return schema
    named: Json = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {**named, **schema}


def _text(line: str) -> str:
    """Text in HTML, in which `code` is marked."""
    parts = escape(line, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
