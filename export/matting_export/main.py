"""`matting export`: publish weights into the model repository, in fp32, fp16, int8 or as a plan, when they pass."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from subprocess import CalledProcessError

import numpy as np
from matting_client.cli.parser import Parser, error_line
from matting_client.errors import MattingError
from matting_client.repository import model_file
from matting_training.data.pairs import DataError, pictures, read_rgb
from numpy.typing import NDArray

from matting_export.metadata import SIZES
from matting_export.tensorrt import EXPECTED, TRTEXEC, docker_command, publish_plan
from matting_export.tolerances import ParityError

# The verbs import what they need themselves: the plan is made in a container that has neither torch nor onnx.

ROOT = Path(__file__).resolve().parents[2]  # of the clone: only there is something to publish
WEIGHTS = ROOT / "training" / "matting_training" / "weights" / "matting.safetensors"
REPOSITORY = ROOT / "model_repository"
EXAMPLES = """examples:
  matting export publish --photos photos/             weights -> model_repository/, when parity holds
  matting export publish --photos photos/ --fp16      the fp16 file as well, for TensorRT
  matting export verify --photos photos/              measure what is in the repository
  matting export int8 --photos data                   model.int8.xml for CPUs, when it passes its gates
  matting export int8 --photos data --check           let those of the repository pass them on this kind of CPU too
  matting export scores --photos data                 what each model scores on the sets val_..., into its contract
  matting export tensorrt --photos photos/            on a GPU machine: build, check, time and publish the plans
"""


def _photos(folder: Path | None) -> list[NDArray[np.uint8]]:
    if folder is not None:
        return [read_rgb(path) for path in pictures(folder)[:8]]
    try:
        from skimage import data
    except ImportError:
        raise DataError("got no --photos, expected a folder of photos; give one, or install scikit-image") from None
    return [data.astronaut()]


def _publish(given: argparse.Namespace) -> None:
    from matting_export.publish import publish_models

    # The models of the clone are of its weights: they go together.
    own = given.repository.resolve() == REPOSITORY and set(given.models) == set(SIZES)
    photos = _photos(given.photos)
    published = WEIGHTS if own else None
    made = publish_models(given.weights, given.repository, given.models, photos, half=given.fp16, published=published)
    for contract in made:
        print(f"{contract.model} {contract.precision}: {contract.parity}")
    print("their contracts have no scores yet; matting export scores --photos FOLDER measures them")


def _verify(given: argparse.Namespace) -> None:
    from matting_training.checkpoint import load_model

    from matting_export.verify import verify

    model = load_model(given.weights)
    photos = _photos(given.photos)
    for name in given.models:
        path = model_file(name, given.repository)
        for engine, found in verify(model, path, SIZES[name], photos).items():
            print(f"{name}  {engine:14}  largest {found['largest']}/255  mean {found['mean']:.2e}")


def _int8(given: argparse.Namespace) -> None:
    from matting_export.int8 import check_int8, publish_int8

    if given.photos is None:
        raise DataError("got no --photos, expected a folder with images/ and alpha/, or with several such sets")
    work = check_int8 if given.check else publish_int8
    for name in given.models:
        print(f"{name} int8: {work(given.repository / name / '1' / 'model.onnx', given.photos)}")


def _scores(given: argparse.Namespace) -> None:
    from matting_export.scores import publish_scores

    if given.photos is None:
        raise DataError("got no --photos, expected a folder with sets named val_... of images/ and alpha/")
    for name in given.models:
        print(f"{name} scores: {publish_scores(given.repository, name, given.photos)}", flush=True)


def _tensorrt(given: argparse.Namespace) -> None:
    if not TRTEXEC.exists() and shutil.which("docker") is None:
        print("# No docker here. On the GPU machine, after `matting export publish --fp16`, run this command again;")
        print("# it builds as below, checks, times and publishes. Then: docker compose --profile tensorrt up")
        for name in given.models:
            print(docker_command(given.repository, name, SIZES[name]))
        return
    for name in given.models:
        report = publish_plan(given.repository, name, SIZES[name], _photos(given.photos))
        print(f"{name} TensorRT: {report}")
    print(EXPECTED, end="")


def main(argv: list[str] | None = None) -> int:
    """Command line; 0 done, 1 refused (parity or bad data), 2 wrong usage."""
    parser = Parser(
        prog="matting export",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=("publish", "verify", "int8", "scores", "tensorrt"), help="see the examples")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="to publish or verify (default: the published)")
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="default: %(default)s")
    parser.add_argument("--models", nargs="+", choices=SIZES, default=list(SIZES), help="default: both")
    parser.add_argument(
        "--photos",
        type=Path,
        help="folder of real photos for the parity check (default: one portrait); for int8, scores: sets with alphas",
    )
    parser.add_argument("--fp16", action="store_true", help="publish model.fp16.onnx too")
    parser.add_argument("--check", action="store_true", help="for int8: measure the files that are there, make none")
    given = parser.parse_args(argv)
    os.environ.setdefault("TORCH_LOGS", "-all")
    try:
        verbs = {"publish": _publish, "verify": _verify, "int8": _int8, "scores": _scores, "tensorrt": _tensorrt}
        verbs[given.verb](given)
    except CalledProcessError as error:  # it has said why itself
        print(
            f"{Path(error.cmd[0]).name}: ended with {error.returncode}, see above; nothing was published. A plan needs "
            "an NVIDIA GPU and a running docker that may use it: run this there, or `docker compose run --rm plans`",
            file=sys.stderr,
        )
        return 1
    except (ParityError, DataError, MattingError, OSError, ValueError) as error:
        print(error_line(error), file=sys.stderr)
        return 1
    return 0
