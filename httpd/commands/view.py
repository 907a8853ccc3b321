"""The view of ``phttpd top``: from figures and downloads to lines of a terminal.

Nothing here reads a clock, a file or a terminal.  Whatever comes from clients and files is made
printable, so that no path is an instruction to the terminal.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from httpd.commands.cells import fit, visible, width_of
from httpd.commands.watch import Figures, name_loop
from httpd.observe.downloads import Download, Outcome
from httpd.observe.scoreboard import Phase
from httpd.process.status_text import count, describe_drain, describe_sites, format_bytes

SHOWN_SECONDS = 10.0
"""How long a download is shown after its end."""
LEAST_WIDTH = 80
_LEAST_NAME = 20
"""Cells that the column of files has at the least; other columns are left out for it."""
_NONE = "–"
_HEAD_LINES = 2
_FOOT_LINES = 1

HELP = """\
q, Ctrl-C      quit
s              sort by the next column
/              show only what contains a text: type it, then Enter; Esc for all
p              pause the view, and go on
g              group by client, by file, or not at all
↑ ↓ PgUp PgDn  scroll
?              this help, and back

DONE   what the client has acknowledged, each byte once
RATE   over the last five seconds; of a download that has ended, the mean
AGE    since the first request
R      how often the download was resumed
WHO    generation, worker and loop that send it"""


class Sort(enum.StrEnum):
    """What the rows are sorted by."""

    RATE = "rate"
    PERCENT = "percent"
    ETA = "eta"
    AGE = "age"
    CLIENT = "client"


class Group(enum.StrEnum):
    """What the downloads are grouped by."""

    NONE = "none"
    CLIENT = "client"
    FILE = "file"


class Row(NamedTuple):
    """A line of the table: a download, or several that are grouped.

    Args:
        client: address, and user if there is one.
        name: site and path.
        done: bytes that have arrived.
        size: bytes of the file.
        rate: bytes per second.
        seconds_left: None if that is unknown.
        age: seconds since the first request.
        resumes: how often it was resumed.
        parts: transfers at the same time, at the most.
        who: the loop that sends it; empty for a group.
        outcome: what has become of it.
    """

    client: str
    name: str
    done: int
    size: int
    rate: float
    seconds_left: float | None
    age: float
    resumes: int
    parts: int
    who: str
    outcome: Outcome

    @property
    def fraction(self) -> float:
        """The part that has arrived, from 0 to 1."""
        return self.done / self.size if self.size else 1.0


class Options(NamedTuple):
    """What the person has chosen.

    Args:
        sort: what the rows are sorted by.
        group: what they are grouped by.
        filter: only what contains this text is shown.
        first: the first row that is shown.
        is_paused: whether the view stands still.
        is_helping: whether the help is shown in place of the rows.
        is_typing: whether the filter is being typed.
    """

    sort: Sort = Sort.RATE
    group: Group = Group.NONE
    filter: str = ""
    first: int = 0
    is_paused: bool = False
    is_helping: bool = False
    is_typing: bool = False


class _Column(NamedTuple):
    title: str
    width: int
    text: Callable[[Row], str]
    sort: Sort | None = None
    rank: int = 0
    """Columns of a higher rank are left out first."""


# ---------------------------------------------------------------- rows


def make_rows(downloads: Iterable[Download], now: float, threads: int) -> list[Row]:
    """Return a row for each download that runs or has just ended.

    Args:
        downloads: all that are known.
        now: the monotonic clock, in seconds.
        threads: loops in each worker.
    """
    return [
        _make_row(download, now, threads)
        for download in downloads
        if download.running or now - download.changed < SHOWN_SECONDS
    ]


def _make_row(download: Download, now: float, threads: int) -> Row:
    client, user = visible(download.client), visible(download.user)
    ended = now if download.running else download.changed
    return Row(
        f"{client} {user}".rstrip(),
        visible(download.site) + visible(download.path),
        download.unique,
        download.size,
        download.bytes_per_second(),
        download.seconds_left,
        max(0.0, ended - download.started),
        download.resumes,
        download.parts,
        name_loop(download.source, download.loop, threads),
        download.outcome,
    )


def arrange(rows: Iterable[Row], options: Options) -> list[Row]:
    """Return the rows that are wanted, grouped and in their order."""
    wanted = options.filter.casefold()
    chosen = [row for row in rows if wanted in f"{row.client} {row.name}".casefold()]
    if options.group is not Group.NONE:
        chosen = _group(chosen, options.group)
    return sorted(chosen, key=_ORDER[options.sort])


_ORDER: Mapping[Sort, Callable[[Row], tuple[float | str, ...]]] = {
    Sort.RATE: lambda row: (row.outcome is not Outcome.RUNNING, -row.rate, row.client, row.name),
    Sort.PERCENT: lambda row: (-row.fraction, row.client, row.name),
    Sort.ETA: lambda row: (
        float("inf") if row.seconds_left is None else row.seconds_left,
        row.client,
        row.name,
    ),
    Sort.AGE: lambda row: (-row.age, row.client, row.name),
    Sort.CLIENT: lambda row: (row.client, row.name),
}


def _group(rows: Iterable[Row], by: Group) -> list[Row]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.client if by is Group.CLIENT else row.name, []).append(row)
    return [_add_up(members, by) for members in groups.values()]


def _add_up(rows: Sequence[Row], by: Group) -> Row:
    done, size = sum(row.done for row in rows), sum(row.size for row in rows)
    rate = sum(row.rate for row in rows if row.outcome is Outcome.RUNNING)
    is_running = any(row.outcome is Outcome.RUNNING for row in rows)
    of_client = by is Group.CLIENT
    return Row(
        rows[0].client if of_client else count(len({row.client for row in rows}), "client"),
        count(len({row.name for row in rows}), "file") if of_client else rows[0].name,
        done,
        size,
        rate,
        (size - done) / rate if rate else None,
        max(row.age for row in rows),
        sum(row.resumes for row in rows),
        1,
        "",
        Outcome.RUNNING if is_running else rows[0].outcome,
    )


# ---------------------------------------------------------------- lines


def render(
    figures: Figures,
    rows: Iterable[Row],
    options: Options,
    size: tuple[int, int],
    *,
    uptime: float,
    colours: bool = False,
) -> list[str]:
    """Return the lines of a screen, each of which has exactly its width.

    Args:
        figures: of the daemon.
        rows: all of them.
        options: which ones to show, and how.
        size: columns and lines of the screen.
        uptime: seconds since the daemon was started.
        colours: whether the lines may have escape sequences.
    """
    width, height = max(size[0], LEAST_WIDTH), size[1]
    wanted = arrange(rows, options)
    space = max(0, height - _HEAD_LINES - _FOOT_LINES)
    first = clamp_first(options.first, len(wanted), space)
    columns = choose_columns(width)
    body = (
        [fit(line, width) for line in HELP.splitlines()]
        if options.is_helping
        else [render_row(row, columns, width) for row in wanted[first : first + space]]
    )
    body = (body + [" " * width] * space)[:space]
    if colours and not options.is_helping:
        shown = wanted[first : first + space]
        dim = [row.outcome is not Outcome.RUNNING for row in shown]
        body[: len(dim)] = [
            f"\x1b[2m{line}\x1b[m" if is_dim else line
            for line, is_dim in zip(body, dim, strict=False)
        ]
    title = _title(describe(figures, uptime), width)
    heading = _head(columns, options.sort, width)
    foot = fit(_describe_place(options, len(wanted), first, space), width)
    if colours:
        title, heading = f"\x1b[1m{title}\x1b[m", f"\x1b[7m{heading}\x1b[m"
    return [title, heading, *body, foot][:height]


def render_table(figures: Figures, rows: Iterable[Row], options: Options, uptime: float) -> str:
    """Return everything as text, for a pipe or a file, where nothing is cut."""
    wanted = arrange(rows, options)
    client = max([len("CLIENT"), *(width_of(row.client) for row in wanted)])
    name = max([len("FILE"), *(width_of(_name(row)) for row in wanted)])
    columns = [_COLUMNS[0]._replace(width=client), *_COLUMNS[1:]]
    width = _used(columns) + name - 1
    lines = ["   ".join(filter(None, describe(figures, uptime)))]
    lines.append(_head(columns, options.sort, width, marks=False))
    lines += [render_row(row, columns, width) for row in wanted]
    return "\n".join(line.rstrip() for line in lines)


def clamp_first(first: int, rows: int, space: int) -> int:
    """Return the first row to show, so that the screen is as full as it can be."""
    return max(0, min(first, rows - space))


def describe(figures: Figures, uptime: float) -> list[str]:
    """Return what the title says of the daemon, the most important first."""
    facts = figures.facts
    version = visible(str(facts.get("version", "")).encode())
    served = visible(describe_sites({"docroot": None, "sites": 0, **facts}).encode())
    if figures.phase is Phase.STOPPING:
        state = f"draining: {describe_drain(figures.active, figures.remaining)}"
    elif figures.draining:
        waits = describe_drain(figures.draining, figures.draining_bytes)
        state = f"{figures.phase.name.lower()}, and before the last change {waits}"
    else:
        state = figures.phase.name.lower()
    return [
        f"phttpd {version} {state}",
        f"{format_bytes(round(figures.bytes_per_second))}/s",
        f"{figures.requests_per_second:.0f} requests/s",
        f"{count(figures.connections, 'connection')} ({figures.active} busy)",
        f"up {format_seconds(uptime)}",
        f"{count(figures.workers, 'worker')} of {count(figures.threads, 'loop')}",
        served,
    ]


def _title(parts: Sequence[str], width: int) -> str:
    """Return as much of the title as has room."""
    text = parts[0]
    for part in filter(None, parts[1:]):
        if width_of(longer := f"{text}   {part}") <= width:
            text = longer
    return fit(text, width)


def _describe_place(options: Options, rows: int, first: int, space: int) -> str:
    if options.is_typing:
        return f"show only: {options.filter}▏"
    last = min(rows, first + space)
    parts = [f"{first + 1}–{last} of {rows}" if rows else "no downloads"]
    parts.append(f"by {options.sort}")
    if options.group is not Group.NONE:
        parts.append(f"grouped by {options.group}")
    if options.filter:
        parts.append(f"only “{options.filter}”")
    if options.is_paused:
        parts.append("PAUSED")
    return "   ".join([*parts, "? help"])


def choose_columns(width: int) -> list[_Column]:
    """Return the columns for which there is room; the second one, the file, has a width of 0."""
    client = 39 if width >= 180 else 24 if width >= 120 else 15
    columns = [_COLUMNS[0]._replace(width=client), *_COLUMNS[1:]]
    while width - _used(columns) < _LEAST_NAME and (rank := max(c.rank for c in columns)):
        columns = [column for column in columns if column.rank != rank]
    return columns


def _used(columns: Sequence[_Column]) -> int:
    return sum(column.width + 1 for column in columns)


def _head(columns: Sequence[_Column], sort: Sort, width: int, *, marks: bool = True) -> str:
    cells = []
    for place, column in enumerate(columns):
        mark = "▾" if marks and column.sort is sort else ""
        cells.append(_fit_cell(f"{column.title}{mark}", column, place, width - _used(columns)))
    return fit(" ".join(cells), width)


def render_row(row: Row, columns: Sequence[_Column], width: int) -> str:
    """Return a row as a line of exactly this width."""
    name_width = width - _used(columns)
    cells = [_fit_cell(c.text(row), c, place, name_width) for place, c in enumerate(columns)]
    if row.parts > 1:
        suffix = f" [{count(row.parts, 'part')}]"
        room = max(1, name_width + 1 - len(suffix))
        name = row.name if width_of(row.name) <= room else fit(row.name, room)
        cells[1] = fit(name + suffix, name_width + 1)
    return fit(" ".join(cells), width)


def _fit_cell(text: str, column: _Column, place: int, name_width: int) -> str:
    return fit(text, column.width or name_width + 1, right=place > 1)


def _name(row: Row) -> str:
    return f"{row.name} [{count(row.parts, 'part')}]" if row.parts > 1 else row.name


def _percent(row: Row) -> str:
    return f"{int(100 * row.fraction)} %"


def _left(row: Row) -> str:
    if row.outcome is Outcome.RUNNING:
        return _NONE if row.seconds_left is None else format_seconds(row.seconds_left)
    return {Outcome.COMPLETE: "done", Outcome.REPLACED: "changed"}.get(row.outcome, "cut")


_COLUMNS = (
    _Column("CLIENT", 15, lambda row: row.client, Sort.CLIENT),
    _Column("FILE", 0, lambda row: row.name),
    _Column("DONE", 9, lambda row: format_bytes(row.done), rank=1),
    _Column("OF", 9, lambda row: format_bytes(row.size)),
    _Column("%", 5, _percent, Sort.PERCENT),
    _Column("RATE", 11, lambda row: f"{format_bytes(round(row.rate))}/s", Sort.RATE),
    _Column("ETA", 8, _left, Sort.ETA),
    _Column("AGE", 8, lambda row: format_seconds(row.age), Sort.AGE, rank=2),
    _Column("R", 3, lambda row: str(row.resumes) if row.resumes else _NONE, rank=3),
    _Column("WHO", 7, lambda row: row.who, rank=4),
)


def format_seconds(seconds: float) -> str:
    """Return a time as minutes and seconds, with hours or days where there are some."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days > 999:
        return _NONE
    if days:
        return f"{days} d {hours} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
