"""Each Python that is measured gets every figure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import require
from tests.support.server import DEADLINE

ROOT = Path(__file__).parents[2]


def pythons(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "pythons", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE,
        check=False,
    )


@pytest.fixture(autouse=True, scope="module")
def libraries() -> None:
    require.module("rich", "bench")
    require.module("matplotlib", "bench")


@pytest.mark.debian("wrk")
def test_python_that_is_measured_gets_all_figures(tmp_path: Path) -> None:
    require.command("wrk", "wrk")
    path = tmp_path / "pythons.json"
    options = ("--rounds=1", "--part=times", f"--json={path}")
    done = pythons(f"--python={sys.executable}", *options)
    assert done.returncode == 0, done.stderr
    (figures,) = json.loads(path.read_text())["figures"]["pythons"].values()
    assert list(figures) == [
        "a hit, µs",
        "a close, µs",
        "a new header section, µs",
        "a first request, µs",
        "start, ms",
        "memory of a worker, MB",
    ]
    assert min(figures.values()) > 0


def test_python_that_cannot_run_phttpd_is_refused() -> None:
    done = pythons("--python=/nowhere/python3")
    assert (done.returncode, "/nowhere/python3" in done.stderr) == (69, True), done.stderr
