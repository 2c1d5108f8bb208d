"""Rules, dashboard and unit file; `tests/protocol/test_production.py` runs the first two against real servers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import matting_server.main
import pytest

from tests.support.programs import ROOT, example, find

PROMETHEUS = ROOT / "deploy" / "prometheus"
UNIT = "systemd/matting.service"


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([find("promtool"), *arguments], cwd=folder, capture_output=True, text=True)


def test_rules() -> None:
    done = promtool(PROMETHEUS, "test", "rules", "rules_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert promtool(PROMETHEUS, "check", "config", "prometheus.yml").returncode == 0


def test_every_rule_has_a_test() -> None:
    names = re.findall(r"(?:alert|record): (\S+)", (PROMETHEUS / "rules.yml").read_text())
    tested = (PROMETHEUS / "rules_test.yml").read_text()
    assert len(names) == 12 and all(name in tested for name in names)


@pytest.mark.parametrize(("right", "wrong"), [("== 0\n        for: 1m", "== 0\n        for: 9m"), ("> 100", "> 1000")])
def test_the_rules_tests_notice_mistakes(tmp_path: Path, right: str, wrong: str) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    (tmp_path / "prometheus" / "rules.yml").write_text(example("prometheus/rules.yml", {right: wrong}))
    assert promtool(tmp_path / "prometheus", "test", "rules", "rules_test.yml").returncode == 1


def test_dashboard() -> None:
    dashboard = json.loads(example("grafana/dashboard.json", {}))
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in dashboard["panels"]})
    for panel in dashboard["panels"]:
        assert panel["title"] and panel["targets"]
        for target in panel["targets"]:
            used = set(re.findall(r"\$\{?(\w+)", target["expr"] + target["datasource"]["uid"]))
            assert used <= variables | {"__rate_interval"}, target


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_unit_file(tmp_path: Path) -> None:
    """With a program where the unit file expects ours."""
    home = tmp_path / "unet-matting"
    program = home / ".venv" / "bin" / "matting"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "matting.service"

    def verify(text: str) -> str:
        unit.write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
        return "\n".join(line for line in (done.stdout + done.stderr).splitlines() if "matting.service" in line)

    text = example(UNIT, {"/opt/unet-matting": home})
    assert verify(text) == ""
    assert "'TimeoutStopSecs' in section" in verify(text.replace("TimeoutStopSec=", "TimeoutStopSecs="))


def test_what_the_unit_file_starts() -> None:
    (line,) = [line for line in example(UNIT, {}).splitlines() if line.startswith("ExecStart=")]
    words = line.removeprefix("ExecStart=").split()
    assert words[0].endswith("/.venv/bin/matting") and words[1] == "serve"
    assert matting_server.main.parser().parse_args(words[2:]).page
