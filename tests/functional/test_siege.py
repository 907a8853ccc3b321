"""Siege, the tool that the assignment measures with: every transaction must succeed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.require import command
from tests.support.server import Server

pytestmark = pytest.mark.debian("siege")


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
@pytest.mark.parametrize("users", [1, 64])
def test_siege_has_no_failed_transaction(
    server: Server, tmp_path: Path, users: int, connection: str
) -> None:
    siege = command("siege", "siege")
    settings = tmp_path / "siegerc"
    settings.write_text(f"connection = {connection}\nparser = false\nlimit = 255\n")
    options = [f"--rc={settings}", "--benchmark", "--json-output", f"--concurrent={users}"]
    result = subprocess.run(
        [siege, *options, "--reps=20", f"{server.url}/index.html"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    figures = json.loads(result.stdout[result.stdout.index("{") :])
    assert figures["transactions"] == figures["successful_transactions"] == 20 * users
    assert figures["failed_transactions"] == 0
