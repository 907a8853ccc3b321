"""Readiness and stuck loops, from the scoreboards."""

from __future__ import annotations

import pytest

from httpd.monitor.state import PATIENCE, ServerState, judge_readiness
from httpd.observe.counters import Counters
from httpd.observe.scoreboard import Column, Mode, Phase, Scoreboard

READY, STARTING, DRAINING, UNREADY = "ready", "starting", "draining", "unready"


def board(phase: Phase, pid: int = 1) -> Scoreboard:
    made = Scoreboard.private()
    made.phase = phase
    made.set_pid(0, pid)
    return made


@pytest.mark.parametrize(
    ("phases", "word"),
    [
        ([], STARTING),
        ([Phase.STARTING], STARTING),
        ([Phase.SERVING], READY),
        ([Phase.STARTING, Phase.SERVING], READY),
        ([Phase.SERVING, Phase.DRAINING], READY),
        ([Phase.STOPPING], DRAINING),
        ([Phase.STOPPING, Phase.DRAINING], DRAINING),
        ([Phase.STOPPING, Phase.STOPPING], DRAINING),
    ],
)
def test_readiness_follows_from_the_phases(phases: list[Phase], word: str) -> None:
    readiness = judge_readiness([board(phase) for phase in phases])
    assert readiness.word == word
    assert readiness.is_ready is (word == READY)
    assert bool(readiness.reason) is not readiness.is_ready


def test_server_without_a_worker_is_not_ready() -> None:
    assert judge_readiness([board(Phase.SERVING, pid=0)]).word == UNREADY


@pytest.mark.parametrize("mode", [Mode.PAUSED, Mode.MAINTENANCE])
def test_server_that_is_paused_is_not_ready(mode: Mode) -> None:
    paused = board(Phase.SERVING)
    paused.set_mode(mode, 1)
    assert judge_readiness([paused]) == (False, "paused", "every request gets 503")


def test_counters_stay_while_they_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ServerState(1)
    found: list[Counters] = []

    def read(_: int) -> Counters:
        if not found:
            raise ProcessLookupError
        return found.pop()

    monkeypatch.setattr("httpd.monitor.state.read_counters", read)
    assert state.counters() is None
    assert state.report() == {}
    found.append(Counters({"http_requests_total": {(): 7}}, {}))
    for _ in range(2):
        counters = state.counters()
        assert counters
        assert counters.total("http_requests_total") == 7


def test_server_that_an_operator_has_said_is_unready_is_not_ready() -> None:
    unready = board(Phase.SERVING)
    unready.set_mode(Mode.UNREADY, 1)
    assert judge_readiness([unready]) == (False, UNREADY, "an operator has said so")


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Scoreboard:
    """The only scoreboard that a `ServerState` sees; its loop has begun to turn."""
    serving = board(Phase.SERVING)
    serving.column(Column.TICKS)[0] = 1
    monkeypatch.setattr(ServerState, "boards", lambda _: [serving])
    return serving


def test_loop_that_turns_is_not_stuck(serving: Scoreboard) -> None:
    state = ServerState(1)
    for second in range(3 * PATIENCE):
        serving.column(Column.TICKS)[0] += 1
        state.look(second)
        assert state.stuck_loops() == 0


def test_loop_that_stands_still_is_stuck_until_it_turns(serving: Scoreboard) -> None:
    state = ServerState(1)
    for second in range(PATIENCE):
        state.look(second)
        assert state.stuck_loops() == 0
    state.look(PATIENCE)
    assert state.stuck_loops() == 1
    serving.column(Column.TICKS)[0] += 1
    state.look(PATIENCE + 1)
    assert state.stuck_loops() == 0


@pytest.mark.parametrize("excuse", ["not begun", "no worker", "drained"])
def test_loop_that_need_not_turn_is_not_stuck(serving: Scoreboard, excuse: str) -> None:
    if excuse == "not begun":
        serving.column(Column.TICKS)[0] = 0
    elif excuse == "no worker":
        serving.set_pid(0, 0)
    else:
        serving.phase = Phase.DRAINING
    state = ServerState(1)
    for second in range(2 * PATIENCE):
        state.look(second)
    assert state.stuck_loops() == 0


def test_draining_loop_with_a_connection_has_to_turn(serving: Scoreboard) -> None:
    serving.phase = Phase.STOPPING
    serving.column(Column.CONNECTIONS)[0] = 1
    state = ServerState(1)
    for second in range(2 * PATIENCE):
        state.look(second)
    assert state.stuck_loops() == 1
