"""Colours, composition and camera faults, for whole batches on the training device.

Every function takes float images (B, 3, H, W) in 0..1 and a `torch.Generator` of the same device, so that a step's
randomness depends on its number alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from matting_client.processing import PAD_RGB
from torch import Generator, Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def random_numbers(like: Tensor, low: float, high: float, generator: Generator, channels: int = 1) -> Tensor:
    """One random number a picture, (B, channels, 1, 1)."""
    shape = (like.shape[0], channels, 1, 1)
    return low + (high - low) * torch.rand(shape, device=like.device, generator=generator)


def random_bools(like: Tensor, probability: float, generator: Generator) -> Tensor:
    """One random bool a picture, (B, 1, 1, 1)."""
    return random_numbers(like, 0, 1, generator) < probability


def luminance(image: Tensor) -> Tensor:
    """(B, 1, H, W) luma."""
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def jitter_colour(image: Tensor, strength: float, generator: Generator) -> Tensor:
    """Brightness, contrast, gamma, saturation and colour of the light, each picture its own.

    `strength` 1 is about the spread between a lit studio and a dim warm room.
    """
    s = strength
    light = random_numbers(image, 1 - 0.15 * s, 1 + 0.15 * s, generator, channels=3) * random_numbers(
        image, 1 - 0.3 * s, 1 + 0.25 * s, generator
    )
    image = (image * light).clamp(0, 1)
    image = image.clamp_min(1e-4) ** torch.exp(random_numbers(image, -0.35 * s, 0.35 * s, generator))
    mean = image.mean((1, 2, 3), keepdim=True)
    image = mean + (image - mean) * random_numbers(image, 1 - 0.3 * s, 1 + 0.3 * s, generator)
    grey = luminance(image)
    return (grey + (image - grey) * random_numbers(image, 1 - 0.5 * s, 1 + 0.4 * s, generator)).clamp(0, 1)


def compose(fgr: Tensor, bgr: Tensor, pha: Tensor, composite: Tensor) -> Tensor:
    """`fgr` over `bgr` where `composite` (B, 1, 1, 1) says so, else `fgr`, which then is the photo itself."""
    return torch.where(composite, pha * fgr + (1 - pha) * bgr, fgr)


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of the whole batch, reflected at the borders."""
    half = max(1, math.ceil(2.5 * sigma))
    x = torch.arange(-half, half + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1).repeat(3, 1, 1, 1)
    image = F.conv2d(F.pad(image, (half, half, 0, 0), mode="reflect"), kernel, groups=3)
    return F.conv2d(F.pad(image, (0, 0, half, half), mode="reflect"), kernel.transpose(2, 3), groups=3)


def jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """Faults of baseline JPEG: 8x8 blocks of the luma and chroma planes quantised after the DCT (ITU-T T.81, annex K).

    `quality` (B, 1, 1, 1) in 1..100, scaled as the IJG library does; chroma is not subsampled. H and W multiples of 8.
    """
    b, c, h, w = image.shape
    to_ycc = image.new_tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    ycc = torch.einsum("ij,bjhw->bihw", to_ycc, image * 255) - image.new_tensor([128.0, 0, 0]).view(1, 3, 1, 1)
    k = torch.arange(8, device=image.device, dtype=image.dtype)
    dct = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
    dct[0] /= math.sqrt(2)
    blocks = ycc.reshape(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    base = image.new_tensor(QUANTISATION).view(1, 3, 1, 1, 8, 8)
    step = torch.floor(base * scale.view(b, 1, 1, 1, 1, 1) + 0.5).clamp(1, 255)
    coded = torch.round(dct @ blocks @ dct.T / step) * step
    ycc = (dct.T @ coded @ dct).permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w)
    ycc = ycc + image.new_tensor([128.0, 0, 0]).view(1, 3, 1, 1)
    return (torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_ycc), ycc) / 255).clamp(0, 1)


def _on_some(image: Tensor, chosen: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Apply a costly `change(pictures, their numbers)` to the chosen pictures only."""
    where = chosen.flatten().nonzero().flatten()
    return image.index_copy(0, where, change(image[where], where)) if len(where) else image


def add_noise(image: Tensor, generator: Generator) -> Tensor:
    """Gaussian noise, of each picture's own strength up to 5 % of white."""
    noise = torch.randn(image.shape, device=image.device, generator=generator)
    return (image + noise * random_numbers(image, 0.0, 0.05, generator)).clamp(0, 1)


def camera(image: Tensor, generator: Generator) -> Tensor:
    """Some pictures dark, grey, soft, noisy or compressed; several faults may meet."""
    dark = random_numbers(image, 0.15, 0.6, generator)
    image = torch.where(random_bools(image, 0.1, generator), image * dark, image)
    image = torch.where(random_bools(image, 0.06, generator), luminance(image).expand_as(image), image)
    sigma = float(torch.rand((), device=image.device, generator=generator)) * 1.5 + 0.3
    image = _on_some(image, random_bools(image, 0.12, generator), lambda some, _: blur(some, sigma))
    image = _on_some(image, random_bools(image, 0.3, generator), lambda some, _: add_noise(some, generator))
    quality = random_numbers(image, 25, 95, generator)
    return _on_some(image, random_bools(image, 0.35, generator), lambda some, where: jpeg(some, quality[where]))


def finish_batch(batch: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Turn a batch of `training.stream` into training tensors on its device.

    Returns
    -------
    dict
        `src` (B, 3, S, S) in 0..255 as the camera would store it, `pha` (B, 1, S, S) and `fgr`, `bgr` (B, 3, S, S) in
        0..1, and `composite` (B, 1, 1, 1) bool.
    """
    generator = Generator(batch["fgr"].device).manual_seed(seed * 1_000_003 + int(batch["index"][0]))
    fgr, bgr, pha = (batch[name].float() / 255 for name in ("fgr", "bgr", "pha"))
    composite = batch["composite"].view(-1, 1, 1, 1)
    pad = batch["fgr"].new_tensor(PAD_RGB).view(1, 3, 1, 1)
    padded = ((batch["fgr"] == pad).all(1, keepdim=True) & (batch["pha"] == 0)) & (
        ~composite | (batch["bgr"] == pad).all(1, keepdim=True)
    )
    fgr = jitter_colour(fgr, 1.0, generator)
    bgr = _on_some(bgr, composite, lambda some, _: jitter_colour(some, 1.0, generator))
    com = camera(compose(fgr, bgr, pha, composite), generator)
    # The letterbox comes after the camera: its colour is exact.
    src = torch.where(padded, pad.float(), torch.round(com * 255))
    return {"src": src, "pha": pha, "fgr": fgr, "bgr": bgr, "composite": composite}


QUANTISATION = [
    [
        [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    *[[
        [17, 18, 24, 47, 99, 99, 99, 99], [18, 21, 26, 66, 99, 99, 99, 99], [24, 26, 56, 99, 99, 99, 99, 99],
        [47, 66, 99, 99, 99, 99, 99, 99], *[[99] * 8] * 4,
    ]] * 2,
]  # fmt: skip
