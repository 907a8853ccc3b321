"""The floor: a small C program that only receives and sends, compiled where a compiler is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.environment import UnavailableError

SOURCE = Path(__file__).with_name("floor.c")


def has_compiler() -> bool:
    return shutil.which("gcc") is not None


def compile_floor(directory: Path) -> Path:
    """Compile it into a directory; return the program."""
    if not has_compiler():
        raise UnavailableError("gcc is not installed; apt-get install gcc libc6-dev")
    program = directory / "floor"
    done = subprocess.run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(SOURCE)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise UnavailableError(f"gcc cannot compile {SOURCE.name}: {done.stderr}")
    return program
