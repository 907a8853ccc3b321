"""Starts and stops the servers under test, silent and on free ports of 127.0.0.1.

(The server of `tests.support` is verbose, which is right for tests and wrong for measuring.)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.environment import MeasurementError, UnavailableError, pinned, program
from tests.bench.processes import cpu_seconds, loops, pss

HOST = "127.0.0.1"

PROJECT = Path(__file__).parents[2]

DEADLINE = 20.0
"""Seconds that a server may take to start or to stop."""

PATIENCE = 5.0
"""Seconds that a server may take to drain when all clients are gone."""

POLL = 0.02
"""Seconds between two looks at whether a server is ready."""

FOREVER = "100min"
"""A keep-alive timeout that no benchmark lives to see."""

# As Debian ships it (sendfile, tcp_nopush), without the access log, and with enough connections.
NGINX = """
user {user};
worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections {files}; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    types_hash_max_size 2048;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 6000s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {extra}
    server {{ listen {host}:{port} backlog=4096; root {docroot}; }}
}}
"""

PHTTPD = """
host: {host}
port: {port}
docroot: {docroot}
workers: {workers}
threads: {threads}
max_connections: {files}
keepalive_timeout: {forever}
pidfile: {folder}/phttpd.pid
log_file: {folder}/phttpd.log
daemon: false
"""


@dataclass(frozen=True)
class Setup:
    """What to run: `kind` is phttpd or nginx; nginx has one loop per worker."""

    kind: str
    docroot: Path
    workers: int = 2
    threads: int = 4
    connections: int = 16384
    core: int | None = None
    prefix: Sequence[str] = ()
    extra: str = ""
    """Further directives for nginx."""


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


def command(setup: Setup, folder: Path, port: int) -> list[str]:
    """Write the configuration of a server and return the command that runs it."""
    values = {
        "host": HOST,
        "port": port,
        "docroot": setup.docroot,
        "folder": folder,
        "workers": setup.workers,
        "threads": setup.threads,
        "files": setup.connections + 64,
        "user": "root" if os.geteuid() == 0 else "nobody",
        "forever": FOREVER,
        "extra": setup.extra,
    }
    if setup.kind == "nginx":
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(**values))
        nginx = program("nginx", "nginx-light")
        return [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    config = folder / "phttpd.yaml"
    config.write_text(PHTTPD.format(**values))
    return [sys.executable, "-m", "httpd", "--config", str(config), "--foreground"]


@contextmanager
def run(setup: Setup) -> Iterator[Server]:
    """Run a server for a `with` block."""
    with tempfile.TemporaryDirectory(prefix="phttpd-bench-") as name:
        folder = Path(name)
        port = free_port()
        with (folder / "output").open("wb") as output, pinned(setup.core):
            process = subprocess.Popen(
                [*setup.prefix, *command(setup, folder, port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=PROJECT,
                process_group=0,
            )
        try:
            wait_until_ready(process, setup, port, folder)
            yield Server(process.pid, port)
            if process.poll() is not None:
                raise MeasurementError(f"{setup.kind} ended by itself: {said(folder)}")
        finally:
            stop(process)
        if complaint := said(folder):
            raise MeasurementError(f"{setup.kind} was not silent: {complaint}")


def said(folder: Path) -> str:
    """Return what a server wrote, the end of it if it is long."""
    logs = [folder / "output", folder / "error.log", folder / "phttpd.log"]
    texts = [log.read_text(errors="replace") for log in logs if log.exists()]
    return "\n".join(filter(None, texts))[-4000:]


def wait_until_ready(
    process: subprocess.Popen[bytes], setup: Setup, port: int, folder: Path
) -> None:
    """Wait until a server accepts connections and all its loops are there."""
    wanted = setup.workers * (setup.threads if setup.kind == "phttpd" else 1)
    deadline = time.monotonic() + DEADLINE
    while not (accepts(port) and len(loops(process.pid)) >= wanted):
        try:
            process.wait(POLL)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
        raise UnavailableError(f"{setup.kind} did not start: {said(folder) or 'it said nothing'}")


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def stop(process: subprocess.Popen[bytes]) -> None:
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
    raise MeasurementError(f"the server did not stop in {PATIENCE + DEADLINE:g} s")
