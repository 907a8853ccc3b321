"""Makes the PDF of a report.  The same figures give the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    Image,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Table,
    TableStyle,
)

from benchmarks.siege.attack import FAILURES, MOST, SOCKET_TIMEOUT
from benchmarks.siege.figures import CLOSE, KEEP_ALIVE, PHTTPD, SEQUENTIAL, Figures, Report, Series
from benchmarks.siege.graphs import SIZE, draw
from benchmarks.siege.reading import messages, plural, reading

TITLE = "phttpd under Siege"

MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN

PADDING = 6
"""Points that reportlab leaves free inside of the margins."""

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"

INK = colors.HexColor("#111827")
GREY = colors.HexColor("#6b7280")
LINE = colors.HexColor("#d1d5db")
SHADE = colors.HexColor("#f3f4f6")

BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=9, leading=13, spaceAfter=5, textColor=INK)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=7.5, leading=10.5, textColor=GREY)
HEADING = ParagraphStyle(
    "heading", parent=BODY, fontName=BOLD, fontSize=12, leading=16, spaceBefore=10
)
HEAD = ParagraphStyle("head", parent=BODY, fontName=BOLD, fontSize=20, leading=26)

CAPTIONS = {
    (SEQUENTIAL, CLOSE): "The original web server (Project 1)",
    (PHTTPD, CLOSE): "The parallel web server, phttpd (Project 2)",
    (PHTTPD, KEEP_ALIVE): "phttpd with persistent connections",
}

NOTHING = "–"
"""Stands in a table where nothing was measured."""

# The rows of the assignment, in its order; then the other figures of Siege.
ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("Response time (s)", lambda one: f"{one.response_time:.2f}"),
    ("Transaction rate (1/s)", lambda one: f"{one.transaction_rate:,.2f}"),
    ("Throughput (MB/s)", lambda one: f"{one.throughput:,.2f}"),
    ("Concurrency", lambda one: f"{one.concurrency:,.2f}"),
    ("Successful transactions", lambda one: f"{one.successful_transactions:,}"),
    ("Failed transactions", lambda one: f"{one.failed_transactions:,}"),
    ("Longest transaction (s)", lambda one: f"{one.longest_transaction:.2f}"),
    ("Shortest transaction (s)", lambda one: f"{one.shortest_transaction:.2f}"),
    ("Transactions", lambda one: f"{one.transactions:,}"),
    ("Availability (%)", lambda one: f"{one.availability:.2f}"),
    ("Elapsed time (s)", lambda one: f"{one.elapsed_time:.2f}"),
    ("Data transferred (MB)", lambda one: f"{one.data_transferred:,.2f}"),
    ("Mean response time¹ (ms)", lambda one: mean(one.mean_ms)),
)

SPEC_ROWS = 8

NOTES = (
    "¹ Computed: concurrency divided by transaction rate (Little’s law), the response time "
    "without Siege’s rounding to hundredths of a second. "
    "² CPU seconds per second of all processes of the server, and of Siege. "
    "MB are 2<super>20</super> bytes."
)


def mean(milliseconds: float | None) -> str:
    return NOTHING if milliseconds is None else f"{milliseconds:.2f}"


def write(report: Report, path: Path) -> None:
    """Write the PDF of a report, with the date of the report: the same figures, the same bytes."""
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(fonts / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD)
    template = SimpleDocTemplate(
        str(path),
        pagesize=A4,
        leftMargin=MARGIN - PADDING,
        rightMargin=MARGIN - PADDING,
        topMargin=16 * mm,
        bottomMargin=18 * mm,
        title=TITLE,
        author="phttpd",
        subject=f"Siege, {report.seconds} s per run, {report.date}",
        invariant=1,
    )
    with dated(report.date):
        template.build(list(story(report)), onFirstPage=number_page, onLaterPages=number_page)


@contextmanager
def dated(date: str) -> Iterator[None]:
    """Have reportlab write a date into the PDF instead of that of today (reproducible builds)."""
    name = "SOURCE_DATE_EPOCH"
    before = os.environ.get(name)
    os.environ[name] = str(int(datetime.fromisoformat(date).timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def number_page(canvas: Canvas, _: object) -> None:
    canvas.setFont(REGULAR, 7.5)
    canvas.setFillColor(GREY)
    canvas.drawString(MARGIN, 10 * mm, TITLE)
    canvas.drawRightString(A4[0] - MARGIN, 10 * mm, str(canvas.getPageNumber()))


def story(report: Report) -> Iterator[Flowable]:
    yield Paragraph(TITLE, HEAD)
    yield Paragraph(
        "The original web server (Project 1) is sequential, and phttpd (Project 2) is parallel. "
        f"{report.date[:16].replace('T', ' ')} UTC",
        SMALL,
    )
    yield Paragraph("Result", HEADING)
    for text in reading(report):
        yield Paragraph(escape(text), BODY)
    if any(series.measured for series in report.series):
        yield Image(draw(report), WIDTH, WIDTH * SIZE[1] / SIZE[0])
    if any(series.broken for series in report.series):
        yield Paragraph("A red cross is a run in which the server, or Siege, broke down.", SMALL)
    for series in report.series:
        if series.connection == CLOSE:
            yield KeepTogether(list(section(series)))
    yield Paragraph(NOTES, SMALL)
    yield Paragraph("Machine and versions", HEADING)
    yield facts(report.machine | report.versions)
    for series in report.series:
        if series.connection == KEEP_ALIVE:
            yield KeepTogether(list(section(series)))
    yield Paragraph("Method", HEADING)
    for text in method(report):
        yield Paragraph(escape(text), BODY)


def facts(values: dict[str, str]) -> Table:
    """Return pairs of names and values, two a line."""
    cells: list[list[Flowable | str]] = [
        [Paragraph(escape(name), SMALL), Paragraph(escape(value), BODY)]
        for name, value in values.items()
    ]
    if len(cells) % 2:
        cells.append(["", ""])
    half = len(cells) // 2
    rows = [left + right for left, right in zip(cells[:half], cells[half:], strict=True)]
    return Table(
        rows,
        colWidths=[WIDTH * part for part in (0.14, 0.42, 0.16, 0.28)],
        hAlign="LEFT",
        style=TableStyle(
            [
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 0),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        ),
    )


def method(report: Report) -> Iterator[str]:
    """Say how it was measured, so that it can be repeated."""
    yield (
        f"Each column of a table is one run of “siege --benchmark --time={report.seconds}s "
        f"--concurrent=N http://127.0.0.1:PORT/{report.page}”. The page has {report.page_bytes} "
        "bytes; each user loads it and begins again at once. Siege had a configuration of its own: "
        "“parser = false”, as it would otherwise also load what the page links to; “limit” raised "
        "from 255, beyond which Siege starts no more users, to their number (“siege --config” "
        "names the file in which to write “limit = 512”); and its defaults of "
        f"{FAILURES} failures after which it gives up "
        f"and {SOCKET_TIMEOUT} s that it waits for a connection. Siege counts whole seconds of the "
        "clock, so a run may be up to a second shorter or longer than asked for, and it does not "
        "count what is under way at the end."
    )
    yield (
        "The original web server is one process that takes one client at a time: accept, read the "
        "request, send the file, close, and again. Who comes meanwhile waits in the listen queue, "
        "of 128 connections. phttpd ran with its defaults and silent. Both served the same "
        "directory with the same Python. Siege sends “Connection: close”, but for the runs with "
        "persistent connections."
    )
    yield (
        "Siege ran on the same machine, over the loopback interface, and competed with the server "
        "for its cores. Before and after each run the server had to deliver the page unharmed. A "
        f"series ends when Siege gives up ({FAILURES} failures), when more transactions fail than "
        "succeed, when Siege does not end, or when the server does not answer any more."
    )
    yield (
        "Where a listen queue is full, Linux drops connection requests, and the client tries again "
        "a second later, then after twice the time, and so on: such a transaction is long, but "
        "need not fail. A closed connection keeps its port for a minute (TIME_WAIT); with "
        "“tcp_tw_reuse” at 1 or 2, Linux uses it again on the loopback interface after a second. "
        "Should the client ports run out all the same, Siege’s messages below the table say so. "
        f"More than {MOST} users are divided among several Sieges that run at the same time, and "
        "their figures are added: a single one with more descriptors than select(2) takes "
        "(FD_SETSIZE) fails or hangs by itself. Siege also hangs now and then at the end of its "
        "time, with many users often; then, and with several Sieges, “--reps” takes the place of "
        "“--time”, and a note below the table says so."
    )


def section(series: Series) -> Iterator[Flowable]:
    yield Paragraph(CAPTIONS[series.server, series.connection], HEADING)
    yield table(series)
    if ended := [f"{cell.reps} with {plural(cell.users)}" for cell in series.cells if cell.reps]:
        yield Paragraph(f"Loads by each user (--reps): {', '.join(ended)}.", SMALL)
    for cell in series.cells:
        if cell.breakdown:
            text = f"{plural(cell.users)}: broke down. {cell.breakdown}{messages(cell)}."
            yield Paragraph(escape(text), BODY)
        elif cell.errors:
            yield Paragraph(escape(f"{plural(cell.users)}{messages(cell)}."), SMALL)
    if series.said:
        yield Paragraph(escape(f"The server was not silent: {series.said}"), BODY)


def table(series: Series) -> Table:
    """Return the table of a series, a column for each number of users that was planned."""
    cells = {cell.users: cell for cell in series.cells}
    columns = [cells.get(users) for users in series.users]
    rows = [["Concurrent users", *map(str, series.users)]]
    for name, text in ROWS:
        values = [text(one.figures) if one and one.figures else NOTHING for one in columns]
        rows.append([name, *values])
    for name, attribute in (("Server, cores²", "server_cpu"), ("Siege, cores²", "siege_cpu")):
        used = [
            f"{getattr(one, attribute):.2f}" if one and one.figures else NOTHING for one in columns
        ]
        rows.append([name, *used])
    first = 42 * mm
    return Table(
        rows,
        colWidths=[first, *([min((WIDTH - first) / len(columns), 22 * mm)] * len(columns))],
        hAlign="LEFT",
        spaceAfter=4,
        style=TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), REGULAR, 7.5),
                ("FONT", (0, 0), (-1, 0), BOLD, 7.5),
                ("TEXTCOLOR", (0, 0), (-1, -1), INK),
                ("TEXTCOLOR", (0, SPEC_ROWS + 1), (-1, -1), GREY),
                ("BACKGROUND", (0, 0), (-1, 0), SHADE),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                ("LINEBELOW", (0, SPEC_ROWS), (-1, SPEC_ROWS), 0.8, GREY),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
                ("LEFTPADDING", (0, 0), (-1, -1), 2),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ]
        ),
    )
