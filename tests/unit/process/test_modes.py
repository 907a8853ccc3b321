"""The modes of the server: what changes them, and what another supervisor is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from httpd.observe.log import Log
from httpd.observe.scoreboard import Mode
from httpd.process.generations import Generations
from httpd.process.modes import Modes, format_modes
from httpd.process.notify import Notifier
from httpd.process.plan import Plan
from httpd.process.service_status import ServiceStatus


@pytest.fixture
def generations() -> Generations:
    return Generations()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(Log, "warning", lambda _, text: said.append(text))
    return said


@pytest.fixture
def modes(generations: Generations, said: list[str]) -> Iterator[Modes]:
    log = Log("supervisor", 1, 2, verbose=False)
    yield Modes(
        generations, ServiceStatus(Notifier(None, None, is_main=True), generations, log), log
    )
    assert len(said) == len(set(said))


def create(generations: Generations, maintenance_file: Path | None = None) -> Any:
    process = SimpleNamespace(
        workers=1, threads=1, maintenance_file=maintenance_file and str(maintenance_file)
    )
    frontend = SimpleNamespace(gateway=SimpleNamespace(sites=()))
    worker = SimpleNamespace(loop=SimpleNamespace(max_connections=1), frontend=frontend)
    plan = SimpleNamespace(process=process, worker=worker, facts={})
    return generations.create(cast(Plan, plan))


def test_mode_is_on_the_scoreboards_of_present_and_later_generations(
    generations: Generations, modes: Modes, said: list[str]
) -> None:
    generations.serving = create(generations)
    generations.former = [create(generations)]
    modes.switch(Mode.PAUSED, is_on=True)
    since = generations.modes[Mode.PAUSED]
    assert since > 0
    modes.switch(Mode.PAUSED, is_on=True)
    generations.candidate = create(generations)
    boards = [generation.board for generation in generations]
    assert [board.since(Mode.PAUSED) for board in boards] == [since] * 3
    assert said == ["paused: every request gets 503"]
    modes.switch(Mode.PAUSED, is_on=False)
    assert [board.modes for board in boards] == [0] * 3


def test_maintenance_follows_the_file_and_the_setting(
    generations: Generations, modes: Modes, tmp_path: Path, said: list[str]
) -> None:
    file = tmp_path / "file"
    generations.candidate = create(generations, file)
    modes.look()
    assert generations.modes[Mode.MAINTENANCE] == 0
    file.touch()
    modes.look()  # not before it is time
    assert not said
    modes.next_at = 0.0
    modes.look()
    assert generations.candidate.board.modes == 1 << Mode.MAINTENANCE
    generations.serving, generations.candidate = create(generations), None
    modes.look()  # a reload has taken the setting away
    assert generations.modes[Mode.MAINTENANCE] == 0
    assert modes.next_at == float("inf")
    assert len(said) == 2


def test_modes_are_the_same_at_a_successor(generations: Generations, modes: Modes) -> None:
    generations.modes = {mode: 1_700_000_000 + mode for mode in Mode}
    text = format_modes(generations.modes)
    other = Generations()
    modes._generations = other
    for unknown in ("", "later=5", "paused", "paused=x", "paused=-1", "=1", text[1:3]):
        modes.adopt(unknown)
        assert not any(other.modes.values())
    modes.adopt(f"later=5 {text} last=3")
    assert other.modes == generations.modes
