"""One photo, and a second result from the same alpha."""

from __future__ import annotations

import argparse

import matting_client

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("photo")
parser.add_argument("out")
parser.add_argument("url", nargs="?", default="127.0.0.1:8001")
given = parser.parse_args()
with matting_client.connect(url=given.url) as client:
    cutout = client.cutout(given.photo)
    cutout.save(given.out)
    # The alpha is kept: another background costs no inference.
    white = cutout.with_options(matting_client.Options(background="#ffffff", format="jpeg"))
    white.save(f"{given.out}.white.jpg")
