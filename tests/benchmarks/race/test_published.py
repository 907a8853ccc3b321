"""Published races: where they go, that noise keeps them out, and that the worst one is quoted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.environment import UnavailableError
from benchmarks.race import published
from benchmarks.race.load import Round
from benchmarks.race.quiet import Noise
from benchmarks.race.results import Results
from tests.support import require

if TYPE_CHECKING:
    from types import ModuleType

SERVERS = ("phttpd", "nginx", "h2o", "floor")


Costs = dict[str, list[float]]


def results(processor: str, costs: Costs, noise: Noise | None = None) -> Results:
    """Return a race with one round of each server in each cell."""
    rounds = {
        cell: {
            name: [Round(cost, 1000 / cost, 1, 1, 1)]
            for name, cost in zip(SERVERS, own, strict=False)
        }
        for cell, own in costs.items()
    }
    return Results(
        machine={"processor": processor},
        versions={"nginx": "1.22.1"},
        titles={cell: f"title of {cell}" for cell in costs},
        rounds=rounds,
        noise=noise,
    )


AMD = results("AMD EPYC", {"4k": [6, 12, 8, 5], "first": [20, 10, 16, 9], "1g": [11, 20, 10]})
INTEL = results("Intel(R) Xeon(R) CPU", {"4k": [9, 12, 8, 6], "first": [15, 10, 14, 9]})


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("AMD EPYC", "race-amd-epyc"),
        ("AMD EPYC 7763 64-Core Processor", "race-amd-epyc"),
        ("AMD Ryzen 9 5950X 16-Core Processor", "race-amd-ryzen"),
        ("Intel(R) Xeon(R) Processor @ 2.60GHz", "race-intel-xeon"),
        ("Intel(R) Xeon(R) CPU E5-2673 v4 @ 2.30GHz", "race-intel-xeon"),
        ("13th Gen Intel(R) Core(TM) i7-1360P", "race-intel-core"),
        ("QEMU Virtual CPU version 2.5+", "race-qemu"),
        ("aarch64", "race-aarch64"),
    ],
)
def test_name_of_a_page_is_vendor_and_family_of_the_processor(model: str, name: str) -> None:
    assert published.name_of(Results(machine={"processor": model})) == name


def test_readme_has_the_worst_race_of_each_cell() -> None:
    text = "\n".join(published.readme([AMD, INTEL]))
    assert "an AMD EPYC and an Intel Xeon, beside nginx 1.22 " in text.replace("\n", " ")
    assert "| title of 4k | 9.00 | 12.0 | **0.75** | Intel Xeon |" in text
    assert "| title of first | 20.0 | 10.0 | 2.00 | AMD EPYC |" in text
    assert "| title of 1g | 11.0 | 20.0 | **0.55** | AMD EPYC |" in text


def test_readme_of_one_race_names_its_processor_once() -> None:
    text = "\n".join(published.readme([AMD]))
    assert "| title of 4k | 6.00 | 12.0 | **0.50** |\n" in text
    assert text.count("AMD EPYC") == 1


def test_summary_counts_what_is_won_everywhere_and_lists_what_is_lost() -> None:
    text = "\n".join(published.summary([AMD, INTEL]))
    assert "| phttpd costs as much as nginx as shipped, or less | in 2 |" in text
    assert "| phttpd costs as much as the cheapest, or less | in 0 |" in text
    assert "| title of 1g: throughput to that of the fastest | 0.91 |" in text
    assert (
        "| title of 4k | 9.00 | 12.0 | 8.00 (h2o) | 6.00 | **0.75** | 1.12 | Intel Xeon |" in text
    )
    assert "| title of first | 20.0 | 10.0 | 10.0 (nginx) | 9.00 | 2.00 | 2.00 | AMD EPYC |" in text
    assert "| title of 1g | 11.0 | 20.0 | 10.0 (h2o) | – | **0.55** | 1.10 | AMD EPYC |" in text


def test_summary_of_races_without_a_loss_has_no_table_of_losses() -> None:
    text = "\n".join(published.summary([results("AMD EPYC", {"4k": [6, 12, 8, 5]})]))
    assert "costs more" not in text


def test_overview_has_the_races_side_by_side() -> None:
    text = "\n".join(published.overview([AMD, INTEL]))
    assert "[Intel Xeon](race-intel-xeon.md)" in text
    row = "| title of 4k | **0.50** | **0.75** | **0.75** | **0.75** | 1.12 | 1.12 |"
    assert row in text
    assert "| title of 1g | **0.55** | – | **0.55** | 1.10 | – | 1.10 |" in text


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The command of the race, which publishes to a directory of the test."""
    require.module("rich", "bench")
    require.module("matplotlib", "bench")
    from benchmarks.race import command  # noqa: PLC0415  # needs rich

    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    return command


def run(command: ModuleType, report: object, *options: str) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(list(options)), report)


@pytest.mark.parametrize(("load", "place"), [(0.1, "results"), (2.0, "build")])
@pytest.mark.parametrize("named", [False, True])
def test_whole_race_is_published_only_from_a_quiet_machine(
    command: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load: float,
    place: str,
    named: bool,
) -> None:
    from benchmarks.report import Report  # noqa: PLC0415  # needs rich

    race = results("AMD EPYC", {"4k": [6, 12, 8, 5]}, Noise(load))
    monkeypatch.setattr(command, "race", lambda *_: race)
    monkeypatch.setattr(command, "prepare", lambda *_: None)
    report = Report("race", {})
    run(command, report, *([f"--output={tmp_path}/results"] if named else []))
    assert report.passed is (place == "results")
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("race-*")]
    assert {str(path.parent) for path in written} == {place}
    assert {path.suffix for path in written} == {".md", ".json", ".svg"}


def test_part_of_a_race_is_never_published(command: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="has whole races only"):
        run(command, None, "--cells=4k", f"--output={tmp_path}/results")
    assert not (tmp_path / "results").exists()


def test_page_is_written_again_from_figures_of_a_quiet_machine_only(
    command: ModuleType, tmp_path: Path
) -> None:
    for load, place in ((0.1, "results"), (2.0, "build")):
        source = tmp_path / "source.json"
        results("AMD EPYC", {"4k": [6, 12, 8, 5]}, Noise(load)).save(source)
        run(command, None, f"--from={source}", f"--output={tmp_path}/results")
        assert (tmp_path / place / "race-amd-epyc.md").exists()
    assert "Not to be published" not in (tmp_path / "results/race-amd-epyc.md").read_text()
