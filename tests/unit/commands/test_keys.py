"""Keys of `phttpd top`."""

from __future__ import annotations

import pytest

from httpd.arguments import SORTS
from httpd.commands.keys import press, split_keys
from httpd.commands.view import Group, Options, Sort

PAGE = 10


def after(data: bytes, options: Options | None = None) -> Options | None:
    """Return the options after all keys, or None after q."""
    now: Options | None = options or Options()
    for key in split_keys(data):
        assert now is not None
        now = press(key, now, PAGE)
    return now


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"qs", ["q", "s"]),
        (b"\x1b[A\x1bOB\x1b[5~", ["\x1b[A", "\x1bOB", "\x1b[5~"]),
        (b"\x1b", ["\x1b"]),
        (b"\x1bq", ["\x1b", "q"]),
        ("ü日".encode(), ["ü", "日"]),
        (b"\xff", ["\ufffd"]),
        (b"\x1b[1;5A", ["\x1b[1;5A"]),
    ],
)
def test_bytes_are_split_to_keys(data: bytes, keys: list[str]) -> None:
    assert list(split_keys(data)) == keys


def test_q_quits() -> None:
    assert after(b"q") is None


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"s", Options(sort=Sort.PERCENT)),
        (b"sssss", Options()),
        (b"g", Options(group=Group.CLIENT)),
        (b"gg", Options(group=Group.FILE)),
        (b"ggg", Options()),
        (b"p", Options(is_paused=True)),
        (b"pp", Options()),
        (b"?", Options(is_helping=True)),
        (b"??", Options()),
        (b"\x1b[B\x1b[B\x1b[A", Options(first=1)),
        (b"\x1b[A", Options()),
        (b"jjk", Options(first=1)),
        (b"\x1b[6~\x1b[6~\x1b[5~", Options(first=PAGE)),
        (b"\x1b[6~s", Options(sort=Sort.PERCENT)),
        (b"x\x00\x1b[Z", Options()),
        (b"/is", Options(filter="is", is_typing=True)),
        (b"/isoq\r", Options(filter="isoq")),
        (b"/isx\x7fo\n", Options(filter="iso")),
        (b"/iso\r\x1b", Options()),
        (b"/iso\x1b", Options()),
        (b"/\x1b[A\x01\r", Options()),
        ("/é日\r".encode(), Options(filter="é日")),
        (b"?/", Options(is_typing=True)),
    ],
)
def test_key_changes_the_options(data: bytes, options: Options) -> None:
    assert after(data) == options


def test_filter_has_an_end() -> None:
    options = after(b"/" + b"x" * 1000)
    assert options is not None
    assert len(options.filter) == 60


def test_columns_to_sort_by_are_those_of_the_command_line() -> None:
    assert tuple(Sort) == SORTS
