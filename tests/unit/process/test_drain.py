"""When a server that is told to stop drains, and until when."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from httpd.observe.log import Log
from httpd.observe.scoreboard import Mode, Phase
from httpd.process import drain as module
from httpd.process.drain import Drain
from httpd.process.generation import LAST_WORDS_SECONDS
from httpd.process.generations import Generations
from httpd.process.notify import Notifier
from httpd.process.plan import Plan
from httpd.process.service_status import ServiceStatus


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    time = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def make(monkeypatch: pytest.MonkeyPatch, *, shuts_down: bool = False, **process: float) -> Any:
    """Return a drain of one generation without workers, and the generations."""
    monkeypatch.setattr(module, "machine_shuts_down", lambda: shuts_down)
    generations = Generations()
    times = {"drain_delay": 0.0, "drain_timeout": math.inf, "shutdown_timeout": 30.0, **process}
    plan = SimpleNamespace(
        process=SimpleNamespace(workers=1, threads=1, **times),
        worker=SimpleNamespace(
            loop=SimpleNamespace(max_connections=1, send_timeout=60.0),
            frontend=SimpleNamespace(gateway=SimpleNamespace(sites=())),
        ),
        facts={},
        own_sockets=(),
        sockets=(),
        access_logs={},
    )
    generations.serving = generations.create(cast(Plan, plan))
    log = Log("supervisor", 1, 2, verbose=False)
    status = ServiceStatus(Notifier(None, None, is_main=True), generations, log)
    return Drain(generations, status, log), generations


def test_delay_keeps_the_server_serving_and_not_ready(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain, generations = make(monkeypatch, drain_delay=5.0, drain_timeout=60.0)
    serving = generations.serving
    drain.begin(is_replaced=False, shares_listeners=False)
    assert (drain.has_begun, drain.is_delayed) == (True, True)
    assert serving.board.phase is Phase.STOPPING
    assert serving.board.modes == 1 << Mode.STOPPING
    assert serving.board.drains_at == 1005
    assert min(drain.deadlines()) == 1005
    assert max(at for at in drain.deadlines() if at < math.inf) == 1065 + LAST_WORDS_SECONDS
    clock.now = 1004.9
    drain.check_deadlines()
    assert drain.is_delayed
    assert generations.serving is serving
    clock.now = 1005.0
    drain.check_deadlines()
    assert not drain.is_delayed
    assert generations.serving is None
    assert serving.board.drains_at == 0


@pytest.mark.parametrize(
    ("is_replaced", "shares_listeners", "delay"),
    [(False, False, 0.0), (True, False, 5.0), (False, True, 5.0)],
)
def test_drain_is_not_delayed_where_another_supervisor_serves(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    is_replaced: bool,
    shares_listeners: bool,
    delay: float,
) -> None:
    drain, generations = make(monkeypatch, drain_delay=delay)
    board = generations.serving.board
    drain.begin(is_replaced=is_replaced, shares_listeners=shares_listeners)
    assert not drain.is_delayed
    assert min(drain.deadlines()) == clock.now
    assert bool(board.modes) is (delay == 0)
    assert board.phase is (Phase.DRAINING if is_replaced else Phase.STOPPING)


@pytest.mark.parametrize("delay", [5.0, 60.0])
def test_shutdown_of_the_machine_limits_delay_and_drain_together(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    drain, _ = make(monkeypatch, shuts_down=True, drain_delay=delay)
    drain.begin(is_replaced=False, shares_listeners=False)
    until, _, ends_at = drain.deadlines()
    assert until == clock.now + min(delay, 30.0)
    assert ends_at == clock.now + 30.0 + LAST_WORDS_SECONDS


@pytest.mark.usefixtures("clock")
def test_delay_is_ended_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    drain, generations = make(monkeypatch, drain_delay=3600.0)
    drain.begin(is_replaced=False, shares_listeners=False)
    drain.end_delay()
    assert not drain.is_delayed
    drain.check_deadlines()
    assert generations.serving is None
    assert not drain.is_stopped
