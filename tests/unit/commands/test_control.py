"""What a command sees of a change at its rarest moment; all else is tested with real daemons."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from httpd.commands import control, running
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.process.errors import EX_OK, StartError

SUCCESSOR = 1


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Scoreboard:
    """The scoreboard of a daemon, which is this process; no signal is sent."""
    board = Scoreboard.create(1, 1, 1)
    board.phase = Phase.SERVING
    monkeypatch.setattr(control, "read_all", lambda _: [board])
    monkeypatch.setattr(control, "find_supervisor", lambda _: os.getpid())
    monkeypatch.setattr(running, "find_supervisor", lambda _: os.getpid())
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    return board


def test_reload_of_a_daemon_that_was_just_replaced_goes_to_the_successor(
    board: Scoreboard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The daemon does not serve any more, which is not a failure."""
    looks = [os.getpid(), SUCCESSOR]

    def find(_: str) -> int:
        pid = looks.pop(0)
        if len(looks) == 1:
            board.phase = Phase.STOPPING
        return pid

    monkeypatch.setattr(control, "find_supervisor", find)
    assert control.upgrade(str(tmp_path / "pid")) == EX_OK


def test_reload_of_a_daemon_that_does_not_serve_fails(board: Scoreboard, tmp_path: Path) -> None:
    board.phase = Phase.STOPPING
    with pytest.raises(StartError, match=r"just starting or ending"):
        control.upgrade(str(tmp_path / "pid"))
