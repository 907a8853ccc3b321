"""The page about the assignment: each command prints what the page shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.process.launch import ROOT, environment, free_port
from tests.support import require
from tests.support.server import DEADLINE

pytestmark = pytest.mark.debian("curl")

PAGE = ROOT / "docs" / "assignment.md"
END = "-- end of a command --"


def commands() -> list[tuple[str, list[str]]]:
    """Return the commands of the page, each with the lines that it has to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_assignment_page_commands_print_what_it_says(tmp_path: Path) -> None:
    require.command("curl", "curl")
    phttpd = tmp_path / "phttpd"
    phttpd.write_text(f'#!/bin/sh\nexec {sys.executable} -m httpd "$@"\n')
    phttpd.chmod(0o755)
    expected = commands()
    assert len(expected) > 20
    script = "".join(f"{command}\necho; echo '{END}'\n" for command, _ in expected)
    for port in ("8080", "8081"):
        script = script.replace(port, str(free_port()))
    env = environment({"TMPDIR": str(tmp_path), "LC_ALL": "C.UTF-8"})
    shell = subprocess.Popen(
        ["bash", "-c", script],
        env={**env, "PATH": f"{tmp_path}:{env['PATH']}"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        out, errors = shell.communicate(timeout=4 * DEADLINE)
    finally:
        with suppress(ProcessLookupError):  # its background processes too
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    assert (shell.returncode, errors) == (0, "")
    printed = out.split(f"\n{END}\n")[:-1]
    for (command, lines), text in zip(expected, printed, strict=True):
        pattern = "\n".join(map(re.escape, lines)).replace("…", ".*")
        assert re.fullmatch(pattern, text.replace("\r", "").removesuffix("\n")), (command, text)
