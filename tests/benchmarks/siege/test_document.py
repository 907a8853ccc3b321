"""The PDF says what the JSON says, in every cell of every table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from pypdf import PdfReader

from benchmarks.siege.__main__ import parse
from benchmarks.siege.document import write
from benchmarks.siege.figures import Cell, FiguresError, Report, Series, report_from
from benchmarks.siege.reading import reading
from tests.benchmarks.siege.values import BROKEN, EVENTFUL, report

ROOT = Path(__file__).parents[3]


def text_of(pdf: Path) -> list[str]:
    """Return the lines of a PDF, pages one after another."""
    return [
        line.strip() for page in PdfReader(pdf).pages for line in page.extract_text().split("\n")
    ]


def rows(series: Series) -> Iterator[list[str]]:
    """Yield what a table must say, made here by another way than in the document."""
    cells: list[Cell | None] = [
        next((cell for cell in series.cells if cell.users == users), None) for users in series.users
    ]
    yield ["Concurrent users", *map(str, series.users)]
    for label, name in (
        ("Response time (s)", "response_time"),
        ("Transaction rate (1/s)", "transaction_rate"),
        ("Throughput (MB/s)", "throughput"),
        ("Concurrency", "concurrency"),
        ("Successful transactions", "successful_transactions"),
        ("Failed transactions", "failed_transactions"),
        ("Longest transaction (s)", "longest_transaction"),
        ("Shortest transaction (s)", "shortest_transaction"),
        ("Transactions", "transactions"),
        ("Availability (%)", "availability"),
        ("Elapsed time (s)", "elapsed_time"),
        ("Data transferred (MB)", "data_transferred"),
    ):
        values = [getattr(cell.figures, name) if cell and cell.figures else None for cell in cells]
        yield [label, *map(printed, values)]
    yield [
        "Server, cores²",
        *(printed(cell.server_cpu if cell and cell.figures else None) for cell in cells),
    ]
    yield [
        "Siege, cores²",
        *(printed(cell.siege_cpu if cell and cell.figures else None) for cell in cells),
    ]


def printed(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def assert_same(pdf: Path, report: Report) -> None:
    """Assert that the tables and the reading are in the PDF, in order and whole."""
    lines = text_of(pdf)
    position = 0
    for series in report.series:
        for row in rows(series):
            while lines[position : position + len(row)] != row:
                position += 1
                assert position < len(lines), f"not there, or not in order: {row}"
    flat = " ".join(" ".join(lines).split())
    for paragraph in reading(report):
        assert paragraph in flat
    for value in (*report.machine.values(), *report.versions.values()):
        assert value in flat
    assert f"--time={report.seconds}s" in flat


def test_document_of_an_eventful_report_has_everything(tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    write(EVENTFUL, pdf)
    assert_same(pdf, EVENTFUL)
    flat = " ".join(" ".join(text_of(pdf)).split())
    assert "256 users: broke down. Siege gave up after 1025 failed transactions" in flat
    assert "2048 users: broke down. Siege did not end" in flat
    assert "Loads by each user (--reps): 512 with 1024 users." in flat
    assert len(PdfReader(pdf).pages) == 3


def test_document_with_a_wrong_number_is_found_out(tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    write(EVENTFUL, pdf)
    sequential, *others = EVENTFUL.series
    *cells, last = sequential.cells
    wrong = replace(last, server_cpu=0.03)
    changed = replace(sequential, cells=(*cells, wrong))
    with pytest.raises(AssertionError, match="Server, cores"):
        assert_same(pdf, replace(EVENTFUL, series=(changed, *others)))


def test_document_of_nothing_can_be_written(tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    dead = replace(BROKEN, figures=None)
    empty = report(Series("sequential", "close", (256, 512), (dead,)))
    write(empty, pdf)
    assert_same(pdf, empty)


def test_document_of_the_same_figures_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pdf", tmp_path / "second.pdf"
    write(EVENTFUL, first)
    write(report_from(EVENTFUL.to_json()), second)
    assert first.read_bytes() == second.read_bytes()


def test_document_is_dated_as_its_report(tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    write(EVENTFUL, pdf)
    metadata = PdfReader(pdf).metadata
    assert metadata is not None
    assert metadata.creation_date == datetime.fromisoformat(EVENTFUL.date)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ([], "benchmarks/results/siege-report"),
        (["--time", "60"], "benchmarks/results/siege-report"),
        (["--time", "2s"], "build/siege-report"),
        (["--users", "1,8"], "build/siege-report"),
        (["--from", "a/b.json"], "a/b"),
        (["--time", "2s", "--output", "a"], "a"),
    ],
)
def test_report_of_a_quick_look_does_not_replace_the_published_one(
    options: list[str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["siege", *options])
    assert parse().output in (ROOT / place, Path(place))


def test_report_of_make_goes_where_its_time_says() -> None:
    for words, place in (([], ""), (["REPORT=/tmp/x"], "--output /tmp/x")):
        command = ["make", "--dry-run", "report", "TIME=2s", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        (line,) = [line for line in done.stdout.splitlines() if "benchmarks.siege" in line]
        assert line.partition("--time 2s")[2].split() == place.split()


def test_report_survives_json() -> None:
    assert report_from(EVENTFUL.to_json()) == EVENTFUL


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"series": [{}]}', EVENTFUL.to_json().replace('"seconds"', '"sec"')]
)
def test_report_from_other_json_is_refused(text: str) -> None:
    with pytest.raises(FiguresError, match="no Siege report"):
        report_from(text)


def test_document_can_be_made_from_the_json(tmp_path: Path) -> None:
    source = tmp_path / "figures.json"
    source.write_text(EVENTFUL.to_json(), "utf-8")
    command = [sys.executable, "-m", "benchmarks.siege", "--from", str(source)]
    command += ["--output", str(tmp_path / "made")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert_same(tmp_path / "made.pdf", EVENTFUL)
    source.write_text("{}")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no Siege report" in done.stderr


def test_published_report_belongs_to_its_figures() -> None:
    """What is handed in: the PDF belongs to the JSON beside it, and nothing was left out."""
    found = report_from((ROOT / "benchmarks" / "results" / "siege-report.json").read_text("utf-8"))
    assert_same(ROOT / "benchmarks" / "results" / "siege-report.pdf", found)
    for series in found.series[:2]:
        assert series.users[:6] == (1, 8, 64, 128, 256, 512)
        assert series.broken or len(series.cells) == len(series.users)


def test_document_says_that_a_server_was_not_silent(tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    write(report(replace(EVENTFUL.series[1], said="a <warning>")), pdf)
    assert "The server was not silent: a <warning>" in text_of(pdf)
