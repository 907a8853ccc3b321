"""The pidfile is found whatever else is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from httpd.configuration import (
    instance_pidfile,
    load_pidfile,
)
from httpd.settings.errors import ConfigError


def test_pidfile_is_found_whatever_else_is_wrong(tmp_path: Path) -> None:
    """To stop a daemon must be possible also when its configuration was broken meanwhile."""
    path = tmp_path / "phttpd.yaml"
    path.write_text("prot: 80\npidfile: a.pid\nthreads: none\n")
    assert load_pidfile(str(path), {}) == str(tmp_path / "a.pid")


def test_pidfile_in_a_file_that_is_no_yaml_is_an_error_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text("port: [80\n")
    with pytest.raises(ConfigError, match=r"is not YAML: .*; --pidfile FILE finds the daemon"):
        load_pidfile(str(path), {})


def test_pidfile_of_an_option_needs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_pidfile("/no/such/file", {"pidfile": "b.pid"}) == str(tmp_path / "b.pid")


def test_pidfile_without_configuration_has_a_default() -> None:
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
def test_pidfile_of_an_instance_follows_from_its_config_file(
    path: str, pidfile: str | None
) -> None:
    assert instance_pidfile(path) == pidfile
