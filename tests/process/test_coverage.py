"""Coverage as `make coverage` sets it up follows the server into the processes that it forks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData

from httpd.network.connection import Connection
from httpd.process.supervisor import Supervisor
from tests.process.launch import ROOT, foreground
from tests.support.raw import ask


def has_run(data: CoverageData, function: Callable[..., Any]) -> bool:
    """Tell whether a line of a function has run, apart from its `def`."""
    path = inspect.getsourcefile(function)
    assert path
    lines, first = inspect.getsourcelines(function)
    return bool(set(data.lines(path) or ()) & set(range(first + 1, first + len(lines))))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CoverageData:
    """Measure a server that serves one request and stops."""
    site = tmp_path_factory.mktemp("coverage") / "site"
    site.mkdir()
    (site / "index.html").write_text("index")
    measured = site.with_name("data")
    env = {
        "COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"),
        "COVERAGE_FILE": str(measured),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # `make coverage` sets it
        with foreground(site, env=env) as server:
            assert ask(server.port, "/").status == 200
    return combined(measured)


def combined(measured: Path) -> CoverageData:
    """Return what all processes have measured."""
    files = list(measured.parent.glob(f"{measured.name}.*"))
    assert len(files) >= 2, "one of the supervisor, one of the worker"
    whole = CoverageData(str(measured))
    for file in files:
        part = CoverageData(str(file))
        part.read()
        whole.update(part)
    return whole


def test_coverage_measures_the_supervisor(data: CoverageData) -> None:
    assert has_run(data, Supervisor.run)


def test_coverage_measures_the_threads_of_a_worker_that_ends_by_exit(data: CoverageData) -> None:
    assert has_run(data, Connection.on_event)
