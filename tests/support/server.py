"""Runs phttpd in the foreground for a test, and waits for lines of its output.

Used by every test that needs a server.  Nothing here sleeps: readiness, log lines and exits are
events, waited for with a generous deadline.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

DEADLINE = 30.0
"""Seconds that anything in a test may take before it counts as hung."""

READY = re.compile(r"serving .* at http://[^/]*:(\d+)/")


class Lines:
    """The lines that a process writes to one of its streams, collected as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self.seen: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)
        stream.close()

    def wait_for(self, pattern: str | re.Pattern[str], timeout: float = DEADLINE) -> re.Match[str]:
        """Return the match of the next line with `pattern` in it; earlier lines are in `seen`."""
        skipped: list[str] = []
        while True:
            try:
                line = self._queue.get(timeout=timeout)
            except queue.Empty:
                raise AssertionError(
                    f"no line like {pattern!r} in {timeout} s: {skipped}"
                ) from None
            if line is None:
                self._queue.put(None)
                raise AssertionError(f"the stream ended without a line like {pattern!r}: {skipped}")
            self.seen.append(line)
            skipped.append(line)
            if match := re.search(pattern, line):
                return match

    def rest(self, timeout: float = DEADLINE) -> list[str]:
        """Return all lines, once the stream has ended."""
        while (line := self._queue.get(timeout=timeout)) is not None:
            self.seen.append(line)
        self._queue.put(None)
        self._thread.join(timeout)
        return self.seen


class Server:
    """A phttpd in the foreground, verbose, on a free port of 127.0.0.1."""

    def __init__(self, docroot: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="phttpd-test-")
        command = [sys.executable, "-m", "httpd", "--foreground", "--verbose"]
        command += ["--host", "127.0.0.1", "--port", "0", "--base", str(docroot)]
        command += ["--pidfile", f"{self._directory.name}/phttpd.pid", *options]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            cwd=Path(__file__).parents[2],
            env={**os.environ, **(env or {})},
            process_group=0,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)
        self.docroot = docroot
        self.pid = self.process.pid
        try:
            self.port = int(self.out.wait_for(READY)[1])
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}; stderr: {self.err.rest()}") from None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = DEADLINE) -> int:
        """Return the exit status, once the server and all its workers have ended."""
        status = self.process.wait(timeout)
        self.out.rest(timeout)
        self.err.rest(timeout)
        return status

    def stop(self, timeout: float = DEADLINE) -> int:
        """Drain with SIGTERM and return the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """End the server and its workers at once, whatever state they are in."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(DEADLINE)
        self._directory.cleanup()


@contextmanager
def serve(docroot: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Run a server for a `with` block; afterwards it must stop without an error."""
    server = Server(docroot, *options, env=env)
    try:
        yield server
        if server.process.poll() is None:
            assert server.stop() == 0
        assert server.err.rest() == []
    finally:
        server.kill()
