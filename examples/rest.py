"""The REST API with httpx, errors included."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import httpx

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("photo", type=Path)
parser.add_argument("out", type=Path)
parser.add_argument("url", nargs="?", default="http://127.0.0.1:7860")
given = parser.parse_args()
answer = httpx.post(
    f"{given.url}/v1.0/removebg",
    files={"image_file": (given.photo.name, given.photo.read_bytes())},
    data={"crop": "true", "crop_margin": "5%"},
    timeout=60,
)
if answer.is_error:
    sys.exit(f"{given.photo}: {answer.status_code} {answer.json()['errors'][0]['detail']}")
given.out.write_bytes(answer.content)
print(f"{given.out}: {answer.headers['x-width']} x {answer.headers['x-height']} px")
