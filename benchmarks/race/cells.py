"""The kinds of requests of the race, the servers that take part in each, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.race import site

US = "phttpd"
AS_SHIPPED = "nginx"
RIVALS = ("nginx", "nginx-cache", "lighttpd", "h2o")
"""The servers to the best of which the ratio is given."""

FLOOR = "floor"

C = (US, *RIVALS, FLOOR)
WITH_APACHE = (*C, "apache")
PYTHON = ("http.server", "gunicorn", "uvicorn", "cheroot", "granian")

RACERS = (*WITH_APACHE, *PYTHON)

SCRIPTS = Path(__file__).parent / "lua"

PIPELINED = 16

# What Chromium sends for an image of a page, and a cookie of a usual length.
BROWSER = (
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36",
    'sec-ch-ua-platform: "Linux"',
    "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Dest: image",
    "Referer: http://localhost/index.html",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9",
    "Cookie: session=f3b1c6e2a4d04f7d9a51c0a1; theme=dark",
)


@dataclass(frozen=True)
class Cell:
    """One kind of request.

    Args:
        title: for the table.
        path: of the request, and the name of the file with the right content.
        racers: the servers that take part, keys of KINDS.
        connections: kept busy by the load.
        fields: further field lines of the request.
        status: of the right response.
        part: bytes of the file that the right response has; None for all of them.
        pipelined: requests sent at once.
        script: a Lua file that makes the requests, and its arguments.
        revalidates: whether each server's own entity tag is sent along.
        by_downloads: whether the load is a client of ours that discards what it receives; wrk
            would rather measure itself.
        log: whether the servers log the requests.
        floor: what the floor does beside receiving and sending: “first”, “mix” or “large”.
        starts_anew: whether the servers are started again for each round.
        rounds: of each server, an odd number.
        warm_up: rounds before these, which are reported separately.
        seconds: of load in a round, at least.
    """

    title: str
    path: str = "/4k.txt"
    racers: tuple[str, ...] = C
    connections: int = 64
    fields: tuple[str, ...] = ()
    status: int = 200
    part: range | None = None
    pipelined: int = 1
    script: tuple[str, ...] = ()
    revalidates: bool = False
    by_downloads: bool = False
    log: bool = False
    floor: str = ""
    starts_anew: bool = False
    rounds: int = 3
    warm_up: int = 0
    seconds: int = 1


def script(name: str, *arguments: object) -> tuple[str, ...]:
    return (str(SCRIPTS / f"{name}.lua"), *map(str, arguments))


CELLS = {
    # One connection, or very many, cost differently from round to round.
    "1k-1": Cell("1 kB, 1 connection", "/1k.txt", connections=1, rounds=5),
    "1k": Cell("1 kB, 64 connections", "/1k.txt"),
    "1k-512": Cell("1 kB, 512 connections", "/1k.txt", connections=512, rounds=5),
    "1k-5000": Cell("1 kB, 5000 connections", "/1k.txt", connections=5000, seconds=2),
    "4k-1": Cell("4 kB, 1 connection", connections=1, rounds=5),
    "4k": Cell("4 kB, 64 connections", racers=(*WITH_APACHE, *PYTHON), rounds=5),
    # Apache closes connections while it starts enough processes for so many.
    "4k-512": Cell("4 kB, 512 connections", connections=512, rounds=5),
    "4k-5000": Cell("4 kB, 5000 connections", connections=5000, seconds=2),
    "close": Cell(
        "4 kB, `Connection: close`",
        # http.server does not announce that it closes, which wrk takes for an error.
        racers=(*WITH_APACHE, *PYTHON[1:]),
        fields=("Connection: close",),
        rounds=5,
    ),
    "100k": Cell("100 kB", "/100k.bin", WITH_APACHE),
    "1m": Cell("1 MB", "/1m.bin", (*WITH_APACHE, *PYTHON), floor="large"),
    "1g-1": Cell(
        "1 GB, 1 connection",
        f"/{site.LARGE}",
        connections=1,
        by_downloads=True,
        floor="large",
        seconds=2,
    ),
    "1g": Cell(
        "1 GB, 64 connections", f"/{site.LARGE}", by_downloads=True, floor="large", seconds=2
    ),
    "304": Cell("304", racers=WITH_APACHE, status=304, revalidates=True),
    "404": Cell("404", "/missing.txt", WITH_APACHE, status=404),
    "range": Cell(
        "4 kB out of 1 MB (206)",
        "/1m.bin",
        fields=("Range: bytes=500000-504095",),
        status=206,
        part=range(500000, 504096),
    ),
    "mix": Cell(
        "mix of 10 000 files",
        f"/{site.MIX}",
        script=script("mix", site.MIX_FILES),
        floor="mix",
        warm_up=1,  # a file is cached at its second request
        seconds=4,
    ),
    "miss": Cell("4 kB, a query that is always new", script=script("miss")),
    "cold": Cell(
        "4 kB, a path that is always spelled anew", f"/{site.COLD}", script=script("cold")
    ),
    "first": Cell(
        "4 kB, a file that nobody has asked for before",
        f"/{site.FIRST}",
        script=script("first", site.FIRST_FILES),
        floor="first",
        starts_anew=True,
        seconds=2,
    ),
    "pipelined": Cell(
        f"4 kB, {PIPELINED} pipelined",
        pipelined=PIPELINED,
        script=script("pipelined", PIPELINED),
    ),
    "browser": Cell("4 kB, a browser's fields", fields=BROWSER),
    "log": Cell("4 kB, logging requests", log=True),
}
