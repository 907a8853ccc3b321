"""The README: its commands work in a copy of the checkout, its figures are the published ones."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.process.launch import PHTTPD, environment, free_port
from tests.support.server import DEADLINE, READY, Lines

README = ROOT / "README.md"
COMMANDS = [
    line.partition("#")[0].strip()
    for block in blocks(README)
    if block.language == "sh"
    for line in block.text.splitlines()
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a clone has, with a config file that takes any free port."""
    path = tmp_path / "phttpd"
    left_out = shutil.ignore_patterns(".venv*", ".git", "*.bin", "__pycache__", ".*_cache", "logs")
    shutil.copytree(ROOT, path, ignore=left_out)
    config = path / "etc" / "phttpd.yaml"
    config.write_text(config.read_text().replace("port: 8080", "port: 0"))
    (tmp_path / "public").mkdir()
    return path


def interrupt_when_ready(process: subprocess.Popen[str]) -> int:
    """Do as a person at a terminal: wait until it serves, press Ctrl-C, wait for its end."""
    assert process.stdout
    assert process.stderr
    out, err = Lines(process.stdout), Lines(process.stderr)
    try:
        out.wait_for(READY, 10 * DEADLINE)
        os.killpg(process.pid, signal.SIGINT)
        status = process.wait(DEADLINE)
        out.rest()
        assert [line for line in err.rest() if "phttpd" in line] == []
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return status


def start(command: list[str], checkout: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=checkout,
        env=environment({"PYTHONPATH": str(checkout), "HOME": str(checkout.parent)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def test_readme_command_serves_a_directory(checkout: Path) -> None:
    assert COMMANDS[1:] == [".venv/bin/phttpd ~/public"]
    words = [str(checkout.parent / "public"), "--verbose", "--port", str(free_port())]
    assert interrupt_when_ready(start([*PHTTPD, *words], checkout)) == 0


@pytest.mark.network
def test_readme_make_run_serves_the_demo(checkout: Path) -> None:
    """Makes its own virtual environment from the package registry, so it needs a network."""
    assert COMMANDS[0] == "make run"
    process = start(["make", "run"], checkout)
    assert interrupt_when_ready(process) in (
        0,
        2,
        -signal.SIGINT,
    )  # make says that it was interrupted
    assert (checkout / ".venv" / "bin" / "phttpd").exists()
    assert not (checkout / "logs" / "phttpd.pid").exists()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_readme_figures_are_those_of_the_published_race() -> None:
    race = (ROOT / "benchmarks" / "results" / "race.md").read_text("utf-8")
    readme = README.read_text("utf-8")
    processor = re.findall(r"processor: (.*?);", race)
    assert re.findall(r"on one core of an? (.*?),", readme) == processor
    table = race.partition("## CPU time per request")[2].partition("## ")[0]
    header, *published = [cells(line) for line in table.splitlines() if line.startswith("| ")]
    rows = {row[0]: dict(zip(header, row, strict=True)) for row in published}
    shown = [cells(line) for line in readme.splitlines() if line.startswith("| ")]
    assert len(shown) == 11
    for request, *figures in shown[1:]:
        row = rows[request]
        ratio = row["phttpd / nginx"].partition(" [")[0]
        assert figures == [row["phttpd"], row["nginx"], ratio]
