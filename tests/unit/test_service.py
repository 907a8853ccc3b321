"""What a reload says of settings that it does not apply, and what each room gets."""

from __future__ import annotations

import errno
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from httpd.configuration import GROUPS, KEYS, Settings, load
from httpd.service import _remarks, _worker_settings, explain_bind

NEXT_START = "this comes into force with the next start"
PASSED = "the sockets of the service manager are used instead"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(None, {"docroot": str(tmp_path)})


def changed(settings: Settings, name: str) -> Settings:
    """Return settings in which one key has another value, which is of no type in particular."""
    (group,) = [group for group in GROUPS if name in group.keys]
    part = replace(getattr(settings, group.name), **{name: object()})
    return replace(settings, **{group.name: part})


@pytest.mark.parametrize("name", KEYS)
def test_reload_names_each_key_that_needs_a_restart(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("httpd.service.advise", lambda _: [])
    now = changed(settings, name)
    needs_restart = name in {"pidfile", "daemon"}
    expected = [f"{name} has changed in the configuration; {NEXT_START}"] if needs_restart else []
    assert _remarks(settings, now, has_own_sockets=True) == expected
    assert KEYS[name].restart == needs_restart


@pytest.mark.parametrize("name", ["host", "port", "backlog"])
def test_reload_names_each_key_of_sockets_that_a_service_manager_opened(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("httpd.service.advise", lambda _: [])
    now = changed(settings, name)
    (remark,) = _remarks(settings, now, has_own_sockets=False)
    assert remark == f"{name} has changed in the configuration; {PASSED}"


def test_reload_says_nothing_of_another_spelling_of_a_value(tmp_path: Path) -> None:
    options = {"docroot": str(tmp_path), "pidfile": "/run/a.pid", "port": "80"}
    start = load(None, options)
    now = load(None, {**options, "pidfile": "/run//x/../a.pid", "port": "0080"})
    assert _remarks(start, now, has_own_sockets=False) == []


@pytest.mark.parametrize("name", ["user", "group"])
def test_reload_says_that_a_new_user_has_no_effect_without_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: nobody.pw_gid)
    options = {"docroot": str(tmp_path), "max_connections": "1"}
    start, now = load(None, options), load(None, {**options, name: "root"})
    (remark,) = _remarks(start, now, has_own_sockets=True)
    assert remark.startswith(f"{name}: root has no effect unless root starts phttpd")
    assert _remarks(now, now, has_own_sockets=True) == []


def test_workers_divide_the_cache_of_the_server(tmp_path: Path) -> None:
    loaded = load(None, {"docroot": str(tmp_path), "workers": "4", "cache": "8MiB"})
    assert _worker_settings(loaded).frontend.gateway.cache == 2 << 20


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("unix:/run/a:b/web.sock", "Permission denied"),
        ("127.0.0.1:80", "ports below 1024 need root"),
    ],
)
def test_address_that_is_not_permitted_is_explained(address: str, why: str) -> None:
    error = OSError(errno.EACCES, os.strerror(errno.EACCES), address)
    assert explain_bind(error, ()).text == f"cannot listen on {address}: {why}"
