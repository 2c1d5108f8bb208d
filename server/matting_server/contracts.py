"""What the server tells of its models' making: parameters of their configurations, for whoever asks for those."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from matting_client.repository import CONTRACT_FILE, CONTRACT_PARAMETER, contract_parameter, facts_of

log = logging.getLogger("matting")


def told_contracts(model: Path, versions: Sequence[Path]) -> str:
    """Lines for the config.pbtxt of a model's folder: a parameter for it, and one for each version that has its own."""
    named = {CONTRACT_PARAMETER: model} | {contract_parameter(version.name): version for version in versions}
    return "".join(_told(name, folder / CONTRACT_FILE) for name, folder in named.items())


def _told(name: str, contract: Path) -> str:
    if not contract.exists():  # of a model that was not published by us
        return ""
    try:
        facts = facts_of(contract.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        facts = {}
    if not facts:
        log.warning("%s: got no facts about the model, so that the page shows none; publish it again", contract)
        return ""
    # JSON of a text that is JSON in ASCII is also a text as Protocol Buffers write it.
    value = json.dumps(json.dumps(facts))
    return f'parameters {{ key: "{name}" value {{ string_value: {value} }} }}\n'
