"""Messages to the journal of systemd: priorities instead of time and level."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process.launch import PHTTPD, ROOT, environment
from tests.support.raw import ask
from tests.support.server import DEADLINE, Lines

ADDRESS = re.compile(r"at http://127\.0\.0\.1:(\d+)/")


@contextmanager
def journaled(site: Path, *options: str, named: bool = True) -> Iterator[Lines]:
    """Run a server whose output is a stream socket, and yield what it writes."""
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    stream = f"{status.st_dev}:{status.st_ino if named else 1}"
    command = [*PHTTPD, "--foreground", "--port", "0", "--host", "127.0.0.1", "--base", str(site)]
    with ours, ours.makefile("r", encoding="utf-8") as lines:
        process = subprocess.Popen(
            [*command, "--workers", "1", "--threads", "1", *options],
            stdin=subprocess.DEVNULL,
            stdout=theirs.fileno(),
            stderr=theirs.fileno(),
            cwd=ROOT,
            env=environment({"JOURNAL_STREAM": stream}),
        )
        theirs.close()
        said = Lines(lines)
        try:
            yield said
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE)
            said.rest()
        finally:
            process.kill()
            process.wait(DEADLINE)


def test_journal_gets_priorities_and_no_time(site: Path) -> None:
    with journaled(site, "--verbose", "--pidfile", str(site / "pid")) as said:
        port = int(said.wait_for(ADDRESS)[1])
        assert ask(port, "/", "Connection: close").status == 200
        said.wait_for(r"^<7>loop 0\.0\[\d+\]: connection \S+ closed: answered$")
    assert [line for line in said.seen if line.startswith("<5>supervisor[")]
    messages = [line for line in said.seen if '"GET / HTTP/1.1" 200' not in line]
    assert all(re.match(r"<[57]>(supervisor|loop 0\.0)\[\d+\]: ", line) for line in messages)


def test_failed_start_is_an_error_in_the_journal(site: Path) -> None:
    with journaled(site, "--recv", "much") as said:
        said.wait_for(r"^<3>phttpd: --recv: ")


def test_stream_that_is_not_the_journal_gets_the_time(site: Path) -> None:
    """The variable is inherited by programs whose output goes elsewhere."""
    with journaled(site, "--verbose", "--pidfile", str(site / "pid"), named=False) as said:
        said.wait_for(r"^\d{4}-\d\d-\d\dT\S+ notice supervisor\[\d+\]: serving ")
