"""The alerts and the dashboard that are shipped use metrics that the monitor exposes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from httpd.monitor.figures import all_metrics
from httpd.monitor.metrics import DURATIONS
from httpd.monitor.state import ServerState
from httpd.observe.counters import Counters
from httpd.observe.scoreboard import Phase, Scoreboard
from tests.support import require
from tests.support.server import DEADLINE

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "etc" / "prometheus" / "phttpd-alerts.yaml"
DASHBOARD = ROOT / "etc" / "grafana" / "phttpd.json"
NAME = re.compile(r"\b(?:phttpd|process)_[a-z_]+\b")


def alert_expressions() -> list[str]:
    rules = yaml.safe_load(ALERTS.read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def dashboard_expressions(part: Any) -> Iterator[str]:
    """Yield the queries in a part of the dashboard."""
    if isinstance(part, list):
        for item in part:
            yield from dashboard_expressions(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from dashboard_expressions(value)


def used() -> dict[str, set[str]]:
    dashboard = json.loads(DASHBOARD.read_text())
    files = {"alerts": alert_expressions(), "dashboard": list(dashboard_expressions(dashboard))}
    return {file: {*NAME.findall(" ".join(texts))} for file, texts in files.items()}


@pytest.fixture
def exposed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    board = Scoreboard.create(1, 1, 1)
    board.phase = Phase.SERVING
    board.facts = {"version": "1", "started": "2026-02-03 04:05:06 +0000", "loaded": 1}
    monkeypatch.setattr(ServerState, "boards", lambda _: [board])
    monkeypatch.setattr(ServerState, "counters", lambda _: Counters({}, {}))
    parts = {f"{DURATIONS}_{part}" for part in ("bucket", "count", "sum")}
    return {metric.name for metric in all_metrics(ServerState(1))} | parts


@pytest.mark.parametrize("file", ["alerts", "dashboard"])
def test_metrics_that_are_used_are_exposed(exposed: set[str], file: str) -> None:
    names = used()[file]
    assert len(names) > 4
    assert names - exposed == set()


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule
            assert {*rule["annotations"]} == {"summary", "description"}, rule


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.debian("prometheus")
def test_promtool_accepts_the_alerts() -> None:
    done = subprocess.run(
        [require.command("promtool", "prometheus"), "check", "rules", ALERTS],
        capture_output=True,
        timeout=DEADLINE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    assert f"{len(alert_expressions())} rules found" in done.stdout
