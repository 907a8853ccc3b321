"""Every key: the values that are right and wrong, in the file and as options."""

from __future__ import annotations

import getpass
import grp
import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.configuration import (
    KEYS,
    load,
)
from httpd.monitor.settings import TcpAddress
from httpd.network.hosts import UnixAddress
from httpd.settings.errors import ConfigError
from httpd.settings.machine import count_cores
from tests.unit.settings.reading import Write, flat, problems_of

ME = getpass.getuser()
MY_GROUP = grp.getgrgid(os.getgid()).gr_name
CORES = count_cores()


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
    ("monitor", "127.0.0.1:9180", TcpAddress("127.0.0.1", 9180)),
    ("monitor", "'[::1]:0'", TcpAddress("::1", 0)),
    ("monitor", "localhost:80", TcpAddress("localhost", 80)),
    ("monitor", "/run/monitor.sock", UnixAddress(unix="/run/monitor.sock", mode=0o660)),
    ("monitor_clients", "[]", ()),
    ("trace", "192.0.2.1", (ip_network("192.0.2.1"),)),
    ("monitor_clients", "10.1.0.0/16", (ip_network("10.1.0.0/16"),)),
    ("monitor_clients", "[127.0.0.1, '::/0']", (ip_network("127.0.0.1"), ip_network("::/0"))),
    ("port", "0", 0),
    ("port", "80", 80),
    ("port", "65535", 65535),
    ("port", '"8081"', 8081),
    ("index", "default.htm", ("default.htm",)),
    ("index", "[index.html, index.htm, a b.txt]", ("index.html", "index.htm", "a b.txt")),
    ("listing", "true", True),
    ("serve_hidden", "true", True),
    ("serve_hidden", "no", False),
    ("serve_hidden", "", False),
    ("serve_hidden", ".nojekyll", (".nojekyll",)),
    ("serve_hidden", "[.index, ..data, '.a b', '.é']", (".index", "..data", ".a b", ".é")),
    ("symlinks", "inside", ()),
    ("symlinks", "", ()),
    ("symlinks", "/srv/data/", ("/srv/data",)),
    ("symlinks", "[//a, /b c/.d, /...]", ("//a", "/b c/.d", "/...")),
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
    ("redirects", "", ()),
    ("redirects", "[]", ()),
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
def test_value_that_is_right_is_read(write: Write, name: str, text: str, value: Any) -> None:
    assert flat(load(write(f"{name}: {text}"), {}))[name] == value


BAD: list[tuple[str, list[str], str]] = [
    ("host", ["''", "5", "true", "[]", "[127.0.0.1, 5]", "a b", "[[a]]", "http://a/"], "address"),
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
    (
        "monitor",
        ["5", "monitor.sock", "'@monitor'", "127.0.0.1", "':80'", "'::1:80'", "1.2.3.4:65536"],
        "socket",
    ),
    ("trace", ["all", "10.0.0.0/33"], "networks"),
    ("monitor_clients", ["5", "[[a]]", "somewhere", "10.0.0.0/33", "'10.0.0.1:80'"], "networks"),
    ("monitor_clients", ["10.1.2.3/16", "[127.0.0.1, 10.1.2.3/16]"], "expected 10.1.0.0/16"),
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
    ("redirects", ["{a: b}", "all", "5", "true"], "a list of redirects"),
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
    (
        "serve_hidden",
        ["a", "''", ".", "..", ".a/b", "/.a", '".a\\0"', "5", "[]", "[.a, b]", "[.a, [.b]]", "{}"],
        "true, false, or names with a leading dot such as .nojekyll, and without a slash",
    ),
    (
        "symlinks",
        [
            *("outside", "''", "a/b", "~/a", "/", "//", "/..", "/a/../b", "/a/.", "[]", "[inside]"),
            *("[/a, b]", "[/a, [/b]]", "5", "true", "{}", '"/a\\0"'),
        ],
        "inside, or absolute paths of directories such as /srv/data, other than /",
    ),
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
def test_value_that_is_wrong_is_reported_with_what_is_allowed(
    tmp_path: Path, site: Path, name: str, text: str, allowed: str
) -> None:
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
def test_number_is_the_same_in_the_file_and_as_an_option(
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
def test_number_by_its_tag_only_is_an_error(write: Write, name: str, text: str) -> None:
    (problem,) = problems_of(write(f"{name}: {text}"))
    assert problem.endswith("the value is not what its tag says")


@pytest.mark.parametrize("text", ["0x" + "f" * 5000, "!!int 0x" + "f" * 5000, "9" * 5000])
@pytest.mark.parametrize("name", ["port", "recv"])
def test_number_with_thousands_of_digits_is_an_error(write: Write, name: str, text: str) -> None:
    (problem,) = problems_of(write(f"{name}: {text}"))
    assert f":2: {name}: " in problem


@pytest.mark.parametrize("name", ["user", "group"])
def test_name_with_a_nul_is_an_error(write: Write, name: str) -> None:
    (problem,) = problems_of(write(f'{name}: "a\\0b"'))
    assert f"the name or number of a {name} of this machine" in problem


def test_number_within_its_limits_is_read(write: Write) -> None:
    for text, value in (("1", 1), ("128", 128), ("256", 256)):
        assert load(write(f"threads: {text}"), {}).process.threads == value


@given(st.integers(0, 10**12), st.sampled_from(["", "B", "kB", "KiB", "MB", "MiB", "GB", "GiB"]))
def test_size_with_any_unit_is_a_number_of_bytes(number: int, unit: str) -> None:
    factor = {"": 1, "B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20}
    factor |= {"GB": 10**9, "GiB": 2**30}
    read = KEYS["cache"].kind.read
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
def test_value_of_any_type_is_read_or_refused_in_words(value: Any) -> None:
    for key in KEYS.values():
        try:
            key.kind.read(value)
        except ValueError as error:
            assert str(error).isprintable()
            assert "embedded null" not in str(error)
