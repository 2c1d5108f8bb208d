"""The documents build as a site, and nothing in them points nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")})
MOST_WORDS = 900


def test_the_site_builds(tmp_path: Path) -> None:
    """Strictly: a link, an anchor or a name that does not exist is an error."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site" / "python" / "index.html").read_text(encoding="utf-8")
    assert "with_options" in reference  # made of the docstrings


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_both_readmes_show_the_same() -> None:
    """Pictures and the figures of the tables, whose words differ."""
    shown = []
    for name in ("README.md", "README.zh.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        cells = [cell.strip() for line in text.splitlines() if line.startswith("|") for cell in line.split("|")]
        shown.append((re.findall(r"\((docs/\S+\.webp)\)", text), [each for each in cells if each[:1].isdecimal()]))
    assert len(shown[0][1]) > 10
    assert shown[0][0] == shown[1][0]
    assert [each.split()[0] for each in shown[0][1]][1:] == [each.split()[0] for each in shown[1][1]][1:]


def test_every_picture_is_shown() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = [*(ROOT / "docs").rglob("*.webp")]
    assert pictures
    assert [each.name for each in pictures if f"{each.name})" not in text] == []


def direct_dependencies() -> set[str]:
    """Packages of others that the two pyproject.toml name."""
    found = set()
    for path in (ROOT / "pyproject.toml", ROOT / "client" / "pyproject.toml"):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for line in chain(project["dependencies"], *project["optional-dependencies"].values()):
            found.add(re.split(r"[^\w.-]", line)[0])
    return found - {"matting-client", "unet-matting"}


def test_everything_that_we_build_on_is_named_with_its_licence() -> None:
    rows = [row for row in (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8").splitlines() if row.startswith("| ")]
    named = {each.lower() for row in rows for each in re.findall(r"[\w.-]+", row.split("|")[1])}
    dependencies = {each.lower() for each in direct_dependencies()}
    assert len(dependencies) > 40
    assert dependencies - named == set()


def test_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= MOST_WORDS
    assert text.index("```bash") < 800 and text.index("```python") < 1000  # above the fold
