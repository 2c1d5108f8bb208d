"""The model itself over gRPC, with nothing of ours: `triton_raw.py PHOTO ALPHA.png [HOST:PORT]`."""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.grpc as triton
from PIL import Image, ImageOps

photo, out, *url = sys.argv[1:]
image = ImageOps.pad(Image.open(photo).convert("RGB"), (512, 512), color=(127, 127, 127))  # the model's square
tensor = np.asarray(image)[None]  # (1, 512, 512, 3) uint8
with triton.InferenceServerClient(url[0] if url else "127.0.0.1:8001") as client:
    given = triton.InferInput("image", list(tensor.shape), "UINT8")
    given.set_data_from_numpy(tensor)
    alpha = client.infer("matting_512", [given]).as_numpy("alpha")  # (1, 512, 512, 1) uint8
Image.fromarray(alpha[0, :, :, 0]).save(out)
