"""The schema of the config file says of a value what the loader says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.configuration import KEYS, load
from httpd.settings.errors import ConfigError
from httpd.settings.kinds import FLAG

ETC = Path(__file__).parents[3] / "etc"
SCHEMA = json.loads((ETC / "phttpd.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)

GOOD = {
    "host": [
        *('"*"', "127.0.0.1", '["::1", localhost]', "{unix: /a}", "[{unix: /a}, localhost]"),
        '{unix: /run/a.sock, mode: "0660", group: root}',
        "[{unix: /a, mode: '600', group: 0}, {unix: /b, mode:, group:}]",
    ],
    "port": ["0", "65535", '"80"'],
    "docroot": ["/"],
    "index": ["index.html", "[a.html, ..b]"],
    "types": [
        *("{}", "{.rkt: text/x-racket, README: text/plain, .tar.zst: application/zstd}"),
        '{.a: "text/html; charset=iso-8859-1", 404: \'a/b;c="d \\" e"\'}',
    ],
    "default_type": ["text/plain", '"text/plain;a=b"', "Text/HTML"],
    "serve_hidden": ["true", "false", ".a", "[.a, ..b, '.c d']"],
    "symlinks": ["inside", "/a", "[/a/b, '//c d/', /...]"],
    "fallback": ["/index.html", "/a/b c.x", "/\u00fc/100%.html", "null"],
    "errors": [
        "{404: /404.html}",
        "{}",
        '{"403": /a/403.html, 404: /4.svg, 400: /a, 405: /a, 406: /a, 412: /a, 416: /a}',
        "{501: /a, 503: /busy.html}",
    ],
    "charset": ["utf-8", "Shift_JIS", "null"],
    "recv": ["1", "64KiB", "16 mib", "65536"],
    "workers": ["auto", "1", "256", '"2"'],
    "threads": ["1", "256"],
    "backlog": ["1", "65535"],
    "keepalive_timeout": ["0.1", "30", "500ms", "1.5 h"],
    "header_timeout": ["1d"],
    "send_timeout": ["5min"],
    "drain_delay": ["0", "1d"],
    "health": ["/readyz", "/a/b.c~_-"],
    "drain_timeout": ["0", "30d"],
    "shutdown_timeout": ["0", "1min"],
    "max_connections": ["1", "1000000"],
    "max_body": ["0", "1GiB"],
    "expires": ["0", "3650d"],
    "rules": [
        "[]",
        '[{path: "*.html", expires: 0}]',
        "[{path: /, headers: {etag: null, Last-Modified: null, Content-Encoding: GZip}}]",
        "[{path: /, headers: {Content-Encoding: null}}]",
        "[{path: [/a/**, /**/b, /], headers: {X-A: b, Expires: null, Cache-Control: null}}]",
        '[{path: /, cors: "*"}, {path: /, cors: null}, {path: /, cors: "HTTPS://a.example:443"}]',
        '[{path: /, cors: [https://a.example, "http://[::1]:8080", app://x]}]',
    ],
    "redirects": [
        "[]",
        "[{path: /a, to: /}]",
        '[{path: [/a/**, "*.php"], to: https://e.example, status: 301}]',
        "[{path: /a/**, to: '/ü/**?x=1#y', status: '302'}]",
        "[{path: '*.php', to: 'http://[::1]:80/*'}, {path: /a/*, status: 410}]",
        "[{path: /a, status: '410'}]",
    ],
    "sites": [
        "[]",
        "[{name: a.example, docroot: /}]",
        '[{name: ["*.a.example", "[::1]", 127.0.0.1, A.b.], docroot: /}, {name: b, docroot: /srv}]',
        '[{name: "*.a", docroot: /srv/*, listing: true, index: [a, b], charset: null, expires: 0}]',
        "[{name: a, docroot: /, fallback: null, errors: {}}]",
        "[{name: a, docroot: /, expires: null, rules: [{path: /, expires: 0}]}]",
    ],
    "cache": ["0", "64GiB"],
    "user": ["root", "0", '"0"'],
    "group": ["root", "0"],
    "pidfile": ["a.pid"],
    "maintenance_file": ["a", "/etc/phttpd/maintenance"],
    "log_file": ["/tmp/a.log"],
    "access_log": ["access.log", "/tmp/a.log", "journal", "stdout", "off", '"off"', "false"],
    "access_log_format": ["combined", "json"],
    "monitor": ["/run/phttpd/monitor.sock", "127.0.0.1:9180", '"[::1]:0"', "localhost:9180"],
    "trace": ["[]", "192.0.2.1", '[10.0.0.0/8, "2001:db8::/32"]'],
    "monitor_clients": ["[]", "10.0.0.0/8", '["2001:db8::/32", 192.0.2.1]'],
    "downloads_log": ["downloads.log", "/tmp/a.log"],
}
NEEDED = {"downloads_log": "monitor: 127.0.0.1:9180\n"}
"""What has to be set with a key."""
BAD = {
    "host": [
        *("{}", "{unix: a}", '{unix: "@a"}', "{unix: 5}", '{mode: "0660"}'),
        *("{unix: /a, mode: 0660}", '{unix: /a, mode: "0888"}', "{unix: /a, mode: rw}"),
        *("{unix: /a, more: 1}", "[[{unix: /a}]]", f"{{unix: /{'a' * 107}}}"),
        *("[]", "5", '"a b"', "[1]", "{}", '""', "127.0.0.1:8080", "localhost:80"),
    ],
    "monitor": ["5", "monitor.sock", '"@a"', "127.0.0.1", '"::1:80"', "[a]"],
    "trace": ["5", "{}", "here", "all"],
    "monitor_clients": ["5", "{}", "here", "10.0.0.0/", "[5]"],
    "port": ["-1", "65536", "x", "1.5", "true", "[80]"],
    "docroot": ['""', "5", "[/]"],
    "index": ['""', "a/b", "..", "[]", "[.]", "true"],
    "types": [
        *("5", "[]", "{a: 5}", "{a: text}", "{a: null}", "{a: a/b/c}", "{a: a/b c}", "{a: [a/b]}"),
        *("{a/b: a/b}", '{"*.a": a/b}', "{.: a/b}", "{..: a/b}", '{"": a/b}', '{a: "a/b;"}'),
        *("{a: ä/b}", "{a: {b: a/b}}"),
    ],
    "default_type": ["text", "5", "[a/b]", '""', "txt"],
    "serve_hidden": ["a", '""', ".", "..", "[]", "[.a, b]", ".a/b", "5", "{}", "[true]"],
    "symlinks": ["outside", '""', "a", "/", "/a/..", "[]", "[inside]", "[/a, b]", "5", "{}"],
    "fallback": [
        *('""', "/", "index.html", "/a/", "//a", "/.a", "/a/.b/c", "/a/../b", "5", "[/a]", "true"),
        *('"/a\\0"', "{404: /a}"),
    ],
    "errors": [
        *("5", "[]", "/404.html", "[/404.html]", "{200: /a}", "{404: a}", "{404: 5}", "{404: }"),
        *("{401: /a}", "{500: /a}", "{404: [/a]}", "{0404: /a}", "{not: /a}", "{4.0: /a}"),
        *("{404: /.a}", "{404: /a/}"),
    ],
    "charset": ['""', "None", "[utf-8]", "a b", "true"],
    "recv": ["0", "16777217", "x", "64XiB", "1.5", "true"],
    "workers": ["0", "257", "Auto", "true"],
    "threads": ["0", "257", "auto"],
    "backlog": ["0", "65536"],
    "keepalive_timeout": ["0", "86401", "30 seconds", "true", "-1"],
    "header_timeout": ["soon"],
    "send_timeout": ["[1]"],
    "drain_delay": ["-1", "86401"],
    "health": ["readyz", "/", "/a b", "/%61", "/a?", "5", "true", "[/a]"],
    "drain_timeout": ["-1", "2592001"],
    "shutdown_timeout": ["-1", "2592001"],
    "max_connections": ["0", "1000001"],
    "max_body": ["1073741825"],
    "expires": ["315360001", "never"],
    "rules": [
        "5",
        "{}",
        "[{}]",
        "[{path: /}]",
        "[{expires: 0}]",
        "[{path: /, expires: 0, more: 1}]",
        "[{path: a/b, expires: 0}]",
        '[{path: "***", expires: 0}]',
        "[{path: /a**, expires: 0}]",
        "[{path: [], expires: 0}]",
        "[{path: //, expires: 0}]",
        "[{path: /, expires: never}]",
        "[{path: /, headers: {}}]",
        "[{path: /, headers: {eTag: x}}]",
        "[{path: /, headers: {Last-Modified: 0}}]",
        "[{path: /, headers: {Vary: null}}]",
        "[{path: /, headers: {Content-Encoding: identity}}]",
        "[{path: /, headers: {Content-Encoding: 'gzip, br'}}]",
        "[{path: /, headers: {a b: x}}]",
        '[{path: /, headers: {X: "a\\nb"}}]',
        "[{path: /, headers: {expires: x}}]",
        "[{path: /, headers: {Content-Type: null}}]",
        "[{path: /, cors: []}]",
        '[{path: /, cors: ["*"]}]',
        '[{path: /, cors: "null"}]',
        "[{path: /, cors: true}]",
        "[{path: /, cors: [null]}]",
        "[{path: /, cors: https://a.example/}]",
        '[{path: /, cors: "https://*.example"}]',
    ],
    "redirects": [
        "5",
        "{path: /a, to: /b}",
        "[{}]",
        "[{path: /a}]",
        "[{to: /a}]",
        "[{path: a/b, to: /b}]",
        "[{path: [], to: /b}]",
        "[{path: /a, to: b}]",
        "[{path: /a, to: //b}]",
        "[{path: /a, to: /b c}]",
        '[{path: /a, to: "/b\\\\c"}]',
        '[{path: /a, to: "/b\\nc"}]',
        "[{path: /a, to: ftp://e.example}]",
        "[{path: /**, to: https://**}]",
        "[{path: /**, to: https://*.example/**}]",
        "[{path: /a, to: https://a@e.example/}]",
        "[{path: /a, to: /b, status: 300}]",
        "[{path: /a, to: /b, status: 410}]",
        "[{path: /a, status: 301}]",
        "[{path: /a, to: /b, more: 1}]",
    ],
    "sites": [
        "5",
        "{name: a, docroot: /}",
        "[a]",
        "[{}]",
        "[{name: a}]",
        "[{docroot: /}]",
        "[{name: [], docroot: /}]",
        "[{name: null, docroot: /}]",
        "[{name: 5, docroot: /}]",
        '[{name: "a:80", docroot: /}]',
        '[{name: "*", docroot: /}]',
        '[{name: "a*.b", docroot: /}]',
        '[{name: "a.*", docroot: /}]',
        '[{name: "::1", docroot: /}]',
        "[{name: müller.example, docroot: /}]",
        "[{name: a b, docroot: /}]",
        "[{name: a..b, docroot: /}]",
        '[{name: "*.a", docroot: /srv/*/b}]',
        '[{name: "*.a", docroot: "/srv/b*"}]',
        '[{name: a, docroot: ""}]',
        "[{name: a, docroot: /, port: 80}]",
        "[{name: a, docroot: /, listing: 5}]",
    ],
    "cache": ["-1", "68719476737"],
    "user": ["5.5", "-1", '""'],
    "group": ["[root]"],
    "pidfile": ['""', "5"],
    "maintenance_file": ['""', "5"],
    "log_file": ["{}"],
    "downloads_log": ['""', "5", "false", "[a.log]"],
    "access_log": ["true", "on", '""', "5", "[a.log]", "{}"],
    "access_log_format": ["JSON", "common", "[json]", "1"],
}
FLAGS = [name for name, key in KEYS.items() if key.kind is FLAG]
GOOD |= {name: ["true", "false", "no"] for name in FLAGS}
BAD |= {name: ["1", "0", '"yes"', '"true"', "[]"] for name in FLAGS}


def is_valid(value: Any) -> bool:
    """Ask as an editor does, to which each key is a text."""
    return bool(VALIDATOR.is_valid(with_texts(value)))


def with_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): with_texts(item) for name, item in value.items()}
    return [with_texts(item) for item in value] if isinstance(value, list) else value


def is_loaded(directory: Path, text: str) -> bool:
    path = directory / "phttpd.yaml"
    path.write_text(text)
    try:
        load(str(path), {"docroot": str(directory)} if "docroot:" not in text else {})
    except ConfigError:
        return False
    return True


def test_schema_is_a_json_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in KEYS for text in GOOD[name]])
def test_schema_accepts_a_value_that_the_loader_accepts(
    tmp_path: Path, name: str, text: str
) -> None:
    assert is_loaded(tmp_path, f"{NEEDED.get(name, '')}{name}: {text}\n")
    assert is_valid({name: yaml.safe_load(text)})


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in KEYS for text in BAD[name]])
def test_schema_refuses_a_value_that_the_loader_refuses(
    tmp_path: Path, name: str, text: str
) -> None:
    assert not is_loaded(tmp_path, f"{NEEDED.get(name, '')}{name}: {text}\n")
    assert not is_valid({name: yaml.safe_load(text)})


@pytest.mark.parametrize("name", KEYS)
def test_schema_accepts_a_key_without_a_value(tmp_path: Path, name: str) -> None:
    assert is_loaded(tmp_path, f"{name}:\n") == (name not in ("docroot", "charset"))
    assert is_valid({name: None})


def test_schema_refuses_an_unknown_key(tmp_path: Path) -> None:
    assert not is_loaded(tmp_path, "prot: 80\n")
    assert not is_valid({"prot": 80})


def test_schema_accepts_the_shipped_file() -> None:
    assert is_valid(yaml.safe_load((ETC / "phttpd.yaml").read_text()))


@given(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(0, 1e6).map(lambda number: round(number, 3)),
        st.text(max_size=9),
        st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,3})? ?(ms|s|h|KiB|mb)?", fullmatch=True),
        st.lists(st.text(max_size=5), max_size=3),
    )
)
@settings(max_examples=300, deadline=None)
def test_schema_accepts_any_value_that_the_loader_accepts(value: Any) -> None:
    for name, key in KEYS.items():
        if key.kind.reads_tree:
            continue
        try:
            key.kind.read(value)
        except ValueError:
            continue
        assert is_valid({name: value}), name
