"""Options of the command line beat the config file."""

from __future__ import annotations

import getpass
from typing import Any

import pytest

from httpd.configuration import (
    load,
)
from httpd.settings.machine import count_cores
from tests.unit.settings.reading import Write, flat, problems_of

ME = getpass.getuser()
CORES = count_cores()


@pytest.mark.parametrize(
    ("name", "in_file", "option", "value"),
    [
        ("port", "8081", "8082", 8082),
        ("recv", "1KiB", "100", 100),
        ("workers", "3", "auto", CORES),
        ("threads", "3", "2", 2),
        ("host", "127.0.0.1", ["::1", "localhost"], ("::1", "localhost")),
        ("verbose", "false", True, True),
        ("user", ME, ME, ME),
    ],
)
def test_option_beats_the_file_and_the_file_beats_the_default(
    write: Write, name: str, in_file: str, option: Any, value: Any
) -> None:
    path = write(f"{name}: {in_file}")
    assert flat(load(path, {name: option}))[name] == value
    by_file = flat(load(path, {}))[name]
    assert by_file != flat(load(write(""), {}))[name] or name == "verbose"


def test_option_replaces_a_wrong_value_of_the_file(write: Write) -> None:
    assert load(write("port: wrong"), {"port": "80"}).listen.port == 80


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("port", "--port", "x"),
        ("max_connections", "--max-connections", "0"),
        ("recv", "--recv", ""),
    ],
)
def test_option_with_a_wrong_value_is_named_as_it_was_given(
    write: Write, name: str, option: str, value: str
) -> None:
    (problem,) = problems_of(write(""), {name: value})
    assert problem.startswith(f"{option}: {value!r} ")
