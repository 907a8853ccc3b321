"""What the README tells people to type works as it says, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.launch import PHTTPD, ROOT, environment
from tests.support.server import DEADLINE, READY, Lines

COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()
    if line.startswith(("make ", "phttpd "))
]
COMMANDS_OF_DAEMON = {"start", "status", "reload", "upgrade", "stop", "--check"}


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """What a clone has, with a config that takes any free port."""
    path = tmp_path / "phttpd"
    left_out = shutil.ignore_patterns(".venv*", ".git", "*.bin", "__pycache__", ".*_cache", "logs")
    shutil.copytree(ROOT, path, ignore=left_out)
    config = path / "etc" / "phttpd.yaml"
    config.write_text(config.read_text().replace("port: 8080", "port: 0"))
    (tmp_path / "public").mkdir()
    yield path
    run(path, "stop")


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PHTTPD, *words],
        cwd=checkout,
        env=environment({"PYTHONPATH": str(checkout), "HOME": str(checkout.parent)}),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def interrupt_when_ready(process: subprocess.Popen[str]) -> int:
    """Do as somebody at a terminal does: see it serve, press Ctrl-C, see it end."""
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


def test_the_commands_of_the_readme(checkout: Path) -> None:
    commands = [line for line in COMMANDS if line.startswith("phttpd ")]
    assert len(commands) >= 8
    for line in commands:
        words = [word.replace("~", str(checkout.parent)) for word in shlex.split(line)[1:]]
        if words[0] not in COMMANDS_OF_DAEMON:
            words += ["--port", "0", *["--verbose"] * ("--verbose" not in words)]
            assert interrupt_when_ready(start([*PHTTPD, *words], checkout)) == 0
        else:
            result = run(checkout, *words)
            assert (result.returncode, result.stderr) == (0, ""), line


def test_make_run(checkout: Path) -> None:
    """Makes its own virtual environment from the package registry, so it needs a network."""
    if os.environ.get("PHTTPD_TESTS_REQUIRE_ALL") != "1":
        pytest.skip("downloads packages; set PHTTPD_TESTS_REQUIRE_ALL=1 to run it")
    assert "make run" in COMMANDS
    process = start(["make", "run"], checkout)
    assert interrupt_when_ready(process) in (
        0,
        2,
        -signal.SIGINT,
    )  # make says that it was interrupted
    assert (checkout / ".venv" / "bin" / "phttpd").exists()
    assert not (checkout / "logs" / "phttpd.pid").exists()
