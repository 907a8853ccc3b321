"""Runs wrk, a load generator in C, and reads its figures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.environment import MeasurementError, pinned, program

TIMEOUT = 10
"""Seconds that one response may take."""

# Seconds in the units that wrk prints times in.
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """What wrk saw: responses in total and per second, latency in seconds, failed responses."""

    responses: int
    per_second: float
    p50: float
    p99: float
    not_2xx_3xx: int
    socket_errors: int


def run(
    url: str,
    *,
    connections: int,
    seconds: int,
    core: int | None,
    headers: Sequence[str] = (),
    script: Sequence[str] = (),
    halfway: Callable[[], None] = lambda: None,
) -> Load:
    """Load a URL from one thread, on a core of its own.

    Args:
        url: what to ask for.
        connections: kept busy all the time.
        seconds: of load.
        core: that wrk, and this thread meanwhile, is kept on.
        headers: further field lines.
        script: a Lua file and its arguments.
        halfway: called in the middle of the load.
    """
    command = [program("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command.append(f"--timeout={TIMEOUT}s")
    for header in headers:
        command += ["-H", header]
    if script:
        command += ["-s", script[0]]
    command += [url, "--", *script[1:]]
    with pinned(core):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds / 2)
            halfway()
            output, _ = process.communicate(timeout=seconds + 60)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise MeasurementError(f"wrk ended with status {process.returncode}: {output}")
    if script and script[0] in output:  # wrk goes on without a script that fails
        raise MeasurementError(f"wrk says: {output}")
    return parse(output)


def parse(text: str) -> Load:
    """Read wrk's report."""
    return Load(
        responses=int(find(r"(\d+) requests in", text)),
        per_second=float(find(r"Requests/sec:\s+([\d.]+)", text)),
        p50=duration(find(r"(?m)^ +50% +(\S+)", text)),
        p99=duration(find(r"(?m)^ +99% +(\S+)", text)),
        not_2xx_3xx=int(find(r"Non-2xx or 3xx responses: (\d+)", text, "0")),
        socket_errors=sum(map(int, re.findall(r"\d+", find(r"Socket errors: (.*)", text, "")))),
    )


def find(pattern: str, text: str, default: str | None = None) -> str:
    if match := re.search(pattern, text):
        return match[1]
    if default is None:
        raise MeasurementError(f"wrk said nothing like {pattern!r}: {text}")
    return default


def duration(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    assert match is not None, text
    return float(match[1]) * UNITS[match[2]]
