"""`matting migrate`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from matting_api.migrate import main

SOURCES = {
    "src/cut.py": 'import requests\nrequests.post("https://api.remove.bg/v1.0/removebg", headers={"X-Api-Key": KEY})\n',
    "src/old.py": "from removebg import RemoveBg\n",
    "src/other.py": "import remove_bg_api\n",
    "web/app.ts": 'import { removeBackgroundFromImageFile } from "remove.bg";\n',
    "web/axios.js": "const host = 'api.remove.bg';\n\nconst o = {add_shadow: true};\n",
    "lib/cut.rb": 'require "remove_bg"\n',
    ".env.example": "REMOVE_BG_API_KEY=\n",
    "README.md": "We use [remove.bg](https://www.remove.bg/).\n",
}
OTHERS = {
    "node_modules/remove.bg/index.js": 'const API = "https://api.remove.bg/v1.0/removebg";\n',
    ".git/config": "api.remove.bg\n",
    "package-lock.json": "api.remove.bg\n",
    "src/plain.py": "def remove_background(photo):\n    return removed, bg\n",
    "src/name.py": "import removebg_helpers\n",
}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for name, text in {**SOURCES, **OTHERS}.items():
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "code" / "photo.png").write_bytes(b"\x89PNG api.remove.bg \xff\xfe")
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
    assert main([str(code / "src/plain.py")]) == 0
    assert capsys.readouterr().out == "nothing calls remove.bg\n"
    assert main([str(code / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_it_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["matting_client.commands"]["migrate"] == "matting_api.migrate:main"
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0 and "exit code" in capsys.readouterr().out
