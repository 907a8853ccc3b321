"""The config file as a whole: unknown keys, broken YAML, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpd.configuration import (
    load,
)
from httpd.settings.errors import ConfigError
from tests.unit.guard import must_end
from tests.unit.settings.reading import Write, problems_of


def test_file_with_several_mistakes_is_reported_with_all_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text("port: x\n\n# comment\nthreds: 4\nthreads: 0\nrecv: 1\nrecv: 2\n")
    problems = problems_of(str(path), {"workers": "none"})
    starts = [
        f"{path}:1: port: 'x' ",
        f"{path}:4: threds: unknown key; did you mean threads?",
        f"{path}:5: threads: 0 ",
        f"{path}:7: recv: is set a second time",
        "--workers: 'none' ",
        f"{path}: docroot: is not set",
    ]
    assert len(problems) == len(starts)
    for start in starts:
        assert any(problem.startswith(start) for problem in problems), start


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("prot", "port"),
        ("Port", "port"),
        ("docrot", "docroot"),
        ("doc_root", "docroot"),
        ("documentroot", "docroot"),
        ("worker", "workers"),
        ("thread", "threads"),
        ("keepalive-timeout", "keepalive_timeout"),
        ("keep_alive_timeout", "keepalive_timeout"),
        ("logfile", "log_file"),
        ("log-file", "log_file"),
        ("pid_file", "pidfile"),
        ("hosts", "host"),
        ("indexes", "index"),
        ("verbos", "verbose"),
        ("max_connection", "max_connections"),
    ],
)
def test_unknown_key_is_reported_with_the_nearest_one(write: Write, key: str, nearest: str) -> None:
    (problem,) = problems_of(write(f"{key}: 1"))
    assert f":2: {key}: unknown key; did you mean {nearest}?" in problem


@pytest.mark.parametrize("key", ["xyzzy", "1", "true", "~", "''", "<<"])
def test_unknown_key_unlike_any_is_reported_with_its_line(write: Write, key: str) -> None:
    (problem,) = problems_of(write(f"{key}: 1"))
    assert ":2: " in problem
    assert "unknown key" in problem


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}", "? {a: b}\n", "? [a]\n"])
def test_key_that_is_no_word_is_reported_with_its_line(write: Write, key: str) -> None:
    (problem,) = problems_of(write(f"{key}: 1"))
    assert ":2: " in problem
    assert "Node" not in problem, "objects of PyYAML are not shown"


@pytest.mark.parametrize(
    "text",
    [
        "port: [",
        "port: 80: 90",
        "  port: 80\n port: 81",
        "port: @80",
        "port: `80`",
        "\tport: 80",
        "port: 'x",
        'port: "\\q"',
        "port: *nothing",
        "a: b\n---\nc: d",
        "port: !foo 80",
        "port: !!int x",
        'port: !!int ""',
        "port: !!float x",
        "verbose: !!bool maybe",
        "user: !!timestamp x",
        "user: !!python/object:os.system x",
        "user: 2026-13-45",
        "user: !!binary ü",
        "%YAML 9.9\n---\nport: 80",
        "port: 80\x01",
        "port: 80\ud800",
    ],
    ids=lambda text: repr(text)[:30],
)
def test_file_that_is_no_yaml_is_reported_in_one_line_with_its_place(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for problem in problems_of(str(path)):
        assert str(path) in problem or problem.startswith("docroot: ")


@pytest.mark.parametrize("text", ["- port: 80", "80", "text", "[]", "'port: 80'"])
def test_file_that_is_no_mapping_is_reported_with_its_first_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text(text)
    (problem,) = problems_of(str(path))
    assert problem.startswith(f"{path}:1: ")


def test_file_that_is_nested_deeply_ends_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text("port: " + "[" * 2000)
    with must_end():
        problems_of(str(path))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{a: b}", "a mapping"),
        ("[a, [b]]", "['a', a list]"),
        ("!foo [a]", "the tag !foo"),
        ("!!set {a}", "the tag tag:yaml.org,2002:set"),
    ],
)
def test_mapping_in_place_of_a_value_is_reported_without_its_content(
    write: Write, text: str, found: str
) -> None:
    (problem,) = problems_of(write(f"port: {text}"))
    assert f":2: port: {found} is not allowed here" in problem


def test_value_that_is_long_is_reported_shortened(write: Write) -> None:
    (problem,) = problems_of(write(f"port: {'x' * 10_000}"))
    assert len(problem) < 400


def test_control_characters_are_reported_escaped(write: Write) -> None:
    (problem,) = problems_of(write('port: "\\e[31m\\n"'))
    assert problem.isprintable()
    (problem,) = problems_of(write('"\\e[31m\\n": 80'))
    assert problem.isprintable()


@pytest.mark.parametrize("kind", ["missing", "folder", "not-utf-8"])
def test_file_that_cannot_be_read_is_reported(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "phttpd.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not-utf-8":
        path.write_bytes(b"port: \xff\n")
    (problem,) = problems_of(str(path))
    assert problem.startswith(f"{path}: ")


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b""], ids=["bom", "plain"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_file_with_bom_or_crlf_is_read(
    tmp_path: Path, site: Path, prefix: bytes, end: bytes
) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_bytes(prefix + end.join([b"docroot: site", b"port: 81", b""]))
    assert load(str(path), {}).listen.port == 81


def test_anchor_stands_for_its_value(write: Write) -> None:
    loaded = load(write("keepalive_timeout: &t 7s\nsend_timeout: *t"), {})
    assert (loaded.loop.keepalive_timeout, loaded.loop.send_timeout) == (7.0, 7.0)


@given(st.text(max_size=60) | st.from_regex(r"\A([a-z_]{3,10}: [!\[{*&'\"a-z0-9 ]{0,8}\n){1,3}\Z"))
@settings(max_examples=200)
@example("verbose: !!bool x")
@example("? ")
@example("{")
def test_file_with_any_text_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(str(path), {"docroot": "/"})
    except ConfigError as error:
        assert all(problem.isprintable() for problem in error.problems)
