"""Draws transaction rate and response time over the number of users."""

from __future__ import annotations

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.siege.figures import CLOSE, KEEP_ALIVE, PHTTPD, SEQUENTIAL, Report

# Colours that colour-blind readers can tell apart, and marks for a print in grey.
STYLES = {
    (SEQUENTIAL, CLOSE): ("original web server (Project 1)", "#b45309", "s"),
    (PHTTPD, CLOSE): ("phttpd (Project 2)", "#1d4ed8", "o"),
    (PHTTPD, KEEP_ALIVE): ("phttpd, persistent", "#0891b2", "^"),
}

SIZE = (6.9, 6.2)
"""Inches: the width of the text on A4, and what a table leaves of a page."""

RESOLUTION = 200


def draw(report: Report) -> BytesIO:
    """Return both graphs as a PNG; something must have been measured."""
    figure = Figure(figsize=SIZE, layout="constrained")
    rate, time = figure.subplots(2, 1)
    for series in report.series:
        name, colour, mark = STYLES[series.server, series.connection]
        users = list(series.measured)
        line = {"color": colour, "linewidth": 1.8, "clip_on": False, "label": name}
        style = line | {"marker": mark, "markersize": 6}
        rates = [figures.transaction_rate for figures in series.measured.values()]
        means = [figures.mean_ms for figures in series.measured.values()]
        rate.plot(users, rates, **style)
        time.plot(users, means, **style)
        if series.broken and series.broken.users in series.measured:
            last = {"color": "#b91c1c", "marker": "x", "markersize": 12, "markeredgewidth": 2}
            last |= {"clip_on": False}
            rate.plot(users[-1], rates[-1], **last)
            time.plot(users[-1], means[-1], **last)
    every = sorted({users for series in report.series for users in series.measured})
    label(rate, "Transaction rate (per second)", every)
    label(time, "Mean response time (ms)", every)
    rate.set_ylim(bottom=0)
    rate.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    rate.legend(frameon=False)
    time.set_yscale("log")
    time.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    image = BytesIO()
    figure.savefig(image, format="png", dpi=RESOLUTION, metadata={"Software": None})
    image.seek(0)
    return image


def label(axes: Axes, title: str, users: list[int]) -> None:
    axes.set_title(title, loc="left", fontweight="bold", fontsize=11)
    axes.set_xlabel("concurrent users")
    axes.set_xscale("log", base=2)
    axes.set_xticks(users, list(map(str, users)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color="#d1d5db", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
