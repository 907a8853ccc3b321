"""What a race is run on: the machine, and the versions of who takes part."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpd
from benchmarks.environment import program

COMMANDS = {
    "nginx": ("nginx", "-v"),
    "lighttpd": ("lighttpd", "-v"),
    "h2o": ("h2o", "--version"),
    "apache": ("apache2", "-v"),
}

PACKAGES = {
    "gunicorn": ("gunicorn", "whitenoise"),
    "uvicorn": ("uvicorn", "starlette"),
    "cheroot": ("cheroot", "whitenoise"),
    "granian": ("granian", "starlette"),
}


def describe() -> dict[str, str]:
    """Return what there is to know about the machine, by its name."""
    model = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": model[1] if model else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(memory[1]) / 1e6:.0f} GB" if memory else "unknown",
        "kernel": platform.release(),
        "Python": platform.python_version(),
    }


def version_of(racer: str) -> str:
    """Return the version of a racer, and of what serves files for it."""
    if racer == "phttpd":
        return httpd.__version__
    if command := COMMANDS.get(racer.partition("-")[0]):
        done = subprocess.run(
            [program(command[0], command[0]), command[1]],
            check=False,
            capture_output=True,
            text=True,
            timeout=10,
        )
        found = re.search(r"\d+\.\d[\w.]*", done.stdout + done.stderr)
        return found[0] if found else "unknown"
    if racer == "http.server":
        return platform.python_version()
    try:
        parts = [f"{name} {version(name)}" for name in PACKAGES.get(racer, ())]
    except PackageNotFoundError:
        return "unknown"
    return " with ".join(parts).removeprefix(f"{racer} ")
