"""Warnings about `user` and `group`; the others are tested with servers."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from httpd.advice import advise
from httpd.configuration import load

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: NOBODY.pw_gid)


@pytest.mark.parametrize("key", ["user", "group"])
@pytest.mark.usefixtures("not_root")
def test_user_or_group_without_root_has_no_effect(tmp_path: Path, key: str) -> None:
    (line,) = advise(load(None, {"docroot": str(tmp_path), key: "root", "max_connections": 1}))
    assert line.startswith(f"{key}: root has no effect unless root starts phttpd; ")
    assert f"set {key.title()}= in the unit" in line


@pytest.mark.usefixtures("not_root")
def test_user_and_group_that_start_phttpd_need_no_effect(tmp_path: Path) -> None:
    own = {"user": NOBODY.pw_name, "group": grp.getgrgid(NOBODY.pw_gid).gr_name}
    assert advise(load(None, {"docroot": str(tmp_path), "max_connections": 1, **own})) == []


def test_user_has_an_effect_for_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    options = {"docroot": str(tmp_path), "max_connections": 1, "user": "nobody"}
    assert advise(load(None, options)) == []
