"""Reloads that take over from a generation, and what becomes of that one."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import pytest

from httpd.observe.log import Log
from httpd.observe.scoreboard import Phase, Scoreboard
from httpd.observe.transfers import TransferTable
from httpd.process.channel import Channel, Message
from httpd.process.generation import Generation
from httpd.process.generations import Generations
from httpd.process.notify import Notifier
from httpd.process.plan import Plan
from httpd.process.rollout import Rollout
from httpd.process.service_status import ServiceStatus
from httpd.process.worker_pool import WorkerPool
from httpd.process.worker_process import WorkerProcess


@pytest.fixture
def generations() -> Generations:
    return Generations()


@pytest.fixture
def rollout(generations: Generations) -> Rollout:
    log = Log("supervisor", 1, 2, verbose=False)
    status = ServiceStatus(Notifier(None, None, is_main=True), generations, log)
    unused = cast(Any, None)
    pool = WorkerPool(generations, log, unused)
    return Rollout(generations, pool, status, log, unused, unused, unused)


def make_generation(
    number: int, *listeners: socket.socket, changed: list[int] | None = None
) -> Generation:
    """Return a generation without workers, with as much of a plan as there has to be.

    Args:
        number: of the generation.
        listeners: its sockets.
        changed: gets the number when the options of the listeners are set.
    """
    changed = [] if changed is None else changed
    plan = SimpleNamespace(
        facts={"docroot": "/", "addresses": []},
        sockets=listeners,
        monitor_sockets=(),
        monitor_logs={},
        log=SimpleNamespace(verbose=False),
        access_logs={},
        log_fd=None,
        process=SimpleNamespace(workers=1, threads=1, drain_timeout=5.0),
        remarks=(),
        set_options=lambda: changed.append(number),
    )
    return Generation(
        number,
        cast(Plan, plan),
        Scoreboard.create(1, 1, number),
        TransferTable.create(1, 1, 64, number),
    )


def test_generation_whose_listeners_are_replaced_gets_no_new_worker(
    generations: Generations, rollout: Rollout
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        old = generations.serving = make_generation(1, listener)
        old.vacancies[0] = time.monotonic() + 1, 3
        new = generations.candidate = make_generation(2)
        rollout.check_candidate()
        assert listener.fileno() == -1
        assert list(old.deadlines()) == []
        assert list(generations) == [new, old]
    assert generations.former == [old]
    assert new.board.phase is Phase.SERVING


def test_generation_that_hands_over_drains_when_a_stop_comes_first(
    generations: Generations, rollout: Rollout
) -> None:
    ours, theirs = Channel.pair()
    with closing(ours), closing(theirs), socket.create_server(("127.0.0.1", 0)) as listener:
        old = generations.serving = make_generation(1, listener)
        old.processes[1] = WorkerProcess(0, 1, ours, 0)
        generations.candidate = make_generation(2)
        rollout.check_candidate()
        rollout.check_leaving()
        assert not old.is_draining()
        rollout.cancel()
        assert old.is_draining()
        assert theirs.receive() == (Message.DRAIN, "5.0", ())


def test_generation_that_left_unasked_while_it_hands_over_drains(
    generations: Generations, rollout: Rollout
) -> None:
    ours, theirs = Channel.pair()
    with closing(ours), closing(theirs), socket.create_server(("127.0.0.1", 0)) as listener:
        old = generations.serving = make_generation(1, listener)
        worker = old.processes[1] = WorkerProcess(0, 1, ours, 0)
        generations.candidate = make_generation(2)
        rollout.check_candidate()
        worker.has_left = True
        rollout.check_leaving()
        assert old.is_draining()
        assert old.board.phase is Phase.DRAINING


def test_candidate_changes_no_listener_until_it_serves(
    generations: Generations, rollout: Rollout
) -> None:
    changed: list[int] = []
    generations.serving = make_generation(1)
    generations.candidate = make_generation(2, changed=changed)
    rollout.give_up(70, "why")
    assert changed == []
    generations.candidate = make_generation(3, changed=changed)
    rollout.check_candidate()
    assert changed == [3]
