"""Scripts of Bash, with the command `phttpd` as users type it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.process.launch import environment
from tests.support.server import DEADLINE


def run_script(
    script: str, programs: Path, *, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, and end its background processes.

    Args:
        script: of Bash.
        programs: a directory that gets the command `phttpd`, and is the first in which Bash looks.
        cwd: the working directory.
        env: variables to add to the environment.
    """
    command = programs / "phttpd"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m httpd "$@"\n')
    command.chmod(0o755)
    inherited = environment({"LC_ALL": "C.UTF-8", **env})
    with subprocess.Popen(
        ["bash", "-c", script],
        env={**inherited, "PATH": f"{programs}:{inherited['PATH']}:/usr/sbin:/sbin"},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as shell:
        try:
            out, errors = shell.communicate(timeout=4 * DEADLINE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(shell.args, shell.returncode, out, errors)
