"""What relative paths are relative to."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.configuration import (
    load,
)
from tests.unit.settings.reading import Write


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
    assert (loaded.process.pidfile, loaded.log.log_file) == (wanted, wanted)
    assert loaded.site.docroot == str(tmp_path / "site")


def test_paths_are_relative_to_the_file_that_is_named_relatively(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("pidfile: a.pid")
    monkeypatch.chdir(tmp_path)
    assert load("phttpd.yaml", {}).process.pidfile == str(tmp_path / "a.pid")


def test_paths_of_options_are_relative_to_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "root").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    loaded = load(write("pidfile: a.pid"), {"docroot": "root", "log_file": "b.log"})
    assert loaded.site.docroot == str(elsewhere / "root")
    assert loaded.log.log_file == str(elsewhere / "b.log")
    assert loaded.process.pidfile == str(tmp_path / "a.pid")
