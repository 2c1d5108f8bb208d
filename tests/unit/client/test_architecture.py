"""Imports run one way, and nothing that serves loads torch."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import matting_client
import pytest
from matting_client.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
CLIENT = ROOT / "client" / "matting_client"
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 60
# Longer ones, and why.
LONG_FILES = {
    "tests/ui/test_editor.py": "every tool of one editor",
    "tests/unit/api/test_fetch.py": "one table of addresses, and what each does",
    "tests/unit/api/test_removebg.py": "every parameter of remove.bg",
    "tests/unit/client/test_cpu_engine.py": "one engine beside two others",
}
FOLDERS = ("client", "server", "training", "export", "api", "ui", "benchmarks")
OURS = {f"matting_{name}" for name in ("server", "training", "export", "api", "ui", "bench")}


def imported(file: Path) -> set[str]:
    """Full names of everything a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, folder
    return found


@pytest.mark.parametrize("file", files(CLIENT), ids=lambda path: str(path.relative_to(CLIENT)))
def test_the_client_imports_nothing_above_it(file: Path) -> None:
    tops = {name.partition(".")[0] for name in imported(file)}
    assert not tops & {*OURS, "torch", "tests"}


@pytest.mark.parametrize("file", files(ROOT / "training"), ids=lambda path: path.name)
def test_training_uses_only_the_processing_of_the_client(file: Path) -> None:
    """And the command line's manners. Evaluation is the exception: it measures what users get, through the client."""
    names = imported(file)
    assert file.name in {"evaluate.py", "clean.py"} or all(
        name.startswith(("matting_client.processing", "matting_client.cli.parser."))
        for name in names
        if name.startswith("matting_client")
    )
    assert not {name.partition(".")[0] for name in names} & (OURS - {"matting_training"})


@pytest.mark.parametrize("file", files(ROOT / "server"), ids=lambda path: path.name)
def test_the_server_uses_only_the_engine_of_the_client(file: Path) -> None:
    """And what all processes that serve share."""
    names = {name for name in imported(file) if name.startswith("matting_client")}
    allowed = (
        "matting_client.cli.parser.",
        "matting_client.errors.",
        "matting_client.hosts.",
        "matting_client.repository.",
        *(f"matting_client.runtime.{module}." for module in ("cpu", "gpus", "loader", "precision")),
        "matting_client.serving.",
        "matting_client.shared_folders.",
        "matting_client.system.",
    )
    assert all(name.startswith(allowed) for name in names)


def loaded_by(*modules: str) -> set[str]:
    """Top-level modules that a fresh process holds after importing these."""
    script = f"import sys, {', '.join(modules)}; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


CLIENT_MODULES = [
    "matting_client.client",
    *(f"matting_client.cli.{name}" for name in ("main", *COMMANDS)),
    "matting_client.triton.aio",
    "matting_client.runtime.cpu",
]


@pytest.mark.parametrize(
    "modules",
    [
        CLIENT_MODULES,
        ["matting_server.main"],
        ["matting_api.main", "matting_api.app"],
        ["matting_ui.page", "matting_ui.app"],
    ],
    ids=lambda names: names[0],
)
def test_nothing_that_serves_loads_torch(modules: list[str]) -> None:
    assert all(find_spec(name) for name in modules)
    assert "torch" not in loaded_by(*modules)


@pytest.mark.parametrize("module", ["runtime.loader", "processing", "cli.parser"])
def test_what_training_and_the_server_use_needs_no_triton_client(module: str) -> None:
    assert not loaded_by(f"matting_client.{module}") & {"tritonclient", "grpc", "gevent", "PIL"}


def test_the_command_line_begins_without_what_is_slow() -> None:
    """For as long as nothing sees to Ctrl-C, which ends Python's own imports with a traceback."""
    assert not loaded_by("matting_client.cli.main") & {"numpy", "cv2", "PIL", "tritonclient", "importlib.metadata"}


def test_every_public_name_exists() -> None:
    import matting_client
    from matting_client import engines

    for package in (matting_client, engines):
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError):
            _ = package.nothing


def sources() -> list[Path]:
    """Every Python file of the project."""
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == 0:
        return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]
    folders = ("api", "benchmarks", "client", "export", "server", "tests", "training", "ui")  # an unpacked archive
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def test_files_and_functions_fit_a_reader() -> None:
    long_files, long_functions = set(), set()
    for file in sources():
        name = file.relative_to(ROOT).as_posix()
        text = file.read_text(encoding="utf-8")
        if text.count("\n") > MOST_LINES_OF_A_FILE:
            long_files.add(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION:
                    long_functions.add(f"{name}:{node.name}")
    assert long_files <= set(LONG_FILES)
    assert long_functions == set()


def test_imports_go_one_way() -> None:
    """Between modules, and between the folders that stand beside each other in a package."""
    modules = {}
    for file in sources():
        _, *inside = file.relative_to(ROOT).with_suffix("").parts
        if inside and inside[0].startswith("matting_"):
            modules[".".join(inside).removesuffix(".__init__")] = file
    known = {
        name: {each if each in modules else each.rpartition(".")[0] for each in imported(file)} & set(modules) - {name}
        for name, file in modules.items()
    }
    folders: dict[str, set[str]] = {}
    for name, used in known.items():
        folder = folder_of(name)
        folders.setdefault(folder, set()).update({folder_of(each) for each in used} - {folder})
    beside = {
        folder: {each for each in used if each.count(".") == folder.count(".")} for folder, used in folders.items()
    }
    assert len(list(TopologicalSorter(known).static_order())) == len(modules) > 300
    assert set(TopologicalSorter(beside).static_order()) == set(beside)


def folder_of(module: str) -> str:
    """The package and the folder in it, if there is one."""
    return ".".join(module.split(".")[:-1][:2]) or module


def test_wrong_usage_of_every_command_is_one_line() -> None:
    """As `matting_client.cli.parser` says it."""
    plain = "argparse.ArgumentParser("
    assert [path.name for folder in FOLDERS for path in files(ROOT / folder) if plain in path.read_text()] == []


def test_arrays_are_named_in_one_place_of_each_package() -> None:
    named = re.compile(r"^\w+ = NDArray\[", re.MULTILINE)
    found = [path for folder in FOLDERS for path in files(ROOT / folder) if named.search(path.read_text())]
    assert found and {path.name for path in found} == {"types.py"}


@pytest.mark.parametrize("file", files(CLIENT), ids=lambda path: str(path.relative_to(CLIENT)))
def test_errors_of_the_library_name_no_option_of_the_command_line(file: Path) -> None:
    """The page and the API show them, too; the command line adds its dashes itself."""
    if file.is_relative_to(CLIENT / "cli") or file.name in ("hosts.py", "serving.py"):  # what serving commands share
        return
    told = [
        text.value
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in matting_client.__all__
        for text in ast.walk(call)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    ]
    assert [text for text in told if re.search(r"(^|\s)--?[a-z]", text)] == []


def test_no_test_sets_the_clock_of_the_whole_process() -> None:
    """A server that runs in the same process waits by it; `tests.support.clock` sets a module's."""
    clock = re.compile(r"""setattr\((time, |"time\.)["']?(monotonic|perf_counter|sleep)\b""")
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert len(tests) > 200 and [path.name for path in tests if clock.search(path.read_text())] == []
