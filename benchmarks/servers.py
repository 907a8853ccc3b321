"""Starts and stops the servers under test, on free ports of 127.0.0.1.

(The server of `tests.support` is verbose, which is right for tests and wrong for measuring.)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import MeasurementError, UnavailableError, pinned
from benchmarks.kinds import HOST, KINDS, Setup
from benchmarks.processes import cpu_seconds, loops, pss

PROJECT = Path(__file__).parents[1]

DEADLINE = 20.0
"""Seconds that a server may take to start or to stop."""

PATIENCE = 5.0
"""Seconds that a server may take to drain when all clients are gone."""

POLL = 0.02
"""Seconds between two looks at whether a server is ready."""

TOLD = 4000
"""Bytes of a server's complaint that are shown, from the end."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    port: int

    def pss(self) -> int:
        return pss(self.pid)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def spawn(setup: Setup, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a server for a `with` block, and yield it with its port before it is ready."""
    port = free_port()
    command = KINDS[setup.kind].command(setup, directory, port)
    # An installed program is compiled once, so its bytecode is used here too.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with (directory / "output").open("wb") as output, pinned(setup.core):
        process = subprocess.Popen(
            [*setup.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env=environment,
            process_group=0,
        )
    try:
        yield process, port
        if process.poll() is not None:
            raise MeasurementError(f"{setup.kind} ended by itself: {said(directory)}")
    finally:
        stop(process, setup.kind)


@contextmanager
def run(setup: Setup) -> Iterator[Server]:
    """Run a server for a `with` block."""
    with tempfile.TemporaryDirectory(prefix="phttpd-bench-") as name:
        directory = Path(name)
        with spawn(setup, directory) as (process, port):
            wait_until_ready(process, setup, port, directory)
            yield Server(process.pid, port)
        if KINDS[setup.kind].is_silent and not setup.log and (complaint := said(directory)):
            raise MeasurementError(f"{setup.kind} was not silent: {complaint}")


def said(directory: Path) -> str:
    """Return what a server wrote, the end of it if it is long."""
    logs = [directory / "output", directory / "error.log", directory / "phttpd.log"]
    texts = [end_of(log) for log in logs if log.exists()]
    return "\n".join(filter(None, texts))


def end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TOLD))
        return file.read().decode(errors="replace")


def wait_until_ready(
    process: subprocess.Popen[bytes], setup: Setup, port: int, directory: Path
) -> None:
    """Wait until a server accepts connections and all its loops are there."""
    wanted = KINDS[setup.kind].loops(setup)
    deadline = time.monotonic() + DEADLINE
    while not (accepts(port) and len(loops(process.pid)) >= wanted):
        try:
            process.wait(POLL)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
        raise UnavailableError(
            f"{setup.kind} did not start: {said(directory) or 'it said nothing'}"
        )


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def stop(process: subprocess.Popen[bytes], kind: str) -> None:
    """End a server: politely, then with a second signal, at last with all its processes at once.

    The second one is for a drain that waits for clients that are gone, if their farewell was lost.
    """
    for patience in (PATIENCE, DEADLINE):
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    raise MeasurementError(f"{kind} did not stop in {PATIENCE + DEADLINE:g} s")
