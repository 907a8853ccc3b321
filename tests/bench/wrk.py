"""Runs wrk, a load generator in C, and reads its figures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.environment import MeasurementError, pinned, program

# Seconds in the units that wrk prints times in.
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """What wrk saw: answers in total and per second, latency in seconds, answers that failed."""

    answers: int
    per_second: float
    p50: float
    p99: float
    not_2xx_3xx: int
    socket_errors: int


def run(
    url: str, *, connections: int, seconds: int, core: int | None, headers: Sequence[str] = ()
) -> Load:
    """Load a URL from one thread, on a core of its own."""
    command = [program("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for header in headers:
        command += ["-H", header]
    command.append(url)
    with pinned(core):
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=seconds + 60
        )
    if done.returncode:
        raise MeasurementError(
            f"wrk ended with status {done.returncode}: {done.stderr or done.stdout}"
        )
    return parse(done.stdout)


def parse(text: str) -> Load:
    """Read wrk's report."""
    return Load(
        answers=int(find(r"(\d+) requests in", text)),
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
