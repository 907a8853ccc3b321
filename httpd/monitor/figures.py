"""The metrics of a server, from what the monitor knows of it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from httpd.monitor.metrics import Metric, Sample, gauge, metrics_of
from httpd.monitor.processes import process_metrics
from httpd.monitor.state import ServerState
from httpd.observe.counters import Counters
from httpd.observe.downloads import Outcome
from httpd.observe.report import parse_time
from httpd.observe.scoreboard import Column, Phase, Scoreboard, total
from httpd.protocol.tally import NO_NAME


def all_metrics(state: ServerState) -> Iterator[Metric]:
    """Yield all metrics, in the order in which to show them.

    Args:
        state: of the server.
    """
    boards = state.boards()
    facts = boards[0].facts if boards else {}
    yield from _server_metrics(facts)
    yield from metrics_of(state.counters() or Counters({}, {}))
    yield from _load_metrics(boards)
    yield from _download_metrics(state)
    yield from _worker_metrics(boards, state.stuck_loops())
    workers = {worker["pid"] for board in boards for worker in board.snapshot()} - {0}
    yield from process_metrics([state.supervisor, os.getpid(), *sorted(workers)])


def _server_metrics(facts: Mapping[str, Any]) -> Iterator[Metric]:
    labels = (("version", facts.get("version", "")), ("python", sys.version.split()[0]))
    yield Metric("phttpd_build_info", "gauge", "The version.", (Sample(1, labels),))
    if started := facts.get("started"):
        text = "When the supervisor was started."
        yield gauge("phttpd_start_time_seconds", text, parse_time(started))
    status, _ = facts.get("outcome", (0, ""))
    yield gauge(
        "phttpd_config_last_reload_successful",
        "Whether the last reload or upgrade has succeeded; 1 before the first.",
        status == 0,
    )
    if loaded := facts.get("loaded"):
        text = "When the configuration in force was read."
        yield gauge("phttpd_config_last_reload_success_timestamp_seconds", text, loaded)


def _load_metrics(boards: Sequence[Scoreboard]) -> Iterator[Metric]:
    active = total(boards, Column.ACTIVE)
    idle = max(0, total(boards, Column.CONNECTIONS) - active)
    samples = (Sample(active, (("state", "active"),)), Sample(idle, (("state", "idle"),)))
    yield Metric("phttpd_connections", "gauge", "Open connections.", samples)
    yield gauge(
        "phttpd_downloads_remaining_bytes",
        "Bytes that responses in progress have still to send.",
        total(boards, Column.REMAINING),
    )


def _download_metrics(state: ServerState) -> Iterator[Metric]:
    running = Counter(
        download.site.decode("utf-8", "replace") or NO_NAME
        for download in state.downloads.all()
        if download.outcome is Outcome.RUNNING
    )
    samples = tuple(Sample(number, (("site", site),)) for site, number in sorted(running.items()))
    yield Metric("phttpd_downloads", "gauge", "Downloads that run.", samples)
    text = "Downloads that were completed since the monitor runs."
    complete = (Sample(state.ended[Outcome.COMPLETE]),)
    yield Metric("phttpd_downloads_completed_total", "counter", text, complete)
    yield Metric(
        "phttpd_downloads_aborted_total",
        "counter",
        "Downloads that were not, and will not be resumed.",
        tuple(
            Sample(state.ended[reason], (("reason", str(reason)),))
            for reason in (Outcome.ABANDONED, Outcome.REPLACED)
        ),
    )


def _worker_metrics(boards: Sequence[Scoreboard], stuck: int) -> Iterator[Metric]:
    serving = [board for board in boards if board.phase is Phase.SERVING]
    workers = [bool(one["pid"]) for board in serving for one in board.snapshot()]
    threads = serving[0].threads if serving else 0
    yield gauge("phttpd_generations", "Generations of workers, with those that drain.", len(boards))
    yield gauge("phttpd_workers", "Workers that serve new connections.", sum(workers))
    yield gauge("phttpd_loops", "Event loops of these workers.", sum(workers) * threads)
    yield gauge("phttpd_loops_stuck", "Event loops of all workers that do not turn.", stuck)
