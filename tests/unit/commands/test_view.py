"""The view of `phttpd top`, as tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from httpd.commands.cells import width_of
from httpd.commands.view import (
    HELP,
    SHOWN_SECONDS,
    Group,
    Options,
    Row,
    Sort,
    arrange,
    format_seconds,
    make_rows,
    render,
    render_table,
)
from httpd.commands.watch import Figures
from httpd.observe.downloads import Download, Outcome
from httpd.observe.scoreboard import Phase

VIEWS = Path(__file__).with_name("views")

FIGURES = Figures(
    pid=4711,
    phase=Phase.SERVING,
    facts={"version": "0.2.0", "docroot": "/srv/www", "sites": 0},
    workers=4,
    threads=4,
    connections=1204,
    active=38,
    remaining=0,
    draining=0,
    draining_bytes=0,
    requests_per_second=812.4,
    bytes_per_second=1.9e9,
)


def make(client: str = "192.0.2.17", name: str = "/iso/debian-12.iso", **more: object) -> Row:
    row = Row(
        client, name, 1_210_000_000, 3_900_000_000, 98e6, 28.0, 13.0, 2, 1, "1.1.3", Outcome.RUNNING
    )
    return row._replace(**more)  # type: ignore[arg-type]


ROWS = [
    make(),
    make(
        "2001:db8::7 ana",
        "/vm/lab7.ova",
        done=6_020_000_000,
        size=6_100_000_000,
        rate=1.1e6,
        seconds_left=72.0,
        age=2480.0,
        resumes=0,
        parts=16,
        who="2.0.0",
    ),
    make(
        "198.51.100.3",
        "/iso/debian-12.iso",
        done=3_900_000_000,
        rate=5e6,
        seconds_left=None,
        age=780.0,
        resumes=0,
        outcome=Outcome.COMPLETE,
    ),
    make(
        "198.51.100.4",
        "/日本語/ファイル.tar",
        done=999,
        size=123_456,
        rate=0.0,
        seconds_left=None,
        resumes=1,
        outcome=Outcome.INTERRUPTED,
    ),
]


def screen(width: int, height: int = 8, rows: list[Row] = ROWS, **options: object) -> str:
    lines = render(FIGURES, rows, Options(**options), (width, height), uptime=352_260.0)  # type: ignore[arg-type]
    assert len(lines) == height
    assert {width_of(line) for line in lines} == {width}
    return "\n".join(line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_view_of_a_width_has_the_columns_that_fit(width: int) -> None:
    assert f"{screen(width)}\n" == (VIEWS / f"{width}.txt").read_text("utf-8")


def test_view_has_80_columns_at_the_least() -> None:
    assert screen(80) == "\n".join(
        line.rstrip() for line in render(FIGURES, ROWS, Options(), (40, 8), uptime=352_260.0)
    )


@pytest.mark.parametrize("height", [1, 2, 3, 4, 50])
def test_view_has_as_many_lines_as_the_screen(height: int) -> None:
    screen(100, height)


def names(rows: Iterable[Row]) -> list[str]:
    return [row.client for row in rows]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.RATE, "17 7 3 4"),
        (Sort.PERCENT, "3 7 17 4"),
        (Sort.ETA, "17 7 3 4"),
        (Sort.AGE, "7 3 17 4"),
        (Sort.CLIENT, "17 3 4 7"),
    ],
)
def test_rows_are_in_their_order(sort: Sort, order: str) -> None:
    clients = names(arrange(ROWS, Options(sort)))
    assert " ".join(re.split(r"[.:]", name.removesuffix(" ana"))[-1] for name in clients) == order


@pytest.mark.parametrize(
    ("text", "count"), [("", 4), ("ISO", 2), ("ana", 1), ("ファ", 1), ("nothing", 0)]
)
def test_filter_finds_clients_users_and_files(text: str, count: int) -> None:
    assert len(arrange(ROWS, Options(filter=text))) == count


def test_groups_add_up() -> None:
    files = {row.name: row for row in arrange(ROWS, Options(group=Group.FILE))}
    image = files["/iso/debian-12.iso"]
    assert (image.client, image.done, image.rate) == ("2 clients", 5_110_000_000, 98e6)
    assert image.seconds_left == pytest.approx((7.8e9 - 5.11e9) / 98e6)
    rows = [make(), make(name="/other", rate=2e6)]
    (client,) = arrange(rows, Options(group=Group.CLIENT))
    assert (client.client, client.name, client.rate) == ("192.0.2.17", "2 files", 100e6)


def test_view_scrolls_as_far_as_there_are_rows() -> None:
    rows = [make(f"192.0.2.{number}", rate=1000.0 - number) for number in range(100)]
    assert "192.0.2.50 " in screen(80, 13, rows, first=50).split("\n")[2]
    last = screen(80, 13, rows, first=5000).split("\n")
    assert last[-2].startswith("192.0.2.99 ")
    assert last[-1].startswith("91–100 of 100")


def test_help_is_in_place_of_the_rows() -> None:
    text = screen(80, 24, is_helping=True)
    assert HELP in text
    assert "192.0.2.17" not in text


def test_foot_says_what_was_chosen() -> None:
    foot = screen(100, 5, filter="iso", group=Group.CLIENT, is_paused=True).split("\n")[-1]
    assert foot == "1–2 of 2   by rate   grouped by client   only “iso”   PAUSED   ? help"
    assert screen(80, 5, filter="a", is_typing=True).endswith("show only: a▏")


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (
            {"phase": Phase.STOPPING, "active": 3, "remaining": 1_200_000_000},
            "phttpd 0.2.0 draining: waiting for 3 requests, 1.2 GB to send",
        ),
        (
            {"draining": 1, "draining_bytes": 5_000_000},
            "phttpd 0.2.0 serving, and before the last change waiting for 1 request, "
            "5.0 MB to send   ",
        ),
        ({"facts": {"version": "\x1b[2J"}}, r"phttpd \x1b[2J serving   "),
    ],
    ids=["stop", "reload", "escape"],
)
def test_title_says_what_a_drain_waits_for(change: dict[str, object], title: str) -> None:
    figures = FIGURES._replace(**change)  # type: ignore[arg-type]
    assert render(figures, [], Options(), (120, 5), uptime=0.0)[0].startswith(title)


def test_colours_are_escape_sequences_around_the_same_lines() -> None:
    plain = render(FIGURES, ROWS, Options(), (120, 8), uptime=5.0)
    coloured = render(FIGURES, ROWS, Options(), (120, 8), uptime=5.0, colours=True)
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in coloured] == plain
    assert not any("\x1b" in line for line in plain)
    assert sum("\x1b" in line for line in coloured) == 4, "title, heading, and what has ended"


def test_rows_are_those_that_run_or_have_just_ended() -> None:
    made = Download(b"192.0.2.1", b"", b"site", b"/a\x1b", 1000, started=100.0, changed=160.0)
    made.source, made.loop, made.sent = (4711, 2), 5, 600
    (row,) = make_rows([made], 160.0 + SHOWN_SECONDS - 0.1, 4)
    assert (row.name, row.who, row.rate) == (r"site/a\x1b", "2.1.1", 10.0)
    assert (row.outcome, row.age) == (Outcome.INTERRUPTED, 60.0)
    assert make_rows([made], 160.0 + SHOWN_SECONDS, 4) == []
    made.running = 1
    assert make_rows([made], 1000.0, 4)[0].age == 900.0


def test_table_cuts_nothing() -> None:
    name = "/" + "long" * 100
    rows = [make("2001:db8:1111:2222:3333:4444:5555:6666 somebody", name, parts=3), make()]
    lines = render_table(FIGURES, rows, Options(), 60.0).splitlines()
    assert lines[0] == (
        "phttpd 0.2.0 serving   1.9 GB/s   812 requests/s   1204 connections (38 busy)   "
        "up 1:00   4 workers of 4 loops   /srv/www"
    )
    assert re.split(" {2,}", lines[1]) == (
        ["CLIENT", "FILE", "DONE", "OF", "%", "RATE", "ETA", "AGE", "R", "WHO"]
    )
    assert f"6666 somebody {name} [3 parts] " in "\n".join(lines)
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (28.9, "0:28"), (72, "1:12"), (7390, "2:03:10"), (86400 * 4 + 7800, "4 d 2 h")],
)
def test_seconds_are_short(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_long_times_are_unknown() -> None:
    assert format_seconds(1e12) == "–"
