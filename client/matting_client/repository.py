"""Where the models lie, and what one folder of them holds.

<repository>/<model>/config.pbtxt      Triton's configuration
<repository>/<model>/contract.json     what the published model promises
<repository>/<model>/1/model.onnx      the model
<repository>/<model>/1/model.int8.xml  its int8 form for OpenVINO, with a .bin beside it
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

from matting_client.errors import ModelError

REPOSITORY_VARIABLE = "MATTING_MODEL_REPOSITORY"
DEFAULT_MODEL = "matting_512"
MODEL_FILE = "model.onnx"
INT8_FILE = "model.int8.xml"
CONTRACT_FILE = "contract.json"
_DATA_PACKAGE = "matting_models"  # installed with the application
_HERE = Path("model_repository")
_MODEL_NAME = re.compile(r"\w[\w.-]*", re.ASCII)


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


def model_file(model: str, repository: Path | None = None) -> Path:
    """The ONNX file of ``model``; whether it exists is not asked.

    Raises
    ------
    ModelError
        The name is none, or there is no repository.
    """
    if not _MODEL_NAME.fullmatch(model):
        raise ModelError("", f"model {model!r}", f"a name such as {DEFAULT_MODEL}")
    return model_repository(repository) / model / "1" / MODEL_FILE
