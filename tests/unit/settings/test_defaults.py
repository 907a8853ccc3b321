"""What a key is when nothing sets it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import yaml

from httpd.configuration import GROUPS, KEYS, load
from httpd.gateway.settings import GatewaySettings
from httpd.network.settings import ListenSettings, LoopSettings
from httpd.process.settings import ProcessSettings
from httpd.settings.declaration import REQUIRED
from httpd.settings.errors import ConfigError
from httpd.settings.machine import count_cores, share_memory
from httpd.site.settings import SiteSettings
from tests.unit.settings.reading import Write, flat, problems_of


def test_key_without_a_value_has_its_default(site: Path) -> None:
    expected = {
        "host": ("*",),
        "port": 8080,
        "docroot": str(site),
        "index": ("index.html",),
        "listing": False,
        "serve_hidden": False,
        "symlinks": (),
        "precompressed": True,
        "charset": "utf-8",
        "recv": 65536,
        "workers": count_cores(),
        "threads": 4,
        "backlog": 4096,
        "keepalive_timeout": 30.0,
        "header_timeout": 20.0,
        "send_timeout": 60.0,
        "drain_timeout": math.inf,
        "shutdown_timeout": 30.0,
        "max_connections": 16384,
        "max_body": 1024 * 1024,
        "expires": 43200,
        "rules": (),
        "redirects": (),
        "cache": share_memory(),
        "user": None,
        "group": None,
        "pidfile": None,
        "log_file": None,
        "verbose": False,
        "access_log_format": "combined",
        "daemon": True,
        "monitor": None,
        "monitor_clients": (),
        "trace": (),
    }
    found = flat(load(None, {"docroot": str(site)}))
    assert {name: found[name] for name in expected} == expected


def test_field_of_a_room_is_a_key_of_no_other_room() -> None:
    names = [name for group in GROUPS for name in group.keys]
    assert names == [
        field.name
        for group in GROUPS
        for field in dataclasses.fields(group.settings)
        if "key" in field.metadata
    ]
    assert len(names) == len(set(names))
    assert names == list(KEYS)
    assert all(key.name == name for name, key in KEYS.items())


def test_dataclass_without_arguments_has_the_defaults_of_the_server(site: Path) -> None:
    loaded = load(None, {"docroot": str(site)})
    site_settings = SiteSettings(docroot=str(site))
    made = [ListenSettings(), site_settings, GatewaySettings(), LoopSettings(), ProcessSettings()]
    assert [loaded.listen, loaded.site, loaded.gateway, loaded.loop, loaded.process] == made


@pytest.mark.parametrize(
    "name", [name for name, key in KEYS.items() if key.default not in (None, REQUIRED)]
)
def test_default_written_into_the_file_changes_nothing(write: Write, name: str) -> None:
    default = KEYS[name].default
    plain = load(write(""), {})
    explicit = load(write(f"{name}: {yaml.dump(default).splitlines()[0]}"), {})
    assert explicit == plain


@pytest.mark.parametrize("text", ["", "# a comment\n", "\n\n"], ids=repr)
def test_file_without_keys_is_as_good_as_none(tmp_path: Path, site: Path, text: str) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    assert load(str(path), {"docroot": str(site)}) == load(None, {"docroot": str(site)})


@pytest.mark.parametrize(
    "text", ["", "port: 80\n", "docroot:\n", "docroot: ~\n", "docroot: null\n"]
)
def test_docroot_that_the_file_does_not_set_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text(text)
    (problem,) = problems_of(str(path))
    assert "docroot" in problem
    assert "--base" in problem or "expected" in problem


def test_docroot_that_is_not_set_is_reported_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_text("port: 80\n")
    (problem,) = problems_of(str(path))
    assert problem.startswith(f"{path}: docroot: is not set; ")


@pytest.mark.parametrize(
    ("text", "found"), [("host: [a, 'b c', 5]", "'b c'"), ("index: [[a]]", "a list")]
)
def test_list_with_a_wrong_item_is_reported_with_that_item(
    write: Write, text: str, found: str
) -> None:
    (problem,) = problems_of(write(text))
    assert f": {found} is not allowed here" in problem


def test_docroot_without_a_file_is_an_error() -> None:
    (problem,) = problems_of(None)
    assert "docroot" in problem


@pytest.mark.parametrize("name", [name for name in KEYS if name != "docroot"])
def test_key_without_a_value_is_as_if_it_were_absent(write: Write, name: str) -> None:
    """Or an error, but never something else."""
    try:
        assert load(write(f"{name}:\n"), {}) == load(write(""), {})
    except ConfigError as error:
        assert f": {name}: " in error.problems[0]
