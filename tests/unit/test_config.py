"""The configuration: every key, what is good, what is bad, and what is said about it."""

from __future__ import annotations

import dataclasses
import getpass
import grp
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from httpd.config import (
    KEYS,
    Settings,
    default_config_file,
    instance_pidfile,
    load,
    load_pidfile,
)
from httpd.config_errors import ConfigError
from httpd.machine import count_cores, share_memory
from httpd.service import _worker_settings
from httpd.site.rules import Rules
from tests.unit.guard import must_end

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "etc" / "phttpd.yaml"
SHIPPED_TEXT = SHIPPED.read_text("utf-8")
ME = getpass.getuser()
MY_GROUP = grp.getgrgid(os.getgid()).gr_name
CORES = count_cores()

Write = Callable[[str], str]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def write(tmp_path: Path, site: Path) -> Write:
    """Write a config file with a good docroot and some more lines; return its path."""

    def write(text: str) -> str:
        path = tmp_path / "phttpd.yaml"
        path.write_text(f"docroot: site\n{text}", "utf-8")
        return str(path)

    return write


def problems_of(config_file: str | None, options: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(config_file, options or {}, needs_docroot=True)
    problems = list(error.value.problems)
    assert problems
    assert not any("\n" in problem for problem in problems), "one line each"
    return problems


# ---------------------------------------------------------------- defaults


def test_defaults(site: Path) -> None:
    assert load(None, {"docroot": str(site)}) == Settings(
        host=("*",),
        port=8080,
        docroot=str(site),
        index=("index.html",),
        listing=False,
        precompressed=True,
        charset="utf-8",
        recv=65536,
        workers=CORES,
        threads=4,
        backlog=4096,
        keepalive_timeout=30.0,
        header_timeout=20.0,
        send_timeout=60.0,
        drain_timeout=None,
        shutdown_timeout=30.0,
        max_connections=16384,
        max_body=1024 * 1024,
        expires=43200,
        rules=(),
        cache=share_memory(),
        user=None,
        group=None,
        pidfile=None,
        log_file=None,
        verbose=False,
        access_log_format="combined",
        daemon=True,
    )


def test_every_setting_has_a_key_and_the_other_way_round() -> None:
    assert [field.name for field in dataclasses.fields(Settings)] == list(KEYS)
    assert {name: key.name for name, key in KEYS.items()} == {name: name for name in KEYS}


@pytest.mark.parametrize("name", [key.name for key in KEYS.values() if key.default is not None])
def test_a_default_is_what_an_operator_could_have_written(write: Write, name: str) -> None:
    default = KEYS[name].default
    plain = load(write(""), {})
    explicit = load(write(f"{name}: {yaml.dump(default).splitlines()[0]}"), {})
    assert explicit == plain


@pytest.mark.parametrize("text", ["", "# a comment\n", "\n\n"], ids=repr)
def test_an_empty_file(tmp_path: Path, site: Path, text: str) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    assert load(str(path), {"docroot": str(site)}) == load(None, {"docroot": str(site)})


# ---------------------------------------------------------------- values

GOOD: list[tuple[str, str, Any]] = [
    ("host", '"*"', ("*",)),
    ("host", "127.0.0.1", ("127.0.0.1",)),
    ("host", "::1", ("::1",)),
    ("host", "fe80::1%eth0", ("fe80::1%eth0",)),
    ("host", "localhost", ("localhost",)),
    ("host", "3com.example", ("3com.example",)),
    ("host", "'::ffff:127.0.0.1'", ("::ffff:127.0.0.1",)),
    ("host", "my-host_2.example.", ("my-host_2.example.",)),
    ("host", "[127.0.0.1, '::1']", ("127.0.0.1", "::1")),
    ("host", "\n  - 127.0.0.1\n  - localhost", ("127.0.0.1", "localhost")),
    ("port", "0", 0),
    ("port", "80", 80),
    ("port", "65535", 65535),
    ("port", '"8081"', 8081),
    ("index", "default.htm", ("default.htm",)),
    ("index", "[index.html, index.htm, a b.txt]", ("index.html", "index.htm", "a b.txt")),
    ("listing", "true", True),
    ("precompressed", "false", False),
    ("charset", "utf-8", "utf-8"),
    ("charset", "ISO-8859-1", "ISO-8859-1"),
    ("charset", "null", None),
    ("charset", "~", None),
    ("recv", "1", 1),
    ("recv", "100", 100),
    ("recv", "64KiB", 65536),
    ("recv", "64 KiB", 65536),
    ("recv", "64kib", 65536),
    ("recv", "64K", 65536),
    ("recv", "64kB", 64000),
    ("recv", "512B", 512),
    ("recv", "1MiB", 1 << 20),
    ("recv", "16MiB", 1 << 24),
    ("workers", "1", 1),
    ("workers", "256", 256),
    ("workers", "auto", CORES),
    ("workers", '"2"', 2),
    ("threads", "1", 1),
    ("threads", "256", 256),
    ("backlog", "1", 1),
    ("backlog", "65535", 65535),
    ("keepalive_timeout", "30", 30.0),
    ("keepalive_timeout", "0.5", 0.5),
    ("keepalive_timeout", "500ms", 0.5),
    ("keepalive_timeout", "30s", 30.0),
    ("keepalive_timeout", "1.5s", 1.5),
    ("keepalive_timeout", "2min", 120.0),
    ("keepalive_timeout", "2m", 120.0),
    ("keepalive_timeout", "2 min", 120.0),
    ("keepalive_timeout", "24h", 86400.0),
    ("keepalive_timeout", "1d", 86400.0),
    ("header_timeout", "100ms", 0.1),
    ("send_timeout", "1h", 3600.0),
    ("drain_timeout", "0", 0.0),
    ("drain_timeout", "0s", 0.0),
    ("drain_timeout", "30d", 30 * 86400.0),
    ("shutdown_timeout", "10s", 10.0),
    ("max_connections", "1", 1),
    ("max_connections", "1000000", 1_000_000),
    ("max_body", "0", 0),
    ("max_body", "1GiB", 1 << 30),
    ("expires", "0", 0),
    ("expires", "12h", 43200),
    ("expires", "3650d", 3650 * 86400),
    ("rules", "", ()),
    ("rules", "[]", ()),
    ("cache", "0", 0),
    ("cache", "64GiB", 64 << 30),
    ("user", ME, ME),
    ("user", str(os.getuid()), ME),
    ("user", f'"{os.getuid()}"', ME),
    ("group", str(os.getgid()), MY_GROUP),
    ("group", MY_GROUP, MY_GROUP),
    ("verbose", "true", True),
    ("verbose", "false", False),
    ("access_log_format", "json", "json"),
    ("daemon", "no", False),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_good_values(write: Write, name: str, text: str, value: Any) -> None:
    assert getattr(load(write(f"{name}: {text}"), {}), name) == value


BAD: list[tuple[str, list[str], str]] = [
    ("host", ["''", "5", "true", "[]", "[127.0.0.1, 5]", "a b", "{a: b}", "http://a/"], "address"),
    (
        "host",
        ["127.0.0.1/8", "'[::1]'", "'*.*'", f"'{'a' * 254}'", '"a\\nb"', "é"],
        "list of these",
    ),
    ("host", ["127.0.0.1:8080", "localhost:80", "'::1]:80'", "1:2", "'*:80'"], "without a port"),
    ("host", ["1.2.3.4.5", "256.0.0.1", "'12345::'", "'1:2:3'", "'::1%'", "'::g'"], "an address"),
    ("port", ["-1", "65536", "80.0", "http", "true", "[80]", "''", "8 0"], "from 0 to 65535"),
    ("port", ["'+80'", "'8_0'", "'٨٠'", "1e3", "99999999999999999999999"], "from 0 to 65535"),
    ("index", ["''", "a/b", "/etc/passwd", "..", ".", "5", "[]", "[a, 5]", "true"], "file name"),
    (
        "recv",
        ["0", "-1", "17MiB", "64XB", "KiB", "1.5KiB", "true", "[1]", "''"],
        "from 1 to 16777216",
    ),
    ("recv", ["64  KiB", "'64KiB '", "'-1KiB'", "1e3", "'٦٤'"], "such as 65536, 64KiB or 1MiB"),
    ("workers", ["0", "257", "-1", "1.5", "many", "true", "[2]", "''", "Auto"], "auto"),
    ("threads", ["0", "257", "-1", "auto", "2.0", "false"], "from 1 to 256"),
    ("backlog", ["0", "65536", "x"], "from 1 to 65535"),
    (
        "keepalive_timeout",
        ["0", "0.05", "99ms", "25h", "-1s", "1w", "s", "true"],
        "from 0.1 to 86400",
    ),
    (
        "keepalive_timeout",
        ["1:30x", "1h30m", "30 seconds", ".5s", "1,5s", ".inf"],
        "500ms, 30s, 5min",
    ),
    ("header_timeout", ["0s", "2d", "[1]"], "a time such as"),
    ("send_timeout", ["0s", "2d", "{}"], "a time such as"),
    ("drain_timeout", ["31d", "-1", "forever"], "from 0 to 2592000 seconds"),
    ("max_connections", ["0", "1000001", "1k"], "from 1 to 1000000"),
    ("max_body", ["-1", "1025MiB", "none", "true"], "from 0 to 1073741824"),
    ("expires", ["-1", "3651d", "never", "true"], "from 0 to 315360000 seconds"),
    ("rules", ["{a: b}", "all", "5", "true"], "a list of rules"),
    ("cache", ["-1", "65GiB", "lots"], "from 0 to 68719476736"),
    ("user", ["no-such-user", "999999999"], "no such user: "),
    (
        "user",
        ["true", "[root]", "''", "-1", "1.5", "1000000000000"],
        "the name or number of a user",
    ),
    ("group", ["no-such-group", "999999999"], "no such group: "),
    ("group", ["false", "''", "-1"], "the name or number of a group"),
    ("pidfile", ["''", "5", "true", "[a]", '"a\\0b"'], "a path"),
    ("log_file", ["''", "5", "{}"], "a path"),
    ("docroot", ["nowhere", "phttpd.yaml/a"], "no such directory: "),
    ("docroot", ["phttpd.yaml"], "not a directory: "),
    ("docroot", ["''", "5", "[site]"], "a path"),
    ("listing", ["1", "'true'", "[]"], "true or false"),
    ("precompressed", ["gzip", "0"], "true or false"),
    ("charset", ["", "none", "no", "[utf-8]", "utf 8", '"utf-8; x=y"'], "or null to leave it out"),
    ("verbose", ["1", "'true'", "maybe", "[]"], "true or false"),
    ("access_log_format", ["JSON", "common", "[json]", "1"], "combined or json"),
    ("daemon", ["0", "'no'", "''"], "true or false"),
]


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        pytest.param(name, text, allowed, id=f"{name}-{text[:20]}")
        for name, texts, allowed in BAD
        for text in texts
    ],
)
def test_bad_values(tmp_path: Path, site: Path, name: str, text: str, allowed: str) -> None:
    """The file, the line, the key, what was found and what is allowed."""
    path = tmp_path / "phttpd.yaml"
    path.write_text(
        f"# one\n\n{name}: {text}\n" + ("docroot: site\n" * (name != "docroot")), "utf-8"
    )
    (problem,) = problems_of(str(path))
    assert problem.startswith(f"{path}:3: {name}: ")
    assert allowed in problem
    found = yaml.safe_load(text)
    if isinstance(found, str) and found.isprintable() and found and name != "docroot":
        assert found[:70] in problem
    assert len(problem) < 400 + len(str(path))


@pytest.mark.parametrize(
    "text", ["020000", "08", "0x50", "0b11", "1_000", "1:30", "0o17", "1_0.5", "1:30.5", "80", "-5"]
)
@pytest.mark.parametrize("name", ["port", "recv", "workers", "expires", "send_timeout"])
def test_a_number_is_the_same_in_the_file_and_as_an_option(
    write: Write, name: str, text: str
) -> None:
    try:
        as_option = load(write(""), {name: text})
    except ConfigError as error:
        (in_option,) = error.problems
        (in_file,) = problems_of(write(f"{name}: {text}"))
        assert in_file.partition("expected")[2] == in_option.partition("expected")[2]
        assert text.lstrip("0") in in_file
    else:
        assert load(write(f"{name}: {text}"), {}) == as_option


@pytest.mark.parametrize("name", ["port", "index", "send_timeout"])
@pytest.mark.parametrize("text", ["!!int abc", "!!float abc"])
def test_a_number_by_its_tag_only(write: Write, name: str, text: str) -> None:
    (problem,) = problems_of(write(f"{name}: {text}"))
    assert problem.endswith("the value is not what its tag says")


@pytest.mark.parametrize("text", ["0x" + "f" * 5000, "!!int 0x" + "f" * 5000, "9" * 5000])
@pytest.mark.parametrize("name", ["port", "recv"])
def test_a_number_that_is_too_long_to_be_one(write: Write, name: str, text: str) -> None:
    (problem,) = problems_of(write(f"{name}: {text}"))
    assert f":2: {name}: " in problem


@pytest.mark.parametrize("name", ["user", "group"])
def test_a_name_with_a_nul(write: Write, name: str) -> None:
    (problem,) = problems_of(write(f'{name}: "a\\0b"'))
    assert f"the name or number of a {name} of this machine" in problem


def test_workers_divide_the_cache_of_the_server(write: Write) -> None:
    settings = load(write("workers: 4\ncache: 8MiB"), {})
    assert _worker_settings(settings).site.cache == 2 << 20


def test_every_number_in_its_range(write: Write) -> None:
    for text, value in (("1", 1), ("128", 128), ("256", 256)):
        assert load(write(f"threads: {text}"), {}).threads == value


@given(st.integers(0, 10**12), st.sampled_from(["", "B", "kB", "KiB", "MB", "MiB", "GB", "GiB"]))
def test_sizes(number: int, unit: str) -> None:
    factor = {"": 1, "B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20}
    factor |= {"GB": 10**9, "GiB": 2**30}
    read = KEYS["cache"].read
    if number * factor[unit] <= 64 << 30:
        assert read(f"{number}{unit}") == number * factor[unit]
    else:
        with pytest.raises(ValueError, match="a size such as"):
            read(f"{number}{unit}")


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=30),
        st.dates(),
        st.binary(max_size=5),
        st.lists(st.integers() | st.text(max_size=5), max_size=3),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    )
)
@settings(max_examples=300)
def test_any_value_is_read_or_refused_in_words(value: Any) -> None:
    for key in KEYS.values():
        try:
            key.read(value)
        except ValueError as error:
            assert str(error).isprintable()
            assert "embedded null" not in str(error)


# ---------------------------------------------------------------- docroot


@pytest.mark.parametrize(
    "text", ["", "port: 80\n", "docroot:\n", "docroot: ~\n", "docroot: null\n"]
)
def test_a_docroot_must_be_set(tmp_path: Path, text: str) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text(text)
    (problem,) = problems_of(str(path))
    assert "docroot" in problem
    assert "--base" in problem or "expected" in problem


def test_the_file_that_says_no_docroot_is_named(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text("port: 80\n")
    (problem,) = problems_of(str(path))
    assert problem.startswith(f"{path}: docroot: is not set; ")


@pytest.mark.parametrize(
    ("text", "found"), [("host: [a, 'b c', 5]", "'b c'"), ("index: [[a]]", "a list")]
)
def test_the_wrong_item_of_a_list_is_shown(write: Write, text: str, found: str) -> None:
    (problem,) = problems_of(write(text))
    assert f": {found} is not allowed here" in problem


def test_a_docroot_must_be_set_somewhere() -> None:
    (problem,) = problems_of(None)
    assert "docroot" in problem


@pytest.mark.parametrize("name", [name for name in KEYS if name != "docroot"])
def test_a_key_without_a_value_is_as_if_it_were_not_there(write: Write, name: str) -> None:
    """Or an error, but never something else."""
    try:
        assert load(write(f"{name}:\n"), {}) == load(write(""), {})
    except ConfigError as error:
        assert f": {name}: " in error.problems[0]


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.pid", "{directory}/a.pid"),
        ("./a.pid", "{directory}/a.pid"),
        ("sub/a.pid", "{directory}/sub/a.pid"),
        ("../a.pid", "{parent}/a.pid"),
        ("/run/a.pid", "/run/a.pid"),
        ("/run//x/../a.pid", "/run/a.pid"),
        ("~/a.pid", "{home}/a.pid"),
        ("with space.pid", "{directory}/with space.pid"),
        ("ü.pid", "{directory}/ü.pid"),
    ],
)
def test_paths_are_relative_to_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    path = write(f"pidfile: {text}\nlog_file: {text}")
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", "/home/somebody")
    wanted = expected.format(directory=tmp_path, parent=tmp_path.parent, home="/home/somebody")
    loaded = load(path, {})
    assert (loaded.pidfile, loaded.log_file) == (wanted, wanted)
    assert loaded.docroot == str(tmp_path / "site")


def test_the_file_may_be_named_relatively(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("pidfile: a.pid")
    monkeypatch.chdir(tmp_path)
    assert load("phttpd.yaml", {}).pidfile == str(tmp_path / "a.pid")


def test_options_are_relative_to_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "root").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    loaded = load(write("pidfile: a.pid"), {"docroot": "root", "log_file": "b.log"})
    assert loaded.docroot == str(elsewhere / "root")
    assert loaded.log_file == str(elsewhere / "b.log")
    assert loaded.pidfile == str(tmp_path / "a.pid")


# ---------------------------------------------------------------- options


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
def test_an_option_beats_the_file_and_the_file_the_default(
    write: Write, name: str, in_file: str, option: Any, value: Any
) -> None:
    path = write(f"{name}: {in_file}")
    assert getattr(load(path, {name: option}), name) == value
    by_file = getattr(load(path, {}), name)
    assert by_file != getattr(load(write(""), {}), name) or name == "verbose"


def test_an_option_makes_good_for_a_bad_value_in_the_file(write: Write) -> None:
    assert load(write("port: wrong"), {"port": "80"}).port == 80


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("port", "--port", "x"),
        ("max_connections", "--max-connections", "0"),
        ("recv", "--recv", ""),
    ],
)
def test_a_bad_option_is_named_as_it_was_given(
    write: Write, name: str, option: str, value: str
) -> None:
    (problem,) = problems_of(write(""), {name: value})
    assert problem.startswith(f"{option}: {value!r} ")


# ---------------------------------------------------------------- the file as a whole


def test_all_errors_at_once_with_their_lines(tmp_path: Path) -> None:
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
def test_suggestions(write: Write, key: str, nearest: str) -> None:
    (problem,) = problems_of(write(f"{key}: 1"))
    assert f":2: {key}: unknown key; did you mean {nearest}?" in problem


@pytest.mark.parametrize("key", ["xyzzy", "1", "true", "~", "''", "<<"])
def test_unknown_keys_unlike_any(write: Write, key: str) -> None:
    (problem,) = problems_of(write(f"{key}: 1"))
    assert ":2: " in problem
    assert "unknown key" in problem


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}", "? {a: b}\n", "? [a]\n"])
def test_keys_that_are_no_words(write: Write, key: str) -> None:
    (problem,) = problems_of(write(f"{key}: 1"))
    assert ":2: " in problem
    assert "Node" not in problem, "nobody wants to see objects of PyYAML"


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
def test_what_is_no_yaml_is_one_line_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for problem in problems_of(str(path)):
        assert str(path) in problem or problem.startswith("docroot: ")


@pytest.mark.parametrize("text", ["- port: 80", "80", "text", "[]", "'port: 80'"])
def test_what_is_no_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text(text)
    (problem,) = problems_of(str(path))
    assert problem.startswith(f"{path}:1: ")


def test_deep_nesting(tmp_path: Path) -> None:
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
def test_what_is_inside_is_not_shown(write: Write, text: str, found: str) -> None:
    (problem,) = problems_of(write(f"port: {text}"))
    assert f":2: port: {found} is not allowed here" in problem


def test_a_value_that_goes_on_for_ever_is_cut(write: Write) -> None:
    (problem,) = problems_of(write(f"port: {'x' * 10_000}"))
    assert len(problem) < 400


def test_control_characters_are_not_shown_as_such(write: Write) -> None:
    (problem,) = problems_of(write('port: "\\e[31m\\n"'))
    assert problem.isprintable()
    (problem,) = problems_of(write('"\\e[31m\\n": 80'))
    assert problem.isprintable()


@pytest.mark.parametrize("kind", ["missing", "folder", "not-utf-8"])
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "phttpd.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not-utf-8":
        path.write_bytes(b"port: \xff\n")
    (problem,) = problems_of(str(path))
    assert problem.startswith(f"{path}: ")


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b""], ids=["bom", "plain"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_files_of_other_editors(tmp_path: Path, site: Path, prefix: bytes, end: bytes) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_bytes(prefix + end.join([b"docroot: site", b"port: 81", b""]))
    assert load(str(path), {}).port == 81


def test_anchors(write: Write) -> None:
    loaded = load(write("keepalive_timeout: &t 7s\nsend_timeout: *t"), {})
    assert (loaded.keepalive_timeout, loaded.send_timeout) == (7.0, 7.0)


@given(st.text(max_size=60) | st.from_regex(r"\A([a-z_]{3,10}: [!\[{*&'\"a-z0-9 ]{0,8}\n){1,3}\Z"))
@settings(max_examples=200)
@example("verbose: !!bool x")
@example("? ")
@example("{")
def test_any_file_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(str(path), {"docroot": "/"})
    except ConfigError as error:
        assert all(problem.isprintable() for problem in error.problems)


# ---------------------------------------------------------------- the pidfile alone


def test_the_pidfile_is_found_whatever_else_is_wrong(tmp_path: Path) -> None:
    """To stop a daemon must be possible also when its configuration was broken meanwhile."""
    path = tmp_path / "phttpd.yaml"
    path.write_text("prot: 80\npidfile: a.pid\nthreads: none\n")
    assert load_pidfile(str(path), {}) == str(tmp_path / "a.pid")


def test_what_helps_when_the_file_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text("port: [80\n")
    with pytest.raises(ConfigError, match=r"is not YAML: .*; --pidfile FILE finds the daemon"):
        load_pidfile(str(path), {})


def test_an_option_names_the_pidfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_pidfile("/no/such/file", {"pidfile": "b.pid"}) == str(tmp_path / "b.pid")


def test_the_pidfile_has_a_default() -> None:
    assert os.path.isabs(load_pidfile(None, {}))


@pytest.mark.parametrize(
    ("path", "pidfile"),
    [
        ("/etc/phttpd/lab2.yaml", "/run/phttpd-lab2/phttpd.pid"),
        ("/etc/phttpd/lab-2.b.yaml", "/run/phttpd-lab-2.b/phttpd.pid"),
        ("/etc/phttpd/phttpd.yaml", None),
        ("/etc/phttpd/lab2.yml", None),
        ("/etc/phttpd/x/lab2.yaml", None),
        ("/srv/lab2.yaml", None),
    ],
)
def test_the_pidfile_of_an_instance_follows_from_its_config_file(
    path: str, pidfile: str | None
) -> None:
    assert instance_pidfile(path) == pidfile


# ---------------------------------------------------------------- the file that comes with it


def shipped_lines() -> dict[str, list[tuple[bool, str]]]:
    """Return for each key in the shipped file whether it is in force, and its value.

    Lines of a value that begin with a blank belong to it.
    """
    found: dict[str, list[tuple[bool, str]]] = {}
    for match in re.finditer(r"^(#?)([a-z_]+):( .+|(?:\n#? .+)+)$", SHIPPED_TEXT, re.MULTILINE):
        value = match[3].replace("\n#", "\n")
        found.setdefault(match[2], []).append((not match[1], value))
    return found


def test_the_shipped_file_names_every_key_once() -> None:
    assert {name: len(lines) for name, lines in shipped_lines().items()} == dict.fromkeys(KEYS, 1)


@pytest.mark.parametrize("name", KEYS)
def test_what_is_commented_out_is_the_default(name: str) -> None:
    ((is_in_force, text),) = shipped_lines()[name]
    key = KEYS[name]
    if name in ("user", "group"):
        assert key.default is None
    elif is_in_force:
        assert key.default is None or key.read(yaml.safe_load(text)) == key.read(key.default)
    elif name != "rules":
        value = yaml.safe_load(text)
        assert value == key.default or key.read(value) == key.read(key.default)


def test_the_shipped_file_is_the_one_that_is_used_and_is_good() -> None:
    assert default_config_file() == str(SHIPPED)
    loaded = load(str(SHIPPED), {})
    assert loaded.docroot == str(ROOT / "www")
    assert loaded.pidfile == str(ROOT / "logs" / "phttpd.pid")
    assert loaded.log_file == str(ROOT / "logs" / "phttpd.log")


def test_the_example_of_rules_is_good(write: Write) -> None:
    ((_, text),) = shipped_lines()["rules"]
    rules = Rules(load(write(f"rules:{text}\n"), {}).rules)
    page, asset = rules.find(b"/docs/"), rules.find(b"/assets/site.css")
    assert (page.expires, asset.expires) == (0, 365 * 86400)
    assert "Cache-Control" not in dict(page.fields)
    assert dict(asset.fields)["Cache-Control"] == "public, max-age=31536000, immutable"
    assert dict(page.fields)["X-Frame-Options"] == dict(asset.fields)["X-Frame-Options"] == "DENY"


def test_every_key_of_the_shipped_file_is_explained() -> None:
    paragraphs = SHIPPED_TEXT.split("\n\n")
    for name in KEYS:
        (paragraph,) = [p for p in paragraphs if re.search(rf"^#?{name}:", p, re.MULTILINE)]
        assert re.match(r"# [A-Z].*", paragraph), name
