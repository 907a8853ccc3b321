"""Small attacks by slowness: they must not keep other clients waiting (`benchmarks.slow`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.require import command

pytestmark = pytest.mark.debian("slowhttptest")


@pytest.mark.parametrize("mode", ["head", "body", "read", "range"])
def test_slow_clients_hold_up_nobody(tmp_path: Path, mode: str) -> None:
    command("slowhttptest", "slowhttptest")
    pytest.importorskip("rich")
    result = tmp_path / "result.json"
    small = ["--connections", "50", "--duration", "2", "--before", "0.2"]
    bars = ["--max-wait", "60000", "--max-growth", "1000"]  # no measuring here
    options = ["--mode", mode, *small, *bars, "--json", str(result)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "slow", *options],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(result.read_text())["figures"][mode]
    assert figures["closed"] + figures["open"] > 0
