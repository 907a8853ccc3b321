"""Names that begin with a dot, and that the operator serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.hidden import HiddenNames
from tests.unit.files.docroot.trees import (
    MISSING,
    Found,
    forbid_the_direct_way,
    list_names,
    look_up,
)
from tests.unit.guard import must_end

NAMES = (".hidden", ".htpasswd", ".git")
BY_NAME: dict[str, Found] = {
    "/.hidden": "hidden",
    "/%2ehidden": "hidden",
    "/sub/../.hidden": "hidden",
    "/sub/.htpasswd": "password",
    "/sub%2F.htpasswd": "password",
    "/.git/config": "config",
    "/.git%2Fconfig": "config",
    "/.git/": 403,
    "/.well-known/.hidden": "hidden",
    "/to-hidden": "hidden",
    "/to-hidden-absolute": "hidden",
    "/to-hidden-chain": "hidden",
    "/to-hidden-out-and-in": "hidden",
    "/to-git/": 403,
    "/to-git/config": "config",
    "/to-git-config": "config",
    "/to-well-known/.hidden": "hidden",
}
WITH_ALL: dict[str, Found] = {
    **BY_NAME,
    "/sub/.well-known/security.txt": "not at the root",
    "/to-folder/.well-known/security.txt": "not at the root",
    "/to-other-well-known/security.txt": "not at the root",
    "/itself/.well-known/security.txt": "well-known",
    "/..data/volume.txt": "volume",
}


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(("served", "found"), [(NAMES, BY_NAME), (True, WITH_ALL)])
def test_names_that_are_served_are_found_and_no_others(
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    served: bool | tuple[str, ...],
    found: dict[str, Found],
    *,
    direct: bool,
) -> None:
    if not direct:
        forbid_the_direct_way(monkeypatch)
    docroot = Docroot(str(site), ("index.html",), hidden=HiddenNames(served))
    expected = {**dict.fromkeys(MISSING, 404), **found}
    with must_end():
        assert {path: look_up(docroot, path) for path in expected} == expected


def test_directory_that_is_served_can_be_listed(site: Path) -> None:
    docroot = Docroot(str(site), (), hidden=HiddenNames([".git"]))
    assert list_names(docroot, "/.git/") == list_names(docroot, "/to-git/") == ["config"]
    assert list_names(docroot, "/..data/") == 404
