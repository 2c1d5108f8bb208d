"""The PyPI client `removebg`, only its address changed; writes PHOTO_no_bg.png."""

from __future__ import annotations

import argparse
import os

import removebg.removebg as client

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("photo")
parser.add_argument("url", nargs="?", default="http://127.0.0.1:7860")
given = parser.parse_args()
client.API_ENDPOINT = f"{given.url}/v1.0/removebg"
client.RemoveBg("any key", os.devnull).remove_background_from_img_file(given.photo, size="full")
