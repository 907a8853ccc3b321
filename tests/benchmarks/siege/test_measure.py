"""Real runs of Siege, short ones: everything is measured, and a breakdown ends a series."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from benchmarks.environment import allow_files
from benchmarks.siege import servers
from benchmarks.siege.attack import MOST, attack
from benchmarks.siege.figures import CLOSE, KEEP_ALIVE, PHTTPD, SEQUENTIAL, Cell, report_from
from benchmarks.siege.measure import PAGE, PLANS, Plan, Runner
from tests.benchmarks.siege.test_document import ROOT, assert_same
from tests.support.require import command

pytestmark = pytest.mark.debian("siege")

CONTENT = b"<p>hello\n"


def test_measure_of_a_quick_look_writes_its_report(tmp_path: Path) -> None:
    command("siege", "siege")
    options = ["--time", "2s", "--users", "1,8", "--output", str(tmp_path / "look")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.siege", *options],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = report_from((tmp_path / "look.json").read_text("utf-8"))
    assert_same(tmp_path / "look.pdf", found)
    assert [(one.server, one.connection, one.users) for one in found.series] == [
        (SEQUENTIAL, CLOSE, (1, 8)),
        (PHTTPD, CLOSE, (1, 8)),
        (PHTTPD, KEEP_ALIVE, (1, 8)),
    ]
    for series in found.series:
        assert series.broken is None
        assert series.said == ""
        for figures in series.measured.values():
            assert figures.failed_transactions == 0
            assert figures.availability == 100
        assert list(series.measured) == [1, 8]
        assert all(cell.server_cpu > 0 and cell.siege_cpu > 0 for cell in series.cells)
    assert not (tmp_path / ".siege").exists(), "the user's own settings are not touched"


def run_cells(server: servers.Server, plan: Plan, terminal: io.StringIO) -> tuple[Cell, ...]:
    with Progress(console=Console(file=terminal, width=200), auto_refresh=False) as progress:
        bar = progress.add_task("", total=2 * len(plan.users), users="")
        return Runner(server, plan, 2, CONTENT, progress, bar).cells()


def test_measure_with_several_sieges_counts_loads(tmp_path: Path) -> None:
    command("siege", "siege")
    allow_files(MOST + 8)
    (tmp_path / PAGE).write_bytes(CONTENT)
    with servers.run(PHTTPD, tmp_path) as server:
        result = attack(
            server.url(PAGE),
            users=MOST + 8,
            seconds=10,
            connection=CLOSE,
            tick=lambda _: None,
            reps=2,
        )
    assert result.figures.transactions == 2 * (MOST + 8)
    assert result.figures.failed_transactions == 0


def test_measure_goes_by_loads_where_siege_fails_by_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    siege = command("siege", "siege")
    program = tmp_path / "siege"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--concurrent=8*--time*) exit 9; esac\nexec {siege} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / PAGE).write_bytes(CONTENT)
    with servers.run(PHTTPD, tmp_path) as server:
        first, second = run_cells(server, Plan(PHTTPD, CLOSE, (1, 8)), io.StringIO())
    assert first.reps is None
    assert second.breakdown == ""
    assert second.figures
    assert second.reps
    assert second.figures.transactions == 8 * second.reps


class Assassin(io.StringIO):
    """A terminal that kills a server when it reads of the first run."""

    victim = 0

    def write(self, text: str) -> int:
        if ", 1 user: " in text:
            os.killpg(self.victim, signal.SIGKILL)
        return super().write(text)


def test_measure_ends_the_series_of_a_server_that_breaks_down(tmp_path: Path) -> None:
    command("siege", "siege")
    (tmp_path / PAGE).write_bytes(CONTENT)
    terminal = Assassin()
    with servers.run(SEQUENTIAL, tmp_path) as server:
        terminal.victim = server.process.pid
        first, second = run_cells(server, Plan(SEQUENTIAL, CLOSE, (1, 8, 64)), terminal)
    assert first.breakdown == ""
    assert first.figures is not None
    assert first.figures.transactions > 0
    assert second.users == 8
    assert second.breakdown.startswith("Siege gave up after ")
    assert "Connection refused" in next(iter(second.errors))
    assert "broke down" in terminal.getvalue()


def test_measure_has_the_plan_of_the_assignment() -> None:
    for plan in PLANS[:2]:
        assert plan.connection == CLOSE
        assert plan.users[:6] == (1, 8, 64, 128, 256, 512)
