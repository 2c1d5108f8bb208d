"""`matting migrate`."""

from __future__ import annotations

import os
import time
import tomllib
from pathlib import Path

import pytest
from matting_api.migrate import MOST_BYTES, SKIPPED, main
from matting_client import OptionError

SOURCES = {
    "src/cut.py": 'import requests\nrequests.post("https://api.remove.bg/v1.0/removebg", headers={"X-Api-Key": KEY})\n',
    "src/old.py": "from removebg import RemoveBg\n",
    "src/other.py": "import remove_bg_api\n",
    "web/app.ts": 'import { removeBackgroundFromImageFile } from "remove.bg";\n',
    "web/axios.js": "const host = 'api.remove.bg';\n\nconst o = {add_shadow: true};\n",
    "lib/cut.rb": 'require "remove_bg"\n',
    ".env.example": "REMOVE_BG_API_KEY=\n",
    ".github/workflows/ci.yml": "    REMOVE_BG_API_KEY: ${{ secrets.KEY }}\n",
    "README.md": "We use [remove.bg](https://www.remove.bg/).\n",
}
OTHERS = {
    "node_modules/remove.bg/index.js": 'const API = "https://api.remove.bg/v1.0/removebg";\n',
    ".git/config": "api.remove.bg\n",
    "package-lock.json": "api.remove.bg\n",
    "src/plain.py": "def remove_background(photo):\n    return removed, bg\n",
    "src/name.py": "import removebg_helpers\nremovebg = 'removebg'\nimport os, removebg_helpers\n",
    "src/name.sh": "removebg=1\nremovebg_all photos/*.jpg\n",
}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for name, text in {**SOURCES, **OTHERS}.items():
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "code" / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR api.remove.bg \xff\xfe")
    (tmp_path / "code" / "loop").symlink_to(tmp_path / "code")
    return tmp_path / "code"


def test_places_are_found_and_nothing_else(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in code.rglob("*") if path.is_file()}
    assert main([str(code), "--server", "https://photos.example.com/"]) == 1
    said = capsys.readouterr().out
    found = {line.partition(":")[0] for line in said.splitlines() if line.startswith(str(code))}
    assert found == {str(code / name) for name in SOURCES}
    assert f"{code}/src/cut.py:2: " in said and "https://photos.example.com in its place" in said
    assert f"{code}/web/axios.js:3: " in said
    assert said.endswith(f"{said.count(str(code))} places in {len(SOURCES)} files call remove.bg\n")
    assert {path: path.read_bytes() for path in code.rglob("*") if path.is_file()} == before


def test_one_file_and_nothing(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(code / "src/old.py")]) == 1
    assert "removebg.removebg.API_ENDPOINT = 'http://127.0.0.1:7860/v1.0/removebg'" in capsys.readouterr().out
    (code / "src/plain.py").write_text("light.shadow_opacity = 0.4\n")
    assert main([str(code / "src/plain.py")]) == 0
    assert capsys.readouterr().out == "nothing calls remove.bg\n"
    assert main([str(code / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_texts_of_any_encoding_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With their lines counted as editors do it; what is not read is named."""
    text = "// größe … \r\n$host = 'api.remove.bg';\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        (tmp_path / f"{encoding}.php").write_bytes(text.encode(encoding))
    (tmp_path / "dump.sql").write_bytes(b"api.remove.bg\n" + b"x" * MOST_BYTES)
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr()
    found = {line.partition(": ")[0] for line in said.out.splitlines() if line.startswith(str(tmp_path))}
    assert found == {f"{tmp_path}/{name}.php:2" for name in ("utf-8", "utf-8-sig", "utf-16", "cp1252")}
    assert f"not read: {tmp_path}/dump.sql (got more than 2 MB" in said.err


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("composer.json", '"mtownsend/remove-bg": "^2.0"', "endpoint = 'https://own.example/v1.0/removebg'"),
        ("Cut.php", "use Mtownsend\\RemoveBg\\RemoveBg;", "endpoint = 'https://own.example/v1.0/removebg'"),
        ("Gemfile", 'gem "remove_bg", "~> 2.0"', "RemoveBg::Api::URL, becomes https://own.example"),
        ("requirements.txt", "removebg==0.4", "removebg.removebg.API_ENDPOINT"),
        ("requirements-dev.txt", "removebg", "removebg.removebg.API_ENDPOINT"),
        ("pyproject.toml", 'dependencies = ["requests", "removebg>=0.4"]', "removebg.removebg.API_ENDPOINT"),
        ("Dockerfile", "RUN pip install requests removebg", "removebg.removebg.API_ENDPOINT"),
        ("package.json", '"remove.bg": "^1.3.0"', "dist/index.js: https://own.example"),
        ("README", "npm install --save remove.bg", "dist/index.js: https://own.example"),
        ("ci.sh", "poetry add removebg", "removebg.removebg.API_ENDPOINT"),
        ("requirements/base.txt", "removebg", "removebg.removebg.API_ENDPOINT"),
        ("cut.py", "import os, removebg", "removebg.removebg.API_ENDPOINT"),
        ("cut.py", 'library = import_module("removebg")', "removebg.removebg.API_ENDPOINT"),
        ("cut.ipynb", '"from removebg import RemoveBg\\n",', "removebg.removebg.API_ENDPOINT"),
        ("cut.js", "const client = require( 'remove.bg' )", "dist/index.js: https://own.example"),
        ("cut.test.js", "vi.mock('remove.bg')", "dist/index.js: https://own.example"),
        ("cut.py", 'run(["removebg", "--api-key", KEY])', "matting cutout FILES"),
        ("cut.sh", "KEY=x removebg photos/*.jpg", "matting cutout FILES"),
        ("README", "See https://remove.bg", "own site"),
        ("cut.js", 'fetch("//api.remove.bg/v1.0/removebg")', "the host of https://own.example"),
        ("nginx.conf", "connect-src https://*.remove.bg", "the host of https://own.example"),
        ("app.js", "const key = config.removeBgApiKey;", "--keys-file"),
        ("application.properties", "remove-bg.api-token=abc", "--keys-file"),
        ("go.mod", "require github.com/remove-bg/go v1.1.0", "client/client.go: https://own.example"),
        ("make.json", '{"module": "remove-bg:removeBackground"}', "call https://own.example/v1.0/removebg by HTTP"),
        ("zap.json", '{"selected_api": "RemoveBgCLIAPI@1.0.0"}', "call https://own.example/v1.0/removebg by HTTP"),
        ("n8n.json", '{"type": "n8n-nodes-removebg.cut"}', "call https://own.example/v1.0/removebg by HTTP"),
    ],
)
def test_packages_of_clients_are_places(
    name: str, text: str, advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text + "\n")
    assert main([str(tmp_path), "--server", "https://own.example"]) == 1
    said = capsys.readouterr().out
    assert f"{name}:1: {text}" in said and advice in said and "\n1 place in 1 file calls" in said


def test_lines_that_go_on_are_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.sh").write_text("pip install \\\n  requests \\\r\n  removebg\ncurl https://api.remove.bg\n")
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "run.sh:3: removebg\n" in said and "run.sh:4: curl " in said


def test_keys_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = "Ab3" * 8
    lines = (
        f"REMOVE_BG_API_KEY={key}",
        f"curl -H 'X-Api-Key: {key}' https://api.remove.bg/v1.0/account",
        f'run(["removebg", "--api-key", "{key}"])',
        f"removebg --api-key {key} a.jpg",
        f"REMOVEBG_TOKEN={key}",
    )
    (tmp_path / "cut.sh").write_text("\n".join(lines))
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert key not in said and said.count("***") >= len(lines)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_not_well(tmp_path: Path) -> None:
    for place in (tmp_path / "folder", tmp_path / "file.py"):
        if place.suffix:
            place.touch()
        else:
            place.mkdir()
        place.chmod(0)
        with pytest.raises(PermissionError):
            main([str(place)])


@pytest.mark.parametrize("part", ["npm install x ", "uv add x ", "mock", "A=b ", '"import a,b,'])
def test_a_long_line_takes_no_longer_than_its_length(part: str, tmp_path: Path) -> None:
    (tmp_path / "cut.sh").write_text(part * (200_000 // len(part)))
    before = time.process_time()
    assert main([str(tmp_path)]) == 0
    assert time.process_time() - before < 10  # s; 40 and more where it goes with the square


@pytest.mark.parametrize("server", ["ftp://own.example", "own.example", ""])
def test_a_server_is_an_address(server: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--server: got"):
        main([str(tmp_path), "--server", server])


def test_what_is_left_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("app/build", "vendor", ".cache", ".git", "app/__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "cut.sh").write_text("curl https://api.remove.bg/v1.0/removebg\n")
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == "nothing calls remove.bg in what was read\n"
    told = [line.partition("left out: ")[2] for line in said.err.splitlines()]
    assert told == [f"{tmp_path}/.cache/", f"{tmp_path}/vendor/", f"{tmp_path}/app/build/"]
    assert main([str(tmp_path / "vendor")]) == 1


def test_it_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["matting_client.commands"]["migrate"] == "matting_api.migrate:main"
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and "exit code" in said and all(name in said for name in SKIPPED)
