"""Starts phttpd the way its users do: in the foreground, as a daemon, with words and options."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import Signals

from tests.process import proc
from tests.process.events import LogFile, Process
from tests.support.server import DEADLINE, READY, Lines

ROOT = Path(__file__).parents[2]
PHTTPD = (sys.executable, "-m", "httpd")

Setting = str | int | bool | Mapping[str, str] | Sequence[str | Mapping[str, str]]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which `python -m httpd` is found from every directory.

    Its output is buffered, as that of most users, whatever the tests run with.
    """
    inherited = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    return {**inherited, "PYTHONPATH": str(ROOT), **(more or {})}


def run(
    *words: str | Path,
    cwd: Path = ROOT,
    prefix: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; a process that keeps its output open is a TimeoutExpired."""
    return subprocess.run(
        [*prefix, *PHTTPD, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=cwd,
        env=environment(env),
        check=False,
    )


def write_config(path: Path, **settings: Setting) -> Path:
    """Write a configuration file, one key a line: JSON values are YAML values."""
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))
    return path


def free_port() -> int:
    """Return a port that is not in use, below those that the kernel gives to clients."""
    while True:
        port = random.randint(10000, 30000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def refused(port: int) -> bool:
    """Tell whether no process listens on a port of this machine."""
    if proc.listens(port):  # a connection in the last moments of a drain may take a second
        return False
    with socket.socket() as probe:
        probe.settimeout(DEADLINE)
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Foreground:
    """A phttpd in the foreground, in a process group of its own."""

    def __init__(
        self,
        *options: str | Path,
        cwd: Path = ROOT,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.process = subprocess.Popen(
            [*prefix, *PHTTPD, "--foreground", *map(str, options)],
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            cwd=cwd,
            env=environment(env),
            process_group=0,
        )
        assert self.process.stdout
        assert self.process.stderr
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)
        self.pid = self.process.pid
        self.port = 0

    def wait_until_ready(self) -> None:
        self.port = int(self.out.wait_for(READY)[1])

    def workers(self) -> list[int]:
        return proc.children(self.pid)

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def signal_group(self, number: Signals) -> None:
        """Send a signal the way a terminal does: to the supervisor and all workers."""
        os.killpg(self.pid, number)

    def wait(self) -> int:
        """Return the exit status, once the server and all its workers have ended."""
        status = self.process.wait(DEADLINE)
        self.out.rest()
        self.err.rest()
        return status

    def stop(self) -> int:
        """Drain with SIGTERM and return the exit status."""
        self.signal(Signals.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End the server and its workers at once, whatever state they are in."""
        with suppress(ProcessLookupError):
            self.signal_group(Signals.SIGKILL)
        self.process.wait(DEADLINE)


@contextmanager
def foreground(
    docroot: Path,
    /,
    *options: str | Path,
    prefix: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    errors: str | None = None,
    **settings: Setting,
) -> Iterator[Foreground]:
    """Run a verbose server for a `with` block; afterwards it must stop cleanly.

    It may say on stderr only what the pattern `errors` is found in. Its pidfile is by the docroot.
    """
    config = docroot.with_name(f"{docroot.name}.yaml")
    defaults: dict[str, Setting] = {
        "docroot": str(docroot),
        "host": "127.0.0.1",
        "port": 0,
        "workers": 2,
        "threads": 2,
        "pidfile": str(docroot.with_name(f"{docroot.name}.pid")),
    }
    write_config(config, **{**defaults, **settings})
    server = Foreground(
        "-c", config, "--verbose", *options, prefix=prefix, env=env, pass_fds=pass_fds
    )
    try:
        server.wait_until_ready()
        yield server
        if server.process.poll() is None:
            server.signal(Signals.SIGTERM)
        assert server.wait() == 0
        unexpected = server.err.seen
        if errors is not None:
            unexpected = [line for line in unexpected if not re.search(errors, line)]
        assert unexpected == []
    finally:
        server.kill()


class Daemon:
    """A phttpd in the background: its configuration, and its files."""

    def __init__(self, docroot: Path, /, **settings: Setting) -> None:
        self.docroot = docroot
        self.directory = docroot.parent
        self.pidfile = self.directory / "phttpd.pid"
        self.log = LogFile(self.directory / "phttpd.log")
        self.port = free_port()
        self.config = self.directory / "phttpd.yaml"
        self.settings: dict[str, Setting] = {
            "host": "127.0.0.1",
            "port": self.port,
            "docroot": str(docroot),
            "workers": 2,
            "threads": 2,
            "pidfile": str(self.pidfile),
            "log_file": str(self.log.path),
        }
        self.configure(**settings)

    def configure(self, **settings: Setting) -> None:
        """Write the configuration file with these settings changed."""
        self.settings.update(settings)
        write_config(self.config, **self.settings)

    def run(
        self,
        *words: str | Path,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> subprocess.CompletedProcess[str]:
        """Run the command with the configuration of this daemon."""
        return run("-c", self.config, *words, prefix=prefix, env=env, cwd=cwd)

    def start(self, *words: str | Path, prefix: Sequence[str] = ()) -> None:
        done = self.run(*words, prefix=prefix)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @property
    def pid(self) -> int:
        return int(self.pidfile.read_text())

    def workers(self) -> list[int]:
        return proc.children(self.pid)

    def log_moved(self) -> bool:
        """Tell whether every process of the daemon writes to the file that has the log's name."""
        return self.log.path.exists() and all(
            str(self.log.path) in proc.descriptors(pid).values()
            for pid in [self.pid, *self.workers()]
        )


@contextmanager
def daemon(docroot: Path, /, *words: str | Path, **settings: Setting) -> Iterator[Daemon]:
    """Run a daemon for a `with` block; afterwards it must end and take its pidfile with it."""
    server = Daemon(docroot, **settings)
    server.start(*words)
    with Process(server.pid) as supervisor:
        yield server
        if not supervisor.ended():
            supervisor.signal(Signals.SIGTERM)
        supervisor.wait()
    assert not server.pidfile.exists()
    assert "Traceback" not in server.log.text()
