"""The model itself over gRPC, with nothing of ours."""

from __future__ import annotations

import argparse

import numpy as np
import tritonclient.grpc as triton
from PIL import Image, ImageOps

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("photo")
parser.add_argument("out")
parser.add_argument("url", nargs="?", default="127.0.0.1:8001")
given = parser.parse_args()
image = ImageOps.pad(Image.open(given.photo).convert("RGB"), (512, 512), color=(127, 127, 127))  # the model's square
tensor = np.asarray(image)[None]  # (1, 512, 512, 3) uint8
with triton.InferenceServerClient(given.url) as client:
    sent = triton.InferInput("image", list(tensor.shape), "UINT8")
    sent.set_data_from_numpy(tensor)
    alpha = client.infer("matting_512", [sent]).as_numpy("alpha")  # (1, 512, 512, 1) uint8
Image.fromarray(alpha[0, :, :, 0]).save(given.out)
