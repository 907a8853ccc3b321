"""A mistake in the configuration: file, line, key, what was found and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.process.launch import run

CONFIG = 78


def complaints(path: Path) -> list[str]:
    """Return the lines on stderr of a check that fails because of the configuration."""
    done = run("--check", "-c", path)
    assert (done.returncode, done.stdout) == (CONFIG, ""), done
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


def written(folder: Path, text: str) -> Path:
    path = folder / "phttpd.yaml"
    path.write_text(text)
    return path


MISSPELT = {
    "prot": "port",
    "Port": "port",
    "doc_root": "docroot",
    "worker": "workers",
    "keepalive-timeout": "keepalive_timeout",
    "logfile": "log_file",
}


def test_misspelt_keys_and_the_nearest_right_ones(site: Path, tmp_path: Path) -> None:
    text = "".join(f"{wrong}: 1\n" for wrong in MISSPELT)
    path = written(tmp_path, f"docroot: {site}\n# a comment\n\n{text}")
    lines = complaints(path)
    assert len(lines) == len(MISSPELT)
    for number, (line, (wrong, right)) in enumerate(zip(lines, MISSPELT.items(), strict=True), 4):
        assert f"{path}:{number}: {wrong}: " in line
        assert re.search(rf"(?<!\w){right}(?!\w)", line.partition(f"{wrong}: ")[2])


def test_key_like_no_other(site: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"docroot: {site}\nxyzzy_plugh_quux: 1\n")
    (line,) = complaints(path)
    assert f"{path}:2: xyzzy_plugh_quux: " in line


IMPOSSIBLE = [
    "port: http",
    "port: 65536",
    "port: -1",
    "port: 80.5",
    "port: true",
    "port: [80]",
    "port: 99999999999999999999999",
    "host: 5",
    "host: []",
    "host: [127.0.0.1, 7]",
    "host: {a: b}",
    "host: not an address",
    "docroot: 5",
    "docroot: ''",
    "index: 5",
    "index: ../secret.html",
    "recv: 0",
    "recv: -5",
    "recv: 64 kilo",
    "recv: .inf",
    "workers: 0",
    "workers: many",
    "workers: 1.5",
    "threads: 0",
    "threads: four",
    "threads: auto",
    "backlog: 0",
    "backlog: .nan",
    "keepalive_timeout: soon",
    "keepalive_timeout: -1s",
    "keepalive_timeout: .nan",
    "keepalive_timeout: .inf",
    "keepalive_timeout: 1999-12-31",
    "header_timeout: 0s",
    "header_timeout: [1s]",
    "send_timeout: 5 apples",
    "drain_timeout: five minutes",
    "max_connections: 0",
    "max_connections: lots",
    "listing: maybe",
    "precompressed: gzip",
    "max_body: endless",
    "expires: never",
    "rules: none",
    "cache: -1MiB",
    "cache: huge",
    "user: 5.5",
    "user: [nobody]",
    "pidfile: 5",
    "log_file: {}",
    "verbose: perhaps",
    "verbose: 2",
    "daemon: 'on and off'",
]


def rounds() -> Iterator[list[str]]:
    """Yield all of IMPOSSIBLE in as few files as can be: no key may come twice in one."""
    by_key: dict[str, list[str]] = {}
    for setting in IMPOSSIBLE:
        by_key.setdefault(setting.partition(":")[0], []).append(setting)
    for round_ in zip_longest(*by_key.values()):
        yield [setting for setting in round_ if setting is not None]


@pytest.mark.parametrize("settings", list(rounds()), ids=len)
def test_values_that_are_not_possible(site: Path, tmp_path: Path, settings: list[str]) -> None:
    if not any(setting.startswith("docroot") for setting in settings):
        settings.append(f"docroot: {site}")
    path = written(tmp_path, "# one\n" + "\n".join(settings))
    lines = complaints(path)
    for number, setting in enumerate(settings, start=2):
        key = setting.partition(":")[0]
        pattern = rf"{re.escape(str(path))}:{number}: {key}: [^;]+; .+"
        found = [line for line in lines if re.search(pattern, line)]
        assert len(found) == (setting in IMPOSSIBLE), (setting, lines)
    assert len(lines) == sum(setting in IMPOSSIBLE for setting in settings)


def test_value_that_contains_itself(site: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"docroot: {site}\nhost: &a [*a]\n")
    (line,) = complaints(path)
    assert f"{path}:2: host: " in line


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = "port: http\ntreads: 4\nrecv: 0\nverbose: perhaps\ndocroot: gone\n"
    lines = complaints(path := written(tmp_path, text))
    keys = ["port", "treads", "recv", "verbose", "docroot"]
    assert len(lines) == len(keys)
    for number, key in enumerate(keys, start=1):
        assert any(f"{path}:{number}: {key}: " in line for line in lines)


@pytest.mark.parametrize("text", ["", "port: 8080\n", "---\n"])
def test_no_docroot(tmp_path: Path, text: str) -> None:
    (line,) = complaints(written(tmp_path, text))
    assert "docroot" in line


@pytest.mark.parametrize("text", ["- docroot\n", "just words\n", "null\n...\n--- {}\n"])
def test_not_a_mapping_of_keys(tmp_path: Path, text: str) -> None:
    lines = complaints(path := written(tmp_path, text))
    assert str(path) in lines[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port: 80\ndocroot: [www\n", 3),
        ("port: 80\n\tdocroot: www\n", 2),
        ("port: 80\nport 81\nhost: x\n", 3),
        ("port: 'eighty\n", 2),
        ("docroot: *anchor\n", 1),
        ("docroot: @www\n", 1),
    ],
)
def test_not_yaml(tmp_path: Path, text: str, line: int) -> None:
    lines = complaints(path := written(tmp_path, text))
    assert len(lines) == 1
    assert re.search(rf"{re.escape(str(path))}:\d+: ", lines[0])
    found = int(re.findall(r":(\d+): ", lines[0])[0])
    assert abs(found - line) <= 1


@pytest.mark.parametrize(
    "data", [b"docroot: \xff\xfe\x00\n", b"docroot: a\0b\n", b"\x7fELF\x02\x01\x01\0\0", b"\x80"]
)
def test_not_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_bytes(data)
    lines = complaints(path)
    assert len(lines) == 1
    assert str(path) in lines[0]


def test_a_config_runs_no_code(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = written(tmp_path, f"docroot: !!python/object/apply:os.mkdir ['{trap}']\n")
    lines = complaints(path)
    assert len(lines) == 1
    assert f"{path}:1: " in lines[0]
    assert not trap.exists()


def test_key_given_twice(site: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"docroot: {site}\nport: 8080\nthreads: 4\nport: 8081\n")
    (line,) = complaints(path)
    assert f"{path}:4: port: " in line


def test_control_characters_do_not_reach_the_terminal(site: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f'docroot: {site}\n"po\\e[31mrt\\n": 1\nindex: "a\\e[0m/b"\n')
    done = run("--check", "-c", path)
    assert done.returncode == CONFIG
    assert "\x1b" not in done.stderr
