"""The image without a container engine: what the Dockerfile says, and its command under a container's rules."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
SHM = "64m"  # Docker's default


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, with lines joined and remarks left out."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def command(dockerfile: Path, name: str) -> list[str]:
    """The last ENTRYPOINT or CMD, as words."""
    return words_of([arguments for instruction, arguments in instructions(dockerfile) if instruction == name][-1])


def words_of(arguments: str) -> list[str]:
    """The words of a command in its exec form."""
    words: list[str] = json.loads(arguments)
    return words


def environment(dockerfile: Path) -> dict[str, str]:
    """Variables of the stage that is run on a CPU."""
    stage, variables = "", {}
    for instruction, arguments in instructions(dockerfile):
        if instruction == "FROM":
            stage = arguments.rpartition(" AS ")[2]
        elif instruction == "ENV" and stage == "cpu":
            variables.update(pair.split("=", 1) for pair in shlex.split(arguments))
    return variables


@dataclass(frozen=True)
class Container:
    """A root of its own as `docker run --read-only --tmpfs /tmp:exec -v OUTPUTS:/app/outputs` makes it.

    The system and this Python stand in for the base image, the tests' environment for the one that is built. Mounts,
    processes, /tmp and /dev/shm are the container's own; the network is not.

    Parameters
    ----------
    folder : empty; becomes the root.
    outputs : what is mounted at /app/outputs; None for nothing.
    user : as `docker run --user`; None for root.
    """

    folder: Path
    outputs: Path | None = None
    user: int | None = None

    def start(self, words: list[str], log: IO[str]) -> subprocess.Popen[str]:
        """Run a command behind the image's entry point, as process 1."""
        entry = command(ROOT / "Dockerfile", "ENTRYPOINT")
        # --kill-child: nothing outlives the test, whatever happens to it.
        inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", self._script(), "sh"]
        return subprocess.Popen([*inside, *entry, *words], stdout=log, stderr=subprocess.STDOUT, text=True)

    def _script(self) -> str:
        root = shlex.quote(str(self.folder))
        lines = ["mount --make-rprivate /", f"mount -t tmpfs -o mode=755 tmpfs {root}", f"cd {root}"]
        for path in _system_folders():
            lines += [f"mkdir -p .{path}", f"mount --rbind {path} .{path}", f"mount -o remount,bind,ro .{path}"]
        lines += [f"ln -s {Path(path).readlink()} .{path}" for path in _links()]
        lines += ["mkdir -p proc dev/shm tmp app/outputs image", "mount -t proc proc proc"]
        lines += [f"touch dev/{name}; mount --bind /dev/{name} dev/{name}" for name in ("null", "zero", "urandom")]
        lines += [f"mount -t tmpfs -o mode=1777,size={SHM},noexec,nosuid,nodev tmpfs dev/shm"]
        lines += ["mount -t tmpfs -o mode=1777,size=2g,exec,nosuid,nodev tmpfs tmp"]
        lines += [f"install -m 755 {shlex.quote(str(ROOT / 'deploy' / 'entrypoint.sh'))} image/entrypoint"]
        if self.outputs is not None:
            lines += [f"mount --bind {shlex.quote(str(self.outputs))} app/outputs"]
        lines += ["mount -o remount,ro .", f'exec {self._enter()} "$@"']
        return "\n".join(lines)

    def _enter(self) -> str:
        variables = environment(ROOT / "Dockerfile")
        variables["PATH"] = f"{Path(sys.executable).parent}:/image:/usr/local/bin:/usr/bin:/bin"
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        user = "" if self.user is None else f"--userspec={self.user}:{self.user} --groups="
        return f"chroot {user} . env -i --chdir=/app {given}"


def _system_folders() -> list[str]:
    """What the base image and the installation would hold."""
    system = [f"/{name}" for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "sys")]
    ours = [sys.base_prefix, sys.prefix, str(ROOT)]
    folders = [path for path in system if Path(path).is_dir() and not Path(path).is_symlink()]
    return folders + [path for path in dict.fromkeys(ours) if not path.startswith("/usr")]


def _links() -> list[str]:
    return [path for path in ("/bin", "/sbin", "/lib", "/lib32", "/lib64") if Path(path).is_symlink()]


def is_possible() -> bool:
    """Whether this user may make mounts."""
    return os.getuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
