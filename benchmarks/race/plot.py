"""The results of a race as a picture: what each server spends on a request, to phttpd."""

from __future__ import annotations

from pathlib import Path

from benchmarks.environment import UnavailableError
from benchmarks.race.cells import PYTHON, US
from benchmarks.race.results import Results

STYLES = {
    "nginx": ("o", "#009639"),
    "nginx-cache": ("o", "#8fd0a5"),
    "lighttpd": ("s", "#3465a4"),
    "h2o": ("D", "#e08a00"),
    "apache": ("^", "#c0392b"),
    "floor": ("|", "#555555"),
}


def draw(results: Results, path: Path) -> None:
    """Draw one line for each kind of request; right of the middle is who spends more than phttpd.

    Raises:
        UnavailableError: matplotlib is not there.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
        from matplotlib.ticker import FixedLocator, NullLocator  # noqa: PLC0415
    except ModuleNotFoundError:
        raise UnavailableError("matplotlib is missing; pip install --group bench") from None
    cells = [cell for cell in results.rounds if results.medians(cell, US)]
    with rc_context({"svg.hashsalt": "phttpd", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 1.6 + 0.3 * len(cells)), layout="constrained")
        axes = figure.subplots()
        for name in results.servers():
            if name in (US, *PYTHON):
                continue
            marker, colour = STYLES.get(name, ("x", "black"))
            points = [
                (own.cpu / ours.cpu, row)
                for row, cell in enumerate(cells)
                if (own := results.medians(cell, name))
                and (ours := results.medians(cell, US))
                and own.cpu > 0
            ]
            horizontal, vertical = zip(*points, strict=True) if points else ((), ())
            axes.scatter(horizontal, vertical, s=42, c=colour, marker=marker, label=name, zorder=3)
        axes.axvline(1, color="black", linewidth=1.2, label=US)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(
            FixedLocator([0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10])
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
        axes.set_yticks(
            range(len(cells)), [results.titles[cell].replace("`", "") for cell in cells]
        )
        axes.invert_yaxis()
        axes.grid(axis="both", color="#dddddd")
        axes.set_xlabel("CPU time per request, phttpd = 1 (further right: more than phttpd)")
        figure.legend(loc="outside upper center", ncols=len(STYLES) + 1, frameon=False)
        figure.savefig(path, format=path.suffix[1:], metadata=_timeless(path))


def _timeless(path: Path) -> dict[str, str | None]:
    return {"Date": None} if path.suffix == ".svg" else {}
