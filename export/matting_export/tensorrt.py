"""The TensorRT plan: built, checked and timed in the container that serves it, published only when it passes.

A plan loads only in the TensorRT that built it, on the kind of GPU that built it. This runs on a machine with docker,
which starts that container for every step, or inside it (deploy/plans.Dockerfile). NOT RUN YET: no machine at hand had
a GPU; the parts that need none are tested.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matting_client.runtime.cpu import CpuModel
from matting_client.types import U8

from matting_export.tolerances import GATES, compare, photos

IMAGE = os.environ.get("TRITON_IMAGE", "nvcr.io/nvidia/tritonserver:26.07-py3")  # TensorRT 11.1; the one that serves
TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")  # in the container
MOUNTED = Path("/models")  # the repository, where docker starts the container
FP16 = "model.fp16.onnx"
FP32 = "model.onnx"
MAX_BATCH = {512: 16, 1024: 8}
BEST_BATCH = {512: 8, 1024: 4}
PLAN = "model.plan"
TRIAL = "model.plan.trial"
CHECK = "check"  # folder of the check's inputs and outputs, inside the model's
EXPECTED = """\
What to expect of the served plan, from published figures of comparable networks on other machines:
  a batch of 8 at 512 px takes no more than 3 times as long as a single photo (batching gives x3 to x4 photos a second);
  two instances add a tenth or more to that; the server adds 14 to 31 us to a request;
  perf_analyzer with system or CUDA shared memory is within 10 % of the throughput trtexec printed above, times two
  instances at most. `python -m matting_bench.perf_analyzer --url HOST:8001` measures it.
"""
Run = Callable[[list[str]], None]


def trtexec(root: Path, model: str, size: int, onnx: str = FP16) -> list[str]:
    """Command line of `trtexec` that builds one model's trial plan; `root` is the repository as the container sees it.

    Precision is in the graph (strongly typed): build from the fp16 file for speed, from `model.onnx` for fp32.
    """
    return [
        str(TRTEXEC),
        f"--onnx={root}/{model}/1/{onnx}",
        f"--saveEngine={root}/{model}/1/{TRIAL}",
        "--stronglyTyped",
        f"--minShapes=image:1x{size}x{size}x3",
        f"--optShapes=image:{BEST_BATCH[size]}x{size}x{size}x3",
        f"--maxShapes=image:{MAX_BATCH[size]}x{size}x{size}x3",
        f"--timingCacheFile={root}/{model}/timing.cache",
        "--skipInference",
    ]


def trtexec_run(root: Path, model: str, size: int, batch: int) -> list[str]:
    """Command line of `trtexec` that runs the trial plan on the check's photos, times it and exports its alphas."""
    return [
        str(TRTEXEC),
        f"--loadEngine={root}/{model}/1/{TRIAL}",
        f"--shapes=image:{batch}x{size}x{size}x3",
        f"--loadInputs=image:{root}/{model}/{CHECK}/{batch}.bin",
        f"--exportOutput={root}/{model}/{CHECK}/{batch}.json",
        "--useCudaGraph",
        "--duration=5",
    ]


def docker(repository: Path, command: list[str]) -> list[str]:
    """The command inside the serving image, with the GPUs and the repository."""
    mount = f"{repository.resolve()}:{MOUNTED}"
    user = f"{os.getuid()}:{os.getgid()}"
    return ["docker", "run", "--rm", "--gpus", "all", "--user", user, "-v", mount, IMAGE, *command]


def docker_command(repository: Path, model: str, size: int) -> str:
    """Shell line that builds a trial plan."""
    return shlex.join(docker(repository, trtexec(MOUNTED, model, size)))


def read_output(path: Path, shape: tuple[int, ...]) -> U8:
    """The alphas in a file that `trtexec --exportOutput` wrote."""
    (tensor,) = [entry for entry in json.loads(path.read_text()) if entry["name"] == "alpha"]
    return np.array(tensor["values"], np.float64).astype(np.uint8).reshape(shape)


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True)


def publish_plan(
    repository: Path, model: str, size: int, pictures: list[U8], run: Run = _call
) -> dict[str, dict[str, float]]:
    """Build a plan beside the model, compare it with fp32 at every batch size served, and only then give it its name.

    Built from `model.fp16.onnx` where `export publish --fp16` has left one, else from `model.onnx`.

    Returns
    -------
    By batch size: largest (steps of 255) and mean (0..1) difference.

    Raises
    ------
    ParityError
        The plan computes something else; what was published before stays.
    subprocess.CalledProcessError, FileNotFoundError
        The build or a run failed, or there is no docker.
    """
    folder = repository / model
    inside = TRTEXEC.exists()
    root = repository if inside else MOUNTED
    onnx = FP16 if (folder / "1" / FP16).exists() else FP32
    image = np.concatenate([photos(pictures, size)] * 2)[: MAX_BATCH[size]]
    want = CpuModel(folder / "1" / FP32, precision="f32").run(image)
    check = folder / CHECK
    trial = folder / "1" / TRIAL
    check.mkdir(exist_ok=True)

    def step(command: list[str]) -> None:
        run(command if inside else docker(repository, command))

    try:
        step(trtexec(root, model, size, onnx))
        report = {}
        for batch in [n for n in (1, 2, 4, 8, 16) if n <= MAX_BATCH[size]]:
            image[:batch].tofile(check / f"{batch}.bin")
            step(trtexec_run(root, model, size, batch))
            got = read_output(check / f"{batch}.json", want[:batch].shape)
            report[f"batch {batch}"] = compare(
                want[:batch], got, f"{folder / '1' / PLAN}, batch {batch}", GATES["fp16"]
            )
        trial.replace(folder / "1" / PLAN)
    finally:
        trial.unlink(missing_ok=True)
        for file in check.iterdir():
            file.unlink()
        check.rmdir()
    return report
