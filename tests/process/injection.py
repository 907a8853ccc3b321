"""Lets system calls of running processes fail, by ``strace -f -p PID -e inject=…``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT

from tests.support.require import command, give_up
from tests.support.server import DEADLINE

_LINE = re.compile(r"^[0-9]+ +[a-z]", re.MULTILINE)


class Trace:
    """The calls that strace has seen, complete after the end of the block."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def injected(self) -> int:
        """Return how many calls failed because they were made to."""
        return self._path.read_text(errors="replace").count("(INJECTED)")

    def calls(self) -> int:
        """Return how many calls there were: those that are made to fail, and waits for events."""
        return len(_LINE.findall(self._path.read_text(errors="replace")))


@contextmanager
def failing(pids: Sequence[int], call: str, error: str, when: str, output: Path) -> Iterator[Trace]:
    """Let a system call fail in all threads of these processes, and in their later children.

    Args:
        pids: the processes.
        call: the names of one or several calls, or a class of strace's such as ``%%stat``.
        error: the name of the error.
        when: which calls of each thread fail; ``1+2`` is the first and each second one after it.
        output: where the trace goes.
    """
    rules = f"trace={call},epoll_wait,poll", f"inject={call}:error={error}:when={when}"
    process = subprocess.Popen(
        [command("strace", "strace"), "-f", "-o", str(output)]
        + [word for rule in rules for word in ("-e", rule)]
        + [word for pid in pids for word in ("-p", str(pid))],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        for _ in pids:
            said = process.stderr.readline()
            if "attached" not in said:
                give_up(f"strace may not trace other processes here (ptrace): {said.strip()}")
        yield Trace(output)
    finally:
        process.send_signal(SIGINT)
        process.communicate(timeout=DEADLINE)
