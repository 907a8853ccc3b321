"""Metrics as text: what Prometheus and OpenMetrics parsers read is what was rendered."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from httpd.monitor.figures import all_metrics
from httpd.monitor.metrics import Metric, Sample, gauge, metrics_of, render
from httpd.monitor.state import ServerState
from httpd.observe import counters
from httpd.observe.counters import BOUNDS, FAMILIES, Counters, Histogram
from httpd.observe.downloads import Look, Outcome
from httpd.observe.scoreboard import Column, Phase, Scoreboard
from tests.unit.monitor.test_snapshot import transfer

PARSE_OPEN: Any = parse_open
Read = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str, *, is_open: bool) -> Read:
    """Return the samples of a text by name and labels, as a parser of others reads it."""
    found: Read = {}
    for family in (PARSE_OPEN if is_open else parse_text)(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize("is_open", [False, True])
@given(label=LABELS, value=st.integers(0, 1 << 53), level=st.floats(0, 1e15))
def test_parsers_read_what_was_rendered(
    label: str, value: int, level: float, *, is_open: bool
) -> None:
    metrics = [
        Metric("phttpd_a_total", "counter", "A.", (Sample(value, (("site", label), ("b", "c"))),)),
        Metric("phttpd_none_total", "counter", "Nothing yet.", ()),
        gauge("phttpd_level", "A level.", level),
    ]
    assert read(render(metrics, is_open=is_open), is_open=is_open) == {
        ("phttpd_a_total", (("b", "c"), ("site", label))): value,
        ("phttpd_level", ()): pytest.approx(level),
    }


@pytest.mark.parametrize("is_open", [False, True])
def test_histogram_adds_up(*, is_open: bool) -> None:
    numbers = tuple(range(1, len(BOUNDS) + 2))
    found = Counters({}, {"a.example": Histogram(numbers, 12.5)})
    samples = read(render(metrics_of(found), is_open=is_open), is_open=is_open)
    name = "phttpd_http_request_duration_seconds"
    buckets = {
        float(dict(labels)["le"]): value
        for (one, labels), value in samples.items()
        if one == f"{name}_bucket"
    }
    assert sorted(buckets) == [*BOUNDS, float("inf")]
    assert list(buckets.values()) == [sum(numbers[: end + 1]) for end in range(len(numbers))]
    assert samples[f"{name}_count", (("site", "a.example"),)] == sum(numbers)
    assert samples[f"{name}_sum", (("site", "a.example"),)] == 12.5


def test_openmetrics_has_an_end_and_no_suffix_in_the_name_of_a_family() -> None:
    metric = Metric("phttpd_a_total", "counter", "A.", (Sample(1),))
    assert render([metric], is_open=True).splitlines() == [
        "# HELP phttpd_a A.",
        "# TYPE phttpd_a counter",
        "phttpd_a_total 1",
        "# EOF",
    ]
    assert render([metric], is_open=False).splitlines()[1] == "# TYPE phttpd_a_total counter"


def test_every_family_of_counters_is_exposed() -> None:
    names = {metric.name for metric in metrics_of(Counters({}, {}))}
    assert names == {f"phttpd_{family.name}" for family in FAMILIES}


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> list[Scoreboard]:
    """The scoreboards that a `ServerState` sees: one that serves and one that drains."""
    boards = [Scoreboard.create(2, 2, 2), Scoreboard.create(1, 2, 1)]
    boards[0].phase, boards[1].phase = Phase.SERVING, Phase.DRAINING
    boards[0].set_pid(0, 1)
    boards[0].facts = {
        "version": "1.2.3",
        "started": "2026-02-03 04:05:06 +0100",
        "loaded": 1_770_000_000,
        "outcome": [78, "a mistake"],
    }
    for board in boards:
        board.column(Column.CONNECTIONS)[1] = 5
        board.column(Column.ACTIVE)[1] = 3
        board.column(Column.REMAINING)[0] = 1000
    monkeypatch.setattr(ServerState, "boards", lambda _: boards)
    monkeypatch.setattr(ServerState, "counters", lambda _: counters.Counters({}, {}))
    return boards


@pytest.mark.parametrize("is_open", [False, True])
def test_figures_are_those_of_the_scoreboards(boards: list[Scoreboard], *, is_open: bool) -> None:
    assert boards
    found = read(render(all_metrics(ServerState(1)), is_open=is_open), is_open=is_open)
    assert {name: value for (name, labels), value in found.items() if not labels}.items() >= {
        "phttpd_start_time_seconds": 1770087906.0,
        "phttpd_config_last_reload_successful": 0,
        "phttpd_config_last_reload_success_timestamp_seconds": 1_770_000_000,
        "phttpd_downloads_remaining_bytes": 2000,
        "phttpd_generations": 2,
        "phttpd_workers": 1,
        "phttpd_loops": 2,
        "phttpd_loops_stuck": 0,
    }.items()
    assert found["phttpd_connections", (("state", "active"),)] == 6
    assert found["phttpd_connections", (("state", "idle"),)] == 4
    names = {name for name, _ in found}
    assert names >= {"process_cpu_seconds_total", "process_resident_memory_bytes"}
    assert found["process_open_fds", ()] > 3


def test_downloads_are_counted_by_their_outcome(boards: list[Scoreboard]) -> None:
    assert boards
    state = ServerState(1)
    unnamed, named = transfer(1, 100), transfer(2, 100)._replace(site=b"a.example")
    state.downloads.fold(time.monotonic(), [Look(1, (unnamed, named), ())])
    state.ended.update([Outcome.COMPLETE, Outcome.COMPLETE, Outcome.REPLACED])
    found = read(render(all_metrics(state), is_open=True), is_open=True)
    assert found["phttpd_downloads", (("site", "-"),)] == 1
    assert found["phttpd_downloads", (("site", "a.example"),)] == 1
    assert found["phttpd_downloads_completed_total", ()] == 2
    assert found["phttpd_downloads_aborted_total", (("reason", "replaced"),)] == 1
    assert found["phttpd_downloads_aborted_total", (("reason", "abandoned"),)] == 0


def test_server_without_a_generation_has_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerState, "boards", lambda _: [])
    monkeypatch.setattr(ServerState, "counters", lambda _: counters.Counters({}, {}))
    found = read(render(all_metrics(ServerState(1)), is_open=True), is_open=True)
    assert found["phttpd_workers", ()] == 0
