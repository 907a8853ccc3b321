"""The race itself: a tiny one is run, wrong responses are detected, figures are read correctly."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import kinds, servers
from benchmarks.environment import MeasurementError
from benchmarks.race.cells import CELLS
from benchmarks.race.check import check
from benchmarks.race.load import Round, in_turns
from benchmarks.race.page import render
from benchmarks.race.results import Results
from tests.support import require
from tests.support.server import DEADLINE

if TYPE_CHECKING:
    from benchmarks.race.plan import Plan

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True, scope="module")
def libraries() -> None:
    require.module("rich", "bench")
    require.module("matplotlib", "bench")


def race(*options: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "race", *map(str, options)],
        cwd=ROOT,
        env={**os.environ, **({"PATH": path} if path else {})},
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE,
        check=False,
    )


@pytest.mark.debian("nginx-light", "wrk")
def test_race_of_a_few_cells_writes_its_results(tmp_path: Path) -> None:
    require.command("wrk", "wrk")
    require.command("nginx", "nginx-light")
    output = tmp_path / "output"
    options = ["--cells=close,304", "--servers=phttpd,nginx,floor", "--rounds=1"]
    done = race(*options, "--output", output)
    assert done.returncode == 0, done.stderr
    (figures,) = output.glob("race-*.json")
    results = json.loads(figures.read_text())
    assert results["failures"] == {}
    assert list(results["rounds"]) == ["close", "304"]
    for own in results["rounds"].values():
        for name in ("phttpd", "nginx"):
            (only,) = own[name]
            assert min(only[key] for key in ("cpu", "per_second", "p50", "p99", "pss")) > 0
    page = figures.with_suffix(".md").read_text()
    assert "\n| 4 kB, `Connection: close` | " in page
    assert figures.with_suffix(".svg").read_text().rstrip().endswith("</svg>")

    again = tmp_path / "again"
    assert race("--from", figures, "--output", again).returncode == 0
    assert len(list(again.iterdir())) == 3
    for file in again.iterdir():
        assert file.read_bytes() == (output / file.name).read_bytes()


def test_race_is_compared_with_an_earlier_one(tmp_path: Path) -> None:
    for name, cpu in (("earlier", 5.0), ("now", 6.0)):
        rounds = {"phttpd": [Round(cpu, 1, 1, 1, 1)], "nginx": [Round(10, 1, 1, 1, 1)]}
        if name == "now":
            rounds["h2o"] = [Round(1, 1, 1, 1, 1)]
        Results(titles={"4k": "4 kB"}, rounds={"4k": rounds}).save(tmp_path / f"{name}.json")
    done = race("--from", tmp_path / "now.json", "--against", tmp_path / "earlier.json")
    row = "**0.50** [0.50 – 0.50] | **0.60** [0.60 – 0.60] | +20%"
    assert f"\n| 4 kB | {row} | {row} |\n" in done.stdout

    (tmp_path / "earlier.json").write_text("[]")
    done = race("--from", tmp_path / "now.json", "--against", tmp_path / "earlier.json")
    assert (done.returncode, "not the result of a race" in done.stderr) == (69, True)


def test_race_without_its_programs_says_what_is_missing(tmp_path: Path) -> None:
    done = race("--cells=304", "--servers=phttpd", path=str(tmp_path))
    assert done.returncode == 69
    assert "wrk is not installed; apt-get install wrk" in done.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rounds": {"4k": {"phttpd": [1]}}}'])
def test_race_from_a_file_that_is_no_result_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "race.json"
    path.write_text(text)
    done = race("--from", path)
    assert (done.returncode, "Traceback" in done.stderr) == (69, False)


RIGHT = bytes(range(256)) * 16
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n"


@pytest.mark.debian("gcc")
@pytest.mark.parametrize(
    ("response", "wrong"),
    [
        (HEAD + RIGHT, None),
        (HEAD + RIGHT[1:] + b"\0", "wrong bytes"),
        (HEAD.replace(b"200", b"206") + RIGHT, "status 206"),
        (HEAD.replace(b"4096", b"4095") + RIGHT[1:], "4095 bytes"),
        (HEAD.replace(b"4096", b"0"), "0 bytes"),
        (HEAD + RIGHT + b"more", "b'more"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + RIGHT, "not the wanted answer"),
        (HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + RIGHT, "too early"),
    ],
)
def test_race_finds_out_wrong_responses(tmp_path: Path, response: bytes, wrong: str | None) -> None:
    """The floor sends whatever the test gives it."""
    require.command("gcc", "gcc")
    (tmp_path / "4k.txt").write_bytes(RIGHT)
    with servers.run(kinds.Setup("floor", tmp_path, response=response)) as server:
        if wrong is None:
            check(server.port, CELLS["4k"], tmp_path)
            check(server.port, CELLS["pipelined"], tmp_path)
            return
        with pytest.raises(MeasurementError, match=wrong):
            check(server.port, CELLS["4k"], tmp_path)


def plan_of(*options: str) -> Plan:
    from benchmarks.race import command, plan  # noqa: PLC0415  # needs rich

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return plan.make_plan(parser.parse_args(list(options)))


def test_race_takes_less_than_a_quarter_of_an_hour() -> None:
    assert plan_of().total() < 15 * 60


@pytest.mark.parametrize(
    ("options", "whole"),
    [
        ([], True),
        (["--server-core=0"], True),
        (["--quick"], False),
        (["--cells=4k"], False),
        (["--servers=phttpd,nginx"], False),
        (["--questions=start"], False),
        (["--rounds=1"], False),
        (["--seconds=5"], False),
        (["--python=/usr/bin/python3"], False),
    ],
)
def test_race_is_whole_without_options_that_change_what_is_measured(
    options: list[str], whole: bool
) -> None:
    assert plan_of(*options).whole is whole


def test_race_for_first_requests_starts_its_servers_anew() -> None:
    plan = plan_of()
    assert plan.starts_of(plan.cells["first"]) == [1, 1, 1]
    assert plan.starts_of(plan.cells["4k"]) == [5]


def test_race_begins_each_round_with_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.race.load.measure", lambda *_: Round(1, 1, 1, 1, 1))
    racers = {name: servers.Server(0, 0) for name in ("phttpd", "nginx", "h2o")}
    order: list[str] = []
    measured, _ = in_turns(racers, CELLS["4k"], 3, 1, 0, order.append)
    assert order == [*racers, "nginx", "h2o", "phttpd", "h2o", "phttpd", "nginx"]
    assert {name: len(own) for name, own in measured.items()} == dict.fromkeys(racers, 3)


def test_race_page_has_the_ratio_to_the_best() -> None:
    """It is that of the rounds beside each other, and the best has the lowest median."""
    costs = {"phttpd": [4, 5, 30], "nginx": [10, 10, 10], "h2o": [8, 50, 8], "floor": [1, 1, 1]}
    rounds = {name: [Round(cpu, 1000, 10, None, 1e6) for cpu in own] for name, own in costs.items()}
    results = Results(
        titles={"4k": "4 kB"},
        rounds={"4k": rounds},
        failures={"4k": {"lighttpd": "it | broke"}},
    )
    page = render(results, None)
    assert "| 4 kB | 5.00 | 10.0 | 8.00 | 1.00 | **0.50** [0.10 – 3.75] (h2o) | **0.50** " in page
    assert "| 4 kB | lighttpd | it \\| broke |" in page
