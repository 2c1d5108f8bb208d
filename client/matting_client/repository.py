"""Where the models lie, and what one folder of them holds.

<repository>/<model>/config.pbtxt      Triton's configuration
<repository>/<model>/contract.json     what the published model promises
<repository>/<model>/1/model.onnx      the model
<repository>/<model>/1/model.int8.xml  its int8 form for OpenVINO, with a .bin beside it
<repository>/<model>/2/...             another version, with a contract.json of its own
"""

from __future__ import annotations

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matting_client.errors import ModelError, OptionError

REPOSITORY_VARIABLE = "MATTING_MODEL_REPOSITORY"
DEFAULT_MODEL = "matting_512"
MODEL_FILE = "model.onnx"
INT8_FILE = "model.int8.xml"
CONTRACT_FILE = "contract.json"
CONTRACT_PARAMETER = "contract"  # of a running model's configuration, by which a server tells the facts of its own
FACTS = ("weights_sha256", "licence", "training_data")
_DATA_PACKAGE = "matting_models"  # installed with the application
_HERE = Path("model_repository")
_MODEL = re.compile(r"(\w[\w.-]*)(?::([1-9]\d{0,8}))?", re.ASCII)


def installed_repository() -> Path | None:
    """The models that are installed with the application; None beside a bare client."""
    spec = find_spec(_DATA_PACKAGE)
    return Path(spec.origin).parent if spec and spec.origin else None


def model_repository(given: Path | None = None) -> Path:
    """The folder of the models: given, $MATTING_MODEL_REPOSITORY, ./model_repository, or what is installed.

    Raises
    ------
    ModelError
        It does not exist.
    """
    variable = os.environ.get(REPOSITORY_VARIABLE)
    chosen = given or (Path(variable) if variable else None)
    if chosen is None:
        chosen = _HERE if _HERE.is_dir() else installed_repository()
    if chosen is None:
        raise ModelError(
            "",
            "no model repository",
            "the package unet-matting beside matting-client",
            f"install it, or set {REPOSITORY_VARIABLE}",
        )
    if not chosen.is_dir():
        raise ModelError(chosen, "no model repository", f"<model>/1/{MODEL_FILE} in it", f"set {REPOSITORY_VARIABLE}")
    return chosen


def split_model(model: str) -> tuple[str, str]:
    """Name and version of "name:version"; "name" alone has "", with which a server takes the latest that it has.

    Raises
    ------
    OptionError
        It is neither.
    """
    found = _MODEL.fullmatch(model)
    if found is None:
        raise OptionError(
            "model", repr(model[:100]), f"a name such as {DEFAULT_MODEL}, or with a version {DEFAULT_MODEL}:2"
        )
    return found[1], found[2] or ""


def model_file(model: str, repository: Path | None = None) -> Path:
    """The ONNX file of a model, of its latest version unless its name says which; whether it exists is not asked.

    Raises
    ------
    ModelError
        The name is none, or there is no repository.
    """
    try:
        name, version = split_model(model)
    except OptionError as error:
        raise ModelError("", problem=error) from None
    folder = model_repository(repository) / name
    found = [int(path.name) for path in folder.glob("[1-9]*") if path.name.isdecimal()]
    return folder / (version or str(max(found, default=1))) / MODEL_FILE


def contract_file(version: Path) -> Path:
    """The contract of what lies in a version's folder: its own, which one beside others brings, or the model's."""
    own = version / CONTRACT_FILE
    return own if own.is_file() else version.parent / CONTRACT_FILE


def contract_parameter(version: str) -> str:
    """`CONTRACT_PARAMETER` of a version that has a contract of its own."""
    return f"{CONTRACT_PARAMETER}:{version}"


def facts_of(text: str) -> dict[str, Any]:
    """What people want to know of a model, from the text of its contract.

    Returns "weights_sha256", "licence" and "training_data" as texts, and "scores" as numbers by data set and name; what
    is missing or no such thing is left out.
    """
    try:
        contract = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(contract, dict):
        return {}
    facts: dict[str, Any] = {name: contract[name] for name in FACTS if isinstance(contract.get(name), str)}
    scores = contract.get("scores")
    if isinstance(scores, dict):
        facts["scores"] = {name: _numbers(each) for name, each in scores.items() if isinstance(each, dict)}
    return facts


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if isinstance(value, int | float)}
