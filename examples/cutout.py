"""One photo, and a second result from the same alpha: `cutout.py PHOTO OUT.png [URL]`."""

from __future__ import annotations

import sys

import matting_client

photo, out, *url = sys.argv[1:]
with matting_client.connect(url=url[0] if url else "127.0.0.1:8001") as client:
    cutout = client.cutout(photo)
    cutout.save(out)
    # The alpha is kept: another background costs no inference.
    white = cutout.with_options(matting_client.Options(background="#ffffff", format="jpeg"))
    white.save(f"{out}.white.jpg")
