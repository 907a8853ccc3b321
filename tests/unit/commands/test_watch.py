"""Looks at a daemon; `tests/process/test_top.py` has those at a real one."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

import pytest

from httpd.commands.watch import Watch, name_loop
from httpd.observe.ledger import Ledger
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.observe.transfers import TransferTable


def test_loops_go_on_writing_during_a_long_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause may be longer than the loops write after a look."""
    board = Scoreboard.create(1, 1, 9_000_001)
    board.phase = Phase.SERVING
    board.facts = {"version": "1"}
    ledger = Ledger.create()
    table = TransferTable.create(1, 1, 8, 9_000_001)
    writer = table.writer(0)
    monkeypatch.setattr("httpd.commands.watch._RENEW_SECONDS", 0.01)
    watch = Watch(str(tmp_path / "pid"), os.getpid())
    figures = watch.look()
    assert figures is not None
    table.watch(0.0)  # as if the last look was long ago
    assert not writer.is_watched(time.monotonic())
    read_fd, write_fd = os.pipe()
    try:
        poll = select.poll()
        poll.register(read_fd, select.POLLIN)
        assert watch.pause(poll, 0.05) == []
        assert writer.is_watched(time.monotonic())
        os.write(write_fd, b"x")
        assert watch.pause(poll, 3600.0) == [(read_fd, select.POLLIN)]
    finally:
        ledger.close()
        os.close(read_fd)
        os.close(write_fd)


def test_loop_is_named_by_generation_worker_and_loop() -> None:
    assert name_loop((4711, 3), 9, 4) == "3.2.1"
