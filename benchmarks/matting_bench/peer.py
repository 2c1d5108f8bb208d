"""A peer's model as rembg runs it: ONNX Runtime, one photo at a time, Pillow before and after."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matting_client.errors import OptionError
from PIL import Image

# How rembg normalises: U2-Net and its kin as ImageNet, IS-Net around one half.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))


def is_isnet(path: Path) -> bool:
    """Whether a file is called an IS-Net."""
    return "isnet" in path.stem.lower().replace("-", "").replace("_", "")


def open_peer(path: Path) -> Callable[[bytes], bytes]:
    """What makes a cutout PNG of a photo's bytes, in the steps and with the filters of rembg's default session.

    Raises
    ------
    OptionError
        Not such a model.
    """
    import onnxruntime as ort

    try:
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no base but Exception
        raise OptionError(f"--peer {path}", f"no usable ONNX model ({str(error).splitlines()[0]})") from None
    entry = session.get_inputs()[0]
    if len(entry.shape) != 4 or entry.shape[1] != 3:
        raise OptionError(f"--peer {path}", f"the input {entry.shape}", "(1, 3, S, S)")
    usual, normalisation = (1024, HALF) if is_isnet(path) else (320, IMAGENET)
    side = entry.shape[2] if isinstance(entry.shape[2], int) else usual
    mean, deviation = map(np.array, normalisation)

    def remove(data: bytes) -> bytes:
        photo = Image.open(io.BytesIO(data)).convert("RGB")
        pixels = np.array(photo.resize((side, side), Image.Resampling.LANCZOS))
        normal = (pixels / max(pixels.max(), 1e-6) - mean) / deviation
        found = session.run(None, {entry.name: normal.transpose(2, 0, 1)[None].astype(np.float32)})[0][0, 0]
        found = (found - found.min()) / max(found.max() - found.min(), 1e-6)
        mask = Image.fromarray((found * 255).astype(np.uint8)).resize(photo.size, Image.Resampling.LANCZOS)
        cutout = Image.composite(photo.convert("RGBA"), Image.new("RGBA", photo.size, 0), mask)
        buffer = io.BytesIO()
        cutout.save(buffer, "PNG")
        return buffer.getvalue()

    return remove
