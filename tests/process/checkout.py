"""A copy of the checkout, in which a test can do what a user does after `git clone`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.process.launch import PHTTPD, ROOT, environment
from tests.support.server import DEADLINE, READY, Lines

_LEFT_OUT = shutil.ignore_patterns(
    ".venv*", ".git", "*.bin", "__pycache__", ".*_cache", ".hypothesis", "build", "dist", "logs"
)


class Checkout:
    """A copy of the files of a clone.

    Its config file takes any free port. The home directory of its user has a directory `public`.

    Args:
        home: the home directory; the copy is made in it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "phttpd"
        shutil.copytree(ROOT, self.path, ignore=_LEFT_OUT)
        config = self.path / "etc" / "phttpd.yaml"
        text = config.read_text()
        assert "\nport: 8080\n" in text
        config.write_text(text.replace("\nport: 8080\n", "\nport: 0\n"))
        (home / "public").mkdir()
        self._environment = environment({"PYTHONPATH": str(self.path), "HOME": str(home)})

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `phttpd` with these words to its end."""
        return subprocess.run(
            [*PHTTPD, *words],
            cwd=self.path,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def interrupt_when_ready(
        self, *command: str, patience: float = DEADLINE
    ) -> tuple[int, list[str]]:
        """Run a server as a person at a terminal does: press Ctrl-C when it serves.

        Args:
            command: starts a verbose server in the foreground.
            patience: seconds until it serves.

        Returns:
            The exit status, and the lines of standard error.
        """
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert process.stdout
        assert process.stderr
        out, err = Lines(process.stdout), Lines(process.stderr)
        try:
            out.wait_for(READY, patience)
            os.killpg(process.pid, signal.SIGINT)
            status = process.wait(DEADLINE)
            out.rest()
            return status, err.rest()
        finally:
            with suppress(ProcessLookupError):  # also what make has left running
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
