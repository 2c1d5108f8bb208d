"""The REST API with httpx, errors included: `rest.py PHOTO OUT.png [URL]`."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

photo, out, *url = sys.argv[1:]
answer = httpx.post(
    f"{url[0] if url else 'http://127.0.0.1:7860'}/v1.0/removebg",
    files={"image_file": (Path(photo).name, Path(photo).read_bytes())},
    data={"crop": "true", "crop_margin": "5%"},
    timeout=60,
)
if answer.is_error:
    sys.exit(f"{photo}: {answer.status_code} {answer.json()['errors'][0]['detail']}")
Path(out).write_bytes(answer.content)
print(f"{out}: {answer.headers['x-width']} x {answer.headers['x-height']} px")
