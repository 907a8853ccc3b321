"""Starts and stops the two servers, silent and on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.environment import MeasurementError, UnavailableError
from benchmarks.processes import cpu_seconds
from benchmarks.siege.figures import SEQUENTIAL

HOST = "127.0.0.1"

PROJECT = Path(__file__).parents[2]

DEADLINE = 20.0
"""Seconds that a server may take to start or to stop."""

PATIENCE = 60.0
"""Seconds that a response may take while the server is still busy with what Siege left behind."""

POLL = 0.02
"""Seconds between two looks at whether a server is ready."""

# All else is phttpd's default; so it is silent.
PHTTPD_CONFIG = """
host: {host}
port: {port}
docroot: {docroot}
pidfile: {directory}/phttpd.pid
daemon: false
"""


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def url(self, page: str) -> str:
        return f"http://{HOST}:{self.port}/{page}"

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server so far; 0 if it has ended."""
        return cpu_seconds(self.process.pid)

    def said(self) -> str:
        """Return what the server wrote so far, the end of it if it is long."""
        return self.output.read_text(errors="backslashreplace")[-500:]

    def check(self, page: str, content: bytes) -> None:
        """See that the server is alive and well, and done with the clients that it had.

        Raises:
            MeasurementError: it is not.
        """
        if self.process.poll() is not None:
            raise MeasurementError("the server has ended")
        try:
            with closing(HTTPConnection(HOST, self.port, timeout=PATIENCE)) as connection:
                connection.request("GET", f"/{page}", headers={"Connection": "close"})
                received = connection.getresponse().read()
        except (OSError, HTTPException) as error:
            raise MeasurementError(f"the server does not answer any more ({error})") from None
        if received != content:
            raise MeasurementError("the server sends a page that differs from the file")


def command(kind: str, docroot: Path, directory: Path, port: int) -> list[str]:
    """Return the command that runs a server, after writing its configuration if it has one."""
    if kind == SEQUENTIAL:
        module = "benchmarks.siege.sequential"
        return [sys.executable, "-m", module, "--base", str(docroot), "--port", str(port)]
    config = directory / "phttpd.yaml"
    config.write_text(
        PHTTPD_CONFIG.format(host=HOST, port=port, docroot=docroot, directory=directory)
    )
    return [sys.executable, "-m", "httpd", "--config", str(config), "--foreground"]


@contextmanager
def run(kind: str, docroot: Path) -> Iterator[Server]:
    """Run a server for a `with` block.

    Args:
        kind: SEQUENTIAL or PHTTPD.
        docroot: the directory that it serves.

    Raises:
        UnavailableError: it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="phttpd-siege-") as name:
        directory = Path(name)
        output = directory / "output"
        port = free_port()
        with output.open("wb") as file:
            process = subprocess.Popen(
                command(kind, docroot, directory, port),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=PROJECT,
                process_group=0,
            )
        try:
            wait_until_ready(process, kind, port, output)
            yield Server(process, port, output)
        finally:
            stop(process)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(process: subprocess.Popen[bytes], kind: str, port: int, output: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not accepts(port):
        try:
            process.wait(POLL)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
        raise UnavailableError(f"{kind} did not start: {output.read_text() or 'it said nothing'}")


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server: with SIGTERM, and if that does not help, all its processes at once."""
    process.terminate()
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
