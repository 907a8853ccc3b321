"""The Debian package: what it is like, and what it does to a machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import require
from tests.support.server import DEADLINE


def test_lintian_has_nothing_to_say(package: Path) -> None:
    lintian = require.command("lintian", "lintian")
    done = subprocess.run(
        [lintian, "--allow-root", "--fail-on=error,warning", str(package)],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
