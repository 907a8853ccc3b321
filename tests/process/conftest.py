"""Fixtures of the process tests: a small site, and a check that no process is left running."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process
from tests.support.server import DEADLINE

MARK = "PHTTPD_TEST_MARK"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A docroot with one small page."""
    docroot = tmp_path / "site"
    docroot.mkdir()
    (docroot / "index.html").write_text("<p>hello\n")
    return docroot


@pytest.fixture(autouse=True)
def no_process_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kill the processes that a test has left running; to leave one is an error.

    All that a test starts inherits a mark in its environment.
    """
    monkeypatch.setenv(MARK, str(tmp_path))
    yield
    left = []
    while found := proc.marked(f"{MARK}={tmp_path}"):
        for pid in found:
            with suppress(ProcessLookupError, FileNotFoundError), Process(pid) as process:
                left.append(f"{pid} ({proc.name(pid)})")
                process.signal(signal.SIGKILL)
                process.wait(DEADLINE)
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
    assert left == [], "still running after the test"
