"""Teach a small network which way up a photo is: `python -m matting_training.orientation --data DATA --run RUN`.

It sees a photo squeezed into a small square, whatever its shape, and says by how many quarters it is turned. The labels
cost nothing: photos that lie as they were taken are turned by hand (Gidaris et al., "Unsupervised Representation
Learning by Predicting Image Rotations", ICLR 2018). Parts of random shape are shown, so that a wide photo is not taken
for a turned tall one, and half of the subjects stand before a background that lies in any way: they say what is up.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from matting_client.cli.parser import Parser, error_line, run_alone
from matting_client.processing.upright import QUARTERS, SIDE, network_square, rotated
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from matting_training.checkpoint import load_weights
from matting_training.data.pairs import DataError, Pair, find_pairs, pictures, read_pair, read_rgb, shrunk
from matting_training.model.blocks import ConvBnAct
from matting_training.model.encoder import EfficientNetLite0
from matting_training.model.unet import MEAN, STD
from matting_training.process import keep_memory
from matting_training.types import Array
from matting_training.whole import written_whole

KEPT = 320  # shorter side of the photos kept in memory
ALIASES = 1.3  # times the pixels of the square from which a photo is shrunk before it is warped
BLOCKS, WIDTH, GRID = 7, 32, 4  # blocks of the encoder, channels after it, and cells a side that the answer is made of
TRUNK = 80  # channels after those blocks
SHARES = {  # of the photos shown; backgrounds, which show no subject, tell floors from skies
    "portraits": 0.18, "fashion": 0.16, "products": 0.16, "studio": 0.06, "mixed": 0.18, "animals": 0.03,
    "goods_exact": 0.03, "backgrounds": 0.2,
}  # fmt: skip
GROUNDS = "backgrounds"
MOVED = 0.5  # of the subjects with alpha are put before another background
VALIDATION = ("val_london", "val_natural", "val_product")
EXAMPLES = """examples:
  python -m matting_training.orientation --data ~/matting-data --run runs/orientation --minutes 30
  python -m matting_export.orientation runs/orientation/orientation.safetensors
"""


class OrientationNet(nn.Module):
    """RGB (B, 3, 128, 128) float in 0..255 -> logits (B, 4): turned counterclockwise by 0, 90, 180, 270 degrees."""

    def __init__(self, pretrained: bool = False) -> None:
        super().__init__()
        whole = EfficientNetLite0(pretrained)
        self.stem = nn.Sequential(whole.conv_stem, whole.bn0, whole.act, *whole.blocks[:BLOCKS])
        self.mix = nn.Sequential(ConvBnAct(TRUNK, WIDTH, 1), nn.AvgPool2d(SIDE // 16 // GRID))
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(WIDTH * GRID * GRID, QUARTERS)

    def forward(self, src: Tensor) -> Tensor:
        y: Tensor = self.head(self.drop(torch.flatten(self.mix(self.stem((src - MEAN) / STD)), 1)))
        return y


def read_photos(data: Path, names: tuple[str, ...]) -> dict[str, list[Array]]:
    """Photos of the sets that there are, shrunk to a shorter side of `KEPT`: (H, W, 4) with alpha where a set has it.

    Raises
    ------
    DataError
        None of the sets is there, or a photo cannot be read.
    """
    with ThreadPoolExecutor() as pool:
        found = {name: list(pool.map(_read_small, _paths(data / name))) for name in names if (data / name).is_dir()}
    if not found:
        raise DataError(f"{data}: got none of the sets {', '.join(names)}, expected at least one; check the path")
    return found


def _paths(folder: Path) -> list[tuple[Path, Path | None]]:
    """Photos with their alphas; backgrounds have none."""
    if not (folder / "images").is_dir():
        return [(path, None) for path in pictures(folder)]
    return [(pair.image, pair.alpha) for pair in find_pairs(folder)]


def _read_small(paths: tuple[Path, Path | None]) -> Array:
    image, alpha = paths
    photo = read_rgb(image) if alpha is None else np.dstack(read_pair(Pair(image, alpha)))
    return shrunk(photo, KEPT / min(photo.shape[:2]))


def moved_subject(photo: Array, ground: Array, random: np.random.Generator) -> Array:
    """The subject of a photo with alpha before another picture, which lies in any way."""
    ground = rotated(ground[..., :3], int(random.integers(QUARTERS)))
    behind = cv2.resize(ground, photo.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = photo[..., 3:].astype(np.float32) / 255
    return np.asarray(np.rint(behind + (photo[..., :3] - behind) * alpha), np.uint8)


def random_view(rgb: Array, random: np.random.Generator) -> Array:
    """A part of random place, size and shape, mirrored, tilted and tinted at random, in the network's square."""
    height, width = rgb.shape[:2]
    area = random.uniform(0.35, 1.0) if random.random() < 0.7 else 1.0
    shape = math.exp(random.uniform(-0.5, 0.5))
    high = min(1.0, math.sqrt(area * shape))
    wide = min(1.0, math.sqrt(area / shape))
    top, left = random.uniform(0, 1 - high), random.uniform(0, 1 - wide)
    corners = np.array([[left, top], [left + wide, top], [left, top + high]], np.float64) * (width, height)
    tilt = math.radians(random.normal(0, 5))
    middle = np.array([left + wide / 2, top + high / 2]) * (width, height)
    rotation = np.array([[math.cos(tilt), -math.sin(tilt)], [math.sin(tilt), math.cos(tilt)]])
    corners = (corners - middle) @ rotation.T + middle
    square = np.array([[0, 0], [SIDE, 0], [0, SIDE]], np.float32)
    detail = max(wide * width, high * height) / SIDE
    small = shrunk(rgb, 1 / detail) if detail > ALIASES else rgb
    matrix = cv2.getAffineTransform((corners * small.shape[1] / width).astype(np.float32), square)
    out = cv2.warpAffine(small, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    if random.random() < 0.5:
        out = out[:, ::-1]
    if random.random() < 0.3:
        out = out[..., random.permutation(3)]  # a suit may be orange
    out = out.astype(np.float32) * random.uniform(0.6, 1.3, 3 if random.random() < 0.5 else 1) + random.normal(0, 12)
    if random.random() < 0.15:
        out = np.repeat(out.mean(2, keepdims=True), 3, 2)
    if random.random() < 0.3:
        out = cv2.GaussianBlur(out, (0, 0), random.uniform(0.3, 1.2))
    return np.asarray(np.clip(out, 0, 255), np.uint8)


def quarter_turns(square: Array) -> list[Array]:
    """The square as it is, and turned counterclockwise by one to three quarters."""
    return [rotated(square, quarters) for quarters in range(QUARTERS)]


def to_tensor(squares: list[Array]) -> Tensor:
    """(B, 3, 128, 128) float in 0..255."""
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float()


def batches(photos: dict[str, list[Array]], count: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For ever: `count` views, each in all four orientations, and by how many quarters each is turned."""
    random = np.random.default_rng(seed)
    names = list(photos)
    shares = np.array([SHARES[name] for name in names])
    labels = torch.arange(QUARTERS).repeat(count)

    def draw(name: str) -> Array:
        return photos[name][random.integers(len(photos[name]))]

    def make() -> Tensor:
        squares = []
        for n in random.choice(len(names), count, p=shares / shares.sum()):
            photo = draw(names[n])
            if photo.shape[2] == 4 and random.random() < MOVED:
                photo = moved_subject(photo, draw(GROUNDS if GROUNDS in photos else names[n]), random)
            squares += quarter_turns(random_view(photo[..., :3], random))
        return to_tensor(squares)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make)
        while True:
            batch = coming.result()
            coming = pool.submit(make)
            yield batch, labels


@torch.no_grad()
def turn_probabilities(model: nn.Module, photos: list[Array]) -> NDArray[np.float64]:
    """(N, 4, 4) probabilities: photo, how it was turned, how the network says it is turned."""
    model.eval()
    return np.stack(
        [
            torch.softmax(model(to_tensor(quarter_turns(network_square(each[..., :3])))), 1).numpy().astype(np.float64)
            for each in photos
        ]
    )


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, squares: Tensor, labels: Tensor) -> float:
    """One step; returns its loss."""
    model.train()
    loss = F.cross_entropy(model(squares), labels, label_smoothing=0.05)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def train(photos: dict[str, list[Array]], minutes: float, count: int, rate: float, seed: int = 0) -> OrientationNet:
    """Learn for that long; the learning rate's cosine ends with the clock. Progress is printed."""
    torch.manual_seed(seed)
    model = OrientationNet(pretrained=True)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.02)
    start = time.monotonic()
    running = 0.0
    for step, (squares, labels) in enumerate(batches(photos, count, seed), 1):
        done = (time.monotonic() - start) / (60 * minutes)
        if done >= 1:
            break
        optimizer.param_groups[0]["lr"] = rate * min(1, step / 100) * (1 + math.cos(math.pi * done)) / 2
        running += (learn(model, optimizer, squares, labels) - running) / min(step, 100)
        if step % 100 == 0:
            print(f"{done:4.0%}  {step} steps of {count} photos  loss {running:.4f}", flush=True)
    return model


def load(path: Path) -> OrientationNet:
    """The network of `RUN/orientation.safetensors`, in evaluation mode; raises as `load_weights`."""
    model = OrientationNet()
    load_weights(model, path)
    return model.eval()


def main() -> int:
    """Run the command; 1 for bad data."""
    parser = Parser(
        "python -m matting_training.orientation", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--run", type=Path, required=True, help="folder for orientation.safetensors")
    parser.add_argument("--minutes", type=float, default=30, help="(default: 30)")
    parser.add_argument("--batch", type=int, default=16, help="photos a step, each in four orientations (default: 16)")
    parser.add_argument("--lr", type=float, default=1e-3, help="(default: 1e-3)")
    given = parser.parse_args()
    for name in ("minutes", "batch", "lr"):
        if not 0 < getattr(given, name) < math.inf:
            parser.error(f"--{name}: got {getattr(given, name)}, expected a number above 0")
    keep_memory()
    try:
        given.run.mkdir(parents=True, exist_ok=True)
        photos, validation = (read_photos(given.data, names) for names in (tuple(SHARES), VALIDATION))
    except (DataError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    model = train(photos, given.minutes, given.batch, given.lr)
    for name, unseen in validation.items():
        right = turn_probabilities(model, unseen).argmax(2) == np.arange(QUARTERS)
        print(f"{name}: {right.mean():.1%} right, upright ones {right[:, 0].mean():.1%}")
    path = given.run / "orientation.safetensors"
    try:
        with written_whole(path) as part:
            part.write_bytes(save(model.state_dict()))
    except OSError as error:
        print(error_line(error), file=sys.stderr)
        return 1
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    run_alone(main)
