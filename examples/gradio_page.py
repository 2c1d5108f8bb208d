"""The page's function."""

from __future__ import annotations

import argparse
import shutil

from gradio_client import Client, handle_file

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("photo")
parser.add_argument("out")
parser.add_argument("url", nargs="?", default="http://127.0.0.1:7860")
given = parser.parse_args()
page = Client(given.url, verbose=False)
result = page.predict(photo=handle_file(given.photo), api_name="/cut_out")
shutil.copy(result[0] if isinstance(result, (list, tuple)) else result, given.out)
