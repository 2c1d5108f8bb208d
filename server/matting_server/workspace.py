"""The private temporary folder a server runs from; `orphans` sweeps those of servers that were killed.

    <tmp>/unet-matting-<token>/           locked (flock) as long as its supervisor lives
        backends/onnxruntime/             copies: Triton refuses links out of its backend directory
        models/<name>/config.pbtxt, configs/     copies
        models/<name>/<version>/...       links to the real files, plus `revived`, whose time says "load me again"
        life/<name>/<instance>            locked as long as its process lives; holds its `Life`
        page/                             temporary files of the web page
        python/                           an environment of plain names, where ours has others; see `plain_names`
        http, metrics                     sockets on which Triton listens

The user's repository is only ever read, and may be read-only.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from matting_client.repository import MODEL_FILE
from matting_client.serving import temporary_folder

from matting_server.contracts import told_contracts
from matting_server.errors import SetupError
from matting_server.orphans import (
    FOLDER_PREFIX,
    SHM,
    SHM_PREFIX,
    TOKEN_BYTES,
    UNBORN_PREFIX,
    clean_up,
    expect_scratch,
    note_scratch,
    withdraw_token,
)

MOST_SOCKET_BYTES = 107  # of a socket file's path, on Linux
_BACKEND_SOURCE = Path(__file__).parent / "backend" / "onnxruntime"
INSTANCE_GROUP = "device_"  # and a number, by which an instance finds its device
_ONE_INSTANCE = re.compile(r"instance_group\s*\[\s*\{\s*count:\s*1\s*\}\s*\]")


@dataclass(frozen=True)
class Life:
    """What a model's process shows of itself; the backend's `model.py` writes it.

    Attributes
    ----------
    owed : photos that it has taken to answer later.
    pid : its id.
    beats : grows as long as it runs.
    taken, answered : requests so far.
    """

    owed: int
    pid: int
    beats: int
    taken: int
    answered: int

    def stands_still(self, before: Life) -> bool:
        """Whether nothing shows since an earlier look that it runs, or that it gets on with what it has taken."""
        return self.beats == before.beats or self.taken > self.answered == before.answered


@dataclass(frozen=True)
class Workspace:
    """One locked private folder."""

    root: Path
    token: str
    shm_token: str
    lock: int  # descriptor of the folder, holding the lock

    @property
    def backends(self) -> Path:
        """Backend directory for Triton."""
        return self.root / "backends"

    @property
    def models(self) -> Path:
        """Model repository for Triton: a view of the user's."""
        return self.root / "models"

    @property
    def life(self) -> Path:
        """Where the processes of the models show that they live."""
        return self.root / "life"

    @property
    def page(self) -> Path:
        """Where the web page keeps its temporary files."""
        return self.root / "page"

    @property
    def python(self) -> Path:
        """Environment of the models' processes, where ours will not do."""
        return self.root / "python"

    @property
    def http_socket(self) -> Path:
        """Where Triton answers HTTP."""
        return self.root / "http"

    @property
    def metrics_socket(self) -> Path:
        """Where Triton shows its metrics."""
        return self.root / "metrics"

    @property
    def shm_prefix(self) -> str:
        """Start of the name of every shared-memory region of this server."""
        return f"{SHM_PREFIX}{self.token}_"

    def touch(self, model: str) -> None:
        """Make Triton see ``model`` as changed, so that the next load starts its process anew."""
        for version in _versions(self.models / model):
            (version / "revived").write_text(str(time.time_ns()))

    def lost(self, model: str) -> int | None:
        """How many photos the processes of ``model`` that have ended owed; None while all live that ever showed it."""
        dead = [file for file in (self.life / model).glob("*") if _is_free(file)]
        return sum(_read_life(file).owed for file in dead) if dead else None

    def processes(self, model: str) -> list[Life]:
        """What the processes of ``model`` that live show of themselves."""
        return [_read_life(file) for file in (self.life / model).glob("*") if not _is_free(file)]

    def publish_token(self, grpc_port: int) -> None:
        """Show this user's programs the token that shared memory needs: in a file of mode 0600 beside that memory."""
        path = SHM / f"{SHM_PREFIX}{self.token}.grpc_{grpc_port}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.shm_token)

    def is_whole(self, models: list[str]) -> bool:
        """Whether what it was filled with is still there; some systems clean their folder of temporary files."""
        fixed = [self.models / name / "config.pbtxt" for name in models]
        return all(path.exists() for path in (self.backends / _BACKEND_SOURCE.name / "model.py", *fixed))

    def note_scratch(self) -> None:
        """Remember the scratch folders that appeared while the server was starting, which it is no longer."""
        note_scratch(self.root)

    def clean_up(self) -> None:
        """Remove what a server that died could not: its shared memory and its scratch folders; another may start."""
        clean_up(self.root)
        expect_scratch(self.root)
        for path in (self.http_socket, self.metrics_socket):  # the next server could not listen on them
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder and everything that belongs to it; only when none of its processes lives."""
        self.clean_up()
        withdraw_token(self.root)
        shutil.rmtree(self.root, ignore_errors=True)
        os.close(self.lock)


def check_folder(tmp: Path) -> None:
    """Refuse a folder that no server can run from.

    Raises
    ------
    SetupError
        It is mounted noexec, as Docker mounts its tmpfs, or has a name that is not ASCII, or too long for sockets.
    """
    longest = tmp / f"{FOLDER_PREFIX}{'x' * 2 * TOKEN_BYTES}" / "metrics"
    if len(os.fsencode(longest)) > MOST_SOCKET_BYTES:
        raise SetupError(f"{tmp}: too long a name for the sockets in it: set TMPDIR to a shorter one")
    if not str(tmp).isascii():
        raise SetupError(f"{tmp}: Triton's Python reads ASCII names alone: set TMPDIR to a folder with such a name")
    if os.statvfs(tmp).f_flag & os.ST_NOEXEC:
        raise SetupError(
            f"{tmp} is mounted noexec and Triton runs programs from it: set TMPDIR to a folder that is not"
        )


def create_workspace(tmp: Path | None = None) -> Workspace:
    """Make and lock an empty private folder (mode 0700) under ``tmp``, default the system's.

    Raises
    ------
    SetupError
        It cannot be made, or no server can run from it.
    """
    tmp = tmp or temporary_folder()
    try:
        check_folder(tmp)
        unborn = Path(tempfile.mkdtemp(prefix=UNBORN_PREFIX, dir=tmp))
    except OSError as error:
        raise SetupError(f"{tmp}: cannot make a folder there ({error.strerror}); set TMPDIR to another one") from None
    lock = os.open(unborn, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    token = secrets.token_hex(TOKEN_BYTES)
    # Locked before it gets its name: another server that sweeps now cannot take it for an orphan.
    root = unborn.rename(tmp / f"{FOLDER_PREFIX}{token}")
    expect_scratch(root)
    return Workspace(root, token, secrets.token_urlsafe(24), lock)


def fill_backends(workspace: Workspace, python_backend: Path, stub: Path) -> None:
    """Build the backend `onnxruntime`: the wheel's python backend, its stub and our model.py."""
    target = workspace.backends / "onnxruntime"
    target.mkdir(parents=True)
    for source in (*sorted(python_backend.iterdir()), stub, _BACKEND_SOURCE / "model.py"):
        if source.is_file():
            shutil.copy(source, target)


def fill_models(workspace: Workspace, repository: Path, instances: int = 1) -> list[str]:
    """Mirror ``repository`` into the workspace; returns the names of its models.

    Parameters
    ----------
    instances : processes of each model, unless its configuration says more than that there is one.

    Raises
    ------
    SetupError
        When the repository, all its models, or a model's ONNX file is missing.
    """
    if not repository.is_dir():
        raise SetupError(f"{repository}: no such folder; give the model repository with --model-repository")
    sources = sorted(path.parent for path in repository.glob("*/config.pbtxt"))
    if not sources:
        raise SetupError(f"{repository}: no model in it, expected <model>/config.pbtxt and <model>/1/{MODEL_FILE}")
    for source in sources:
        _mirror(source, workspace.models / source.name, instances)
    return [source.name for source in sources]


def _mirror(source: Path, target: Path, instances: int) -> None:
    versions = _versions(source)
    if not versions:
        raise SetupError(f"{source / '1' / MODEL_FILE} is missing: matting export publish writes it")
    for version in versions:
        model = version / MODEL_FILE
        if not model.is_file() or model.stat().st_size == 0:
            raise SetupError(f"{model} is missing or empty: matting export publish writes it")
        (target / version.name).mkdir(parents=True)
        for file in version.iterdir():
            (target / version.name / file.name).symlink_to(file.resolve())
    try:
        config = without_queue_policy((source / "config.pbtxt").read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise SetupError(f"{source / 'config.pbtxt'}: cannot be read as UTF-8 ({error.reason}); save it so") from None
    (target / "config.pbtxt").write_text(with_instances(config, instances) + told_contracts(source, versions))
    if (source / "configs").is_dir():
        shutil.copytree(source / "configs", target / "configs")


def with_instances(config: str, count: int) -> str:
    """A config.pbtxt with one instance group for each of several devices, in place of one for all."""
    groups = "".join(f'  {{ name: "{INSTANCE_GROUP}{number}" count: 1 }},\n' for number in range(count))
    return _ONE_INSTANCE.sub(f"instance_group [\n{groups.rstrip().rstrip(',')}\n]", config) if count > 1 else config


def without_queue_policy(config: str) -> str:
    """A config.pbtxt whose queue's limit is a parameter for our backend, which refuses what is beyond it.

    With a limit or a timeout in the queue's policy, the batcher of this Triton (2.51) loses wake-ups and lets requests
    wait for half a second while the model is idle; issue 8870 of triton-inference-server/server has one cause.
    """
    policy = re.search(r"default_queue_policy\s*\{[^}]*\}", config)
    if policy is None:
        return config
    limit = re.search(r"max_queue_size:\s*(\d+)", policy[0])
    parameter = f'parameters {{ key: "max_queue_size" value {{ string_value: "{limit[1]}" }} }}\n' if limit else ""
    return config.replace(policy[0], "").rstrip("\n") + "\n" + parameter


def _read_life(file: Path) -> Life:
    return Life(*struct.unpack("=5q", file.read_bytes()))


def _is_free(path: Path) -> bool:
    """Whether nobody holds a lock on a file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _versions(model: Path) -> list[Path]:
    return sorted(path for path in model.iterdir() if path.is_dir() and path.name.isdecimal())
