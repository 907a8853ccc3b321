"""How `phttpd pause` and `resume` find out that each loop has obeyed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from httpd.commands import modes
from httpd.observe.scoreboard import Column, Mode, Phase, Scoreboard
from httpd.process.errors import EX_OK, EX_UNAVAILABLE, StartError

PAUSED = 1 << Mode.PAUSED
FIRST, SUCCESSOR = 1, 2


class Daemon:
    """Takes the place of a daemon: each look of the command lets it go on by a step."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self.board = make_board(1)
        self.boards = [self.board]
        self.pid = FIRST
        self.signals: list[tuple[int, int]] = []
        self.steps = list(steps)

    def find(self, _: str) -> int:
        return self.pid

    def read(self, _: int) -> list[Scoreboard]:
        if self.steps:
            self.steps.pop(0)()
        return self.boards


def make_board(number: int) -> Scoreboard:
    board = Scoreboard.create(2, 1, number)
    board.phase = Phase.SERVING
    for worker in range(2):
        board.set_pid(worker, 10 + worker)
    return board


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon = Daemon()
    monkeypatch.setattr(modes, "find_daemon", daemon.find)
    monkeypatch.setattr(modes, "read_all", daemon.read)
    monkeypatch.setattr(os, "kill", lambda *sent: daemon.signals.append(sent))
    monkeypatch.setattr(modes, "_LOOK_SECONDS", 0.0)
    return daemon


def set_loop(board: Scoreboard, loop: int, modes: int) -> None:
    board.column(Column.MODES)[loop] = modes


def test_pause_waits_for_each_loop(daemon: Daemon, capfd: pytest.CaptureFixture[str]) -> None:
    former = make_board(2)
    former.phase = Phase.DRAINING
    former.column(Column.CONNECTIONS)[1] = 1
    former.set_pid(0, 0)
    daemon.boards.append(former)
    board = daemon.board
    daemon.steps = [
        lambda: None,
        lambda: board.set_mode(Mode.PAUSED, 1_700_000_000),
        lambda: set_loop(board, 0, PAUSED),
        lambda: set_loop(former, 1, PAUSED),
        lambda: set_loop(board, 1, PAUSED),
    ]
    assert modes.pause("pidfile") == EX_OK
    assert daemon.steps == []
    assert daemon.signals == [(FIRST, modes._SIGNALS[Mode.PAUSED, True])]
    assert capfd.readouterr().out.startswith("phttpd is paused, since 20")
    assert modes.pause("pidfile") == EX_OK
    assert len(daemon.signals) == 1
    assert capfd.readouterr().out.startswith("phttpd is paused already, since 20")


def test_pause_during_an_upgrade_is_asked_of_the_successor(daemon: Daemon) -> None:
    def take_over() -> None:
        daemon.pid = SUCCESSOR

    def obey() -> None:
        daemon.board.set_mode(Mode.PAUSED, 1)
        for loop in range(2):
            set_loop(daemon.board, loop, PAUSED)

    daemon.steps = [lambda: None, take_over, lambda: None, obey]
    assert modes.pause("pidfile") == EX_OK
    assert [pid for pid, _ in daemon.signals] == [FIRST, SUCCESSOR]


def test_resume_with_a_maintenance_file_fails(daemon: Daemon) -> None:
    daemon.board.facts = {"maintenance_file": "/run/file"}
    daemon.board.set_mode(Mode.MAINTENANCE, 1)
    with pytest.raises(StartError, match=r"still paused, since /run/file exists") as raised:
        modes.resume("pidfile")
    assert raised.value.status == EX_UNAVAILABLE
    assert daemon.signals == []


def test_pause_of_a_daemon_that_ends_fails(daemon: Daemon) -> None:
    daemon.board.phase = Phase.STOPPING
    with pytest.raises(StartError, match="just starting or ending"):
        modes.pause("pidfile")


def test_pause_that_is_not_obeyed_fails(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(modes, "_MOST_SECONDS", 0.01)
    with pytest.raises(StartError, match="pid 1 has not obeyed within"):
        modes.pause("pidfile")
