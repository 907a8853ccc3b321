"""The results of a race as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from benchmarks.environment import MB
from benchmarks.race import promises, quiet
from benchmarks.race.cells import AS_SHIPPED, FLOOR, PYTHON, RIVALS, US
from benchmarks.race.interpreter import Interpreter, optimisation
from benchmarks.race.load import Round
from benchmarks.race.results import Ratio, Results

NONE = "–"

WIDTH = 100
"""Columns of a line of text."""

BROAD = (US, *RIVALS, "apache", FLOOR)

METHOD = """\
CPU time is user and system time of all processes of a server. Each server has one core and one
worker (phttpd with four loops). The load has another core: wrk, or for 1 GB a client that lets
the kernel discard what it receives. The servers of a cell run side by side and are loaded in
turns, each round beginning with another one; shown are medians over the rounds. A ratio is the
median of those of the single rounds, of which the least and the most stand in brackets: other work
on the machine changes from second to second, and does the same to servers that are loaded one after
the other. Every server answers each kind of request right, byte by byte, before it is measured.
Access logs are off but where the cell says so, and the servers send comparable fields.

* `nginx` is as Debian ships it, with `sendfile` and `tcp_nopush`; `nginx-cache` also has
  `open_file_cache`, valid for 1 s.
* `floor` is a small C program that makes the system calls of phttpd and does nothing else: it
  receives, and sends the very bytes that phttpd answered. It opens, reads and looks at the files
  that phttpd opens, reads and looks at in a cell, and logs as many lines.
* The Python servers have four threads where they have threads: gunicorn (`gthread`) and cheroot
  serve with whitenoise, uvicorn (uvloop, httptools) and granian with starlette.
* All files are in the page cache. That of 1 GB is sparse but for its ends; its “requests” are
  gigabytes.
* The mix is 10 000 files of log-normal sizes, 8 kB in the median and 2 MB at most, picked at
  random. The first round, in which a server has them for the first and second time, is told apart.
* With a query that is always new, or a path that is always spelled anew (letters
  percent-encoded), no request is like another, but the file is always the same.
* Files that nobody has asked for before are 150 000 names of 100 files; each is asked for once by
  every server, which starts anew for each round.
* Requests are logged in the Combined Log Format; nginx has a buffer of 64 kB, flushed every
  second.
"""


def render(results: Results, plot: str | None) -> str:
    """Return the whole page; `plot` is the name of the picture."""
    parts = [f"# The race: {results.processor}", "", "Written by `make race`; do not edit.", ""]
    parts += noise(results)
    machine = "; ".join(f"{name}: {value}" for name, value in results.machine.items())
    parts += [f"{machine}.", "", *interpreter(results), METHOD]
    versions = ", ".join(f"{name} {value}".strip() for name, value in results.versions.items())
    parts += [f"Versions: {versions}.", ""]
    if plot is not None:
        parts += [f"![CPU time per request of all servers, to that of phttpd]({plot})", ""]
    parts += ["## CPU time per request, µs", "", *costs(results), ""]
    parts += promised(results)
    for title, show in FIGURES:
        parts += [f"## {title}", "", *broad(results, BROAD, show), ""]
    parts += [*python_world(results), *further(results), *quietness(results)]
    parts += failures(results)
    return "\n".join(parts).rstrip() + "\n"


def interpreter(results: Results) -> list[str]:
    """Say which Python runs phttpd, and how it was built."""
    if not results.interpreter:
        return []
    own = Interpreter(**results.interpreter)
    package = f" of the package {own.package}" if own.package else ""
    optimised = optimisation(own.configured, own.flags, own.package)
    others = results.machine.get("Python", "unknown")
    flags = " ".join(own.flags.split())
    text = (
        f"phttpd runs under `{own.path}`, which {own.why}: Python {own.version}{package}, built by "
        f"{own.compiler}, {optimised}. The flags of its compiler were `{flags}`. The other Python "
        f"servers run under Python {others}, in an environment of the project."
    )
    return [*wrap(text), ""]


def noise(results: Results) -> list[str]:
    """Say what keeps the results from being published."""
    missed = [bar for bar in results.bars() if not bar.met]
    if not missed:
        return []
    return (
        ["**Not to be published**, since a limit was not kept:", ""]
        + [f"* {quiet.sentence(bar)}" for bar in missed]
        + [""]
    )


def quietness(results: Results) -> list[str]:
    rows = [
        [bar.name, f"{bar.value:.2g}", bar.text, "met" if bar.met else "**missed**"]
        for bar in results.bars()
    ]
    if not rows:
        return []
    return ["## How quiet the machine was", "", *table(["", "measured", "limit", ""], rows), ""]


def promised(results: Results) -> list[str]:
    rows = [
        [bar.name, number(bar.value), bar.text, "met" if bar.met else "**missed**"]
        for bar in promises.check(results)
    ]
    if not rows:
        return []
    return ["## What is promised", "", *table(["", "measured", "promised", ""], rows), ""]


def summary(results: Results) -> str:
    """Return the table of CPU times, and what became of the promises."""
    return "\n".join([*costs(results), "", *promised(results)])


def wrap(text: str) -> list[str]:
    """Return a paragraph as lines."""
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def number(value: float | None) -> str:
    """Return three figures of a number, whole above a hundred."""
    if value is None:
        return NONE
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def costs(results: Results) -> list[str]:
    names = [name for name in BROAD if name in results.servers()]
    rows = []
    for cell in results.rounds:
        own = [number(each.cpu if each else None) for each in _medians(results, cell, names)]
        best = results.best(cell)
        to_best = f"{ratio(results.to_best(cell))} ({best[0]})" if best else NONE
        rows.append([title(results, cell), *own, to_best, ratio(results.to_nginx(cell))])
    return table(["request", *names, f"{US} / best", f"{US} / {AS_SHIPPED}"], rows)


def ratio(value: Ratio | None) -> str:
    if value is None:
        return NONE
    text = f"{value.value:.2f}"
    return f"{f'**{text}**' if value.value < 1 else text} [{value.least:.2f} – {value.most:.2f}]"


def compare(earlier: Results, now: Results) -> str:
    """Return a table of what has become of the ratios that an earlier race had.

    The best is that of the earlier race: another one may not take part now.
    """
    columns = ["request"]
    for rival in (AS_SHIPPED, "the best"):
        columns += [f"to {rival}, earlier", "now", "change"]
    rows = []
    for cell in now.rounds:
        best, _ = earlier.best(cell) or ("", 0)
        to_nginx = _change(earlier.to_nginx(cell), now.to_nginx(cell))
        to_best = _change(earlier.ratio(cell, best), now.ratio(cell, best))
        rows.append([title(now, cell), *to_nginx, *to_best])
    return "\n".join(table(columns, rows))


def _change(before: Ratio | None, after: Ratio | None) -> list[str]:
    change = f"{after.value / before.value - 1:+.0%}" if before and after else NONE
    return [ratio(before), ratio(after), change]


def title(results: Results, cell: str) -> str:
    return results.titles.get(cell, cell)


def _medians(results: Results, cell: str, names: Sequence[str]) -> list[Round | None]:
    return [results.medians(cell, name) for name in names]


def latency(own: Round) -> str:
    if own.p50 is None:
        return NONE
    return f"{number(own.p50)} / {number(own.p99)}" if own.p99 else number(own.p50)


COST: tuple[str, Callable[[Round], str]] = ("CPU time, µs", lambda own: number(own.cpu))

FIGURES: list[tuple[str, Callable[[Round], str]]] = [
    ("Requests per second", lambda own: number(own.per_second)),
    ("Latency, median / 99th percentile, µs", latency),
    ("Memory (PSS) under load, MB", lambda own: number(own.pss / MB)),
]


def broad(results: Results, names: Sequence[str], show: Callable[[Round], str]) -> list[str]:
    there = [name for name in names if name in results.servers()]
    rows = [
        [title(results, cell), *(show(own) if own else NONE for own in own_rounds)]
        for cell in results.rounds
        if any(own_rounds := _medians(results, cell, there))
    ]
    return table(["request", *there], rows)


def python_world(results: Results) -> list[str]:
    names = [US, *(name for name in PYTHON if name in results.servers())]
    if len(names) == 1:
        return []
    rows = []
    for cell in results.rounds:
        if not any(_medians(results, cell, names[1:])):
            continue
        for kind, show in [COST, *FIGURES]:
            own_rounds = _medians(results, cell, names)
            shown = [show(own) if own else NONE for own in own_rounds]
            rows.append([f"{title(results, cell)}: {kind}", *shown])
    return ["## Among Python servers", "", *table(["request", *names], rows), ""]


def further(results: Results) -> list[str]:
    parts = []
    for question, figures in results.further.items():
        rows = [[name, number(value)] for name, value in figures.items()]
        parts += [f"## {question}", "", *table(["", ""], rows), ""]
    return parts


def failures(results: Results) -> list[str]:
    rows = [
        [title(results, cell), server, reason.replace("|", "\\|").replace("\n", " ")[:200]]
        for cell, server, reason in results.all_failures()
    ]
    if not rows:
        return []
    return ["## Could not be measured", "", *table(["request", "server", "why"], rows), ""]
