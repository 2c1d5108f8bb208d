"""What a published model promises: written as `contract.json` beside it and into the ONNX file's metadata."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from matting_client.repository import CONTRACT_FILE

INPUT = "image"
OUTPUT = "alpha"
OPSET = 20
SIZES = {"matting_512": 512, "matting_1024": 1024}  # side of the input, by model
LICENCE = "Apache-2.0"
TRAINING_DATA = (
    "CivilServiceUSA portraits (MIT, public domain), 18F (CC0), councilmatic (MIT); Clothing Co-Parsing (Apache-2.0); "
    "clothing-dataset-small (CC0); Face Research Lab London Set and Canada set (CC BY 4.0, DeBruine and Jones); "
    "goods and animals: saleor (BSD-3), TailwindTraders, eShop, bagisto, trashnet, raccoon_dataset, GFM samples (MIT), "
    "microservices-demo (Apache-2.0), spree (CC BY 4.0), roweb3 (CC BY), vendure and codec-corpus (Unsplash); "
    "YCB renders (CC BY 4.0), Fluent Emoji and GroceryStoreDataset (MIT); vehicles, food, plants and small subjects "
    "from some 50 repositories of free licence (training/manifest.csv); "
    "backgrounds: us-states (MIT), Poly Haven HDRIs (CC0), Debian, elementary and budgie wallpapers"
)


def training_data(header: dict[str, Any]) -> str:
    """What weights learnt from, by their header; those that tell nothing are of this project."""
    own = ", ".join(f"{name} ({count} photos)" for name, count in header.get("learnt", {}).items())
    parts = [] if header.get("scratch") else [TRAINING_DATA]
    return "; then ".join([*parts, *([own] if own else [])])


@dataclass(frozen=True)
class Contract:
    """Everything a user of one model file needs to know about it."""

    model: str
    size: int
    precision: str  # of the computation: fp32 or fp16
    weights_sha256: str
    commit: str  # of the tree that exported it
    training_samples: int
    parity: dict[str, dict[str, float]]  # what `export.verify` measured
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # of this very model: `scores.publish_scores`
    opset: int = OPSET
    licence: str = LICENCE
    training_data: str = TRAINING_DATA

    def to_dict(self) -> dict[str, Any]:
        """The fields, with the tensors spelled out."""
        tensors = {
            "input": {
                "name": INPUT,
                "datatype": "UINT8",
                "dims": [self.size, self.size, 3],
                "layout": "NHWC",
                "colour": "RGB",
            },
            "output": {"name": OUTPUT, "datatype": "UINT8", "dims": [self.size, self.size, 1], "layout": "NHWC"},
        }
        return {**asdict(self), **tensors}

    def metadata(self) -> dict[str, str]:
        """The fields as strings, for `metadata_props`; without the scores: they are measured on the file."""
        told = {key: value for key, value in self.to_dict().items() if key != "scores"}
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}

    def write(self, folder: Path) -> None:
        """Write `contract.json`."""
        write_contract(folder / CONTRACT_FILE, self.to_dict())


def write_contract(file: Path, fields: dict[str, Any]) -> None:
    """Write a `contract.json`, whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    part.replace(file)


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def commit() -> str:
    """Commit of the working tree, or "unknown" outside a clone."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
