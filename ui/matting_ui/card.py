"""The model's card and the server's state as HTML; every value is escaped."""

from __future__ import annotations

import re
from html import escape
from importlib.metadata import distributions, metadata
from typing import Any

import matting_client
from matting_client import MattingError
from matting_client.repository import contract_file, facts_of, model_file

SCORES = ("SAD", "MAD", "MSE", "Grad")
COMMIT_DIGITS = 12
_THREADS = re.compile(r"(\d+) threads\b")


def contract_of(model: str, status: dict[str, Any] | None) -> dict[str, Any]:
    """What is known of the model's making: from the server that runs it, or from the disk where this process does."""
    if status is None:
        return {}
    if status["run"] is not None:
        return dict(status["run"]["contract"])
    try:
        return facts_of(contract_file(model_file(model).parent).read_text(encoding="utf-8"))
    except (MattingError, OSError, ValueError):
        return {}


def model_card(model: str, status: dict[str, Any] | None, words: dict[str, str]) -> str:
    """Model, version, data, scores and licences; of a server that tells none of them, that it does not."""
    contract = contract_of(model, status)
    about = metadata("unet-matting")
    facts = {words["about_version"]: matting_client.__version__, words["about_model"]: model}
    facts[words["about_author"]] = about["Author"] or about["Author-email"] or words["about_authors"]
    facts[words["about_support"]] = words["about_support_text"]
    facts[words["about_weights"]] = contract.get("weights_sha256", "")[:COMMIT_DIGITS] or words["about_unknown"]
    facts[words["about_licence"]] = contract.get("licence") or words["about_unknown"]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    inside = f"<p>{escape(words['about_text'])}</p><dl>{rows}</dl><p>{escape(words['about_privacy'])}</p>"
    data = contract.get("training_data", "")
    trained = _folded(words["about_data"], f"<p>{escape(data)}</p>") if data else ""
    return _panel(words["about_model"], inside) + _scores(contract, words) + trained + _licences(words)


def _scores(contract: dict[str, Any], words: dict[str, str]) -> str:
    scores: dict[str, dict[str, float]] = contract.get("scores", {})
    if not scores:
        return ""
    head = _row([words["data_set"], *SCORES], "th")
    body = "".join(
        _row([words.get(name, name), *(_number(values.get(score)) for score in SCORES)], "td")
        for name, values in scores.items()
    )
    table = f"<div class='wide'><table><thead>{head}</thead><tbody>{body}</tbody></table></div>"
    return _folded(words["about_scores"], f"{table}<p class='note'>{escape(words['about_scores_note'])}</p>")


def _licences(words: dict[str, str]) -> str:
    """The table of THIRD_PARTY.md, which is installed with the other licences."""
    # A folder that it was built in counts as an installation, too, where the process began in that, and has none.
    known = (each.read_text("licenses/THIRD_PARTY.md") for each in distributions(name="unet-matting"))
    text = next(filter(None, known), None)
    if text is None:
        raise RuntimeError("THIRD_PARTY.md: got none in the installation of unet-matting; install it again")
    lines = text.splitlines()
    cells = [[each.strip() for each in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    if len(cells) < 3:
        return ""
    body = "".join(_row(row, "td") for row in cells[2:])
    head = _row([words[f"about_{name}"] for name in ("package", "licence", "used_for")], "th")
    table = f"<div class='wide'><table><thead>{head}</thead><tbody>{body}</tbody></table></div>"
    return _folded(words["about_licences"], table)


def server_card(status: dict[str, Any] | None, words: dict[str, str]) -> str:
    """What the server does now; None when it does not answer."""
    if status is None:
        return _panel(words["about_server"], f"<p class='down'>{escape(words['about_down'])}</p>")
    server = status["server"]
    batches = status["batches"]
    if server is None or batches is None:
        return _panel(words["about_server"], f"<p>{escape(words['about_local'])}</p>")
    figures = (
        (f"{batches['images']:,}", "about_images"),
        (f"{batches['mean_batch']:.2f}", "about_batch"),
        (f"{batches['queue_ms']:.1f}", "about_queue"),
        (f"{batches['infer_ms']:.1f}", "about_compute"),
    )
    tiles = "".join(
        f"<div class='figure'><b>{escape(value)}</b><span>{escape(words[name])}</span></div>" for value, name in figures
    )
    state = f"<p class='up'>Triton {escape(str(server['version']))} · {escape(words['about_up'])}</p>"
    run = _run(status["run"], words)
    return _panel(words["about_server"], f"{state}<dl>{run}</dl><div class='figures'>{tiles}</div>")


def _run(run: dict[str, Any], words: dict[str, str]) -> str:
    """How the running server runs the model, as it says itself."""
    size = run["size"]
    places = run["places"]
    facts = {
        "about_engine": _engine(run["engine"], words),
        "about_device": words["about_device_line"].format(device=run["device"], count=run["instances"]),
        "about_input": words["pixels"].format(width=size, height=size),
        "about_line": words["about_line_of"].format(places=places or "∞", batch=run["max_batch"]),
    }
    return "".join(f"<dt>{escape(words[name])}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())


def _engine(told: str | None, words: dict[str, str]) -> str:
    """The engine as the server names it, its threads in the visitor's language."""
    if not told:
        return words["about_unknown"]
    return _THREADS.sub(lambda found: words["about_threads"].format(count=found[1]), told)


def _folded(title: str, inside: str) -> str:
    return f"<details class='panel'><summary><h2>{escape(title)}</h2></summary>{inside}</details>"


def _panel(title: str, inside: str) -> str:
    return f"<section class='panel'><h2>{escape(title)}</h2>{inside}</section>"


def _row(cells: list[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"
