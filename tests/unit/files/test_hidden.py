"""Which names are hidden, by what the operator serves."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from httpd.files.hidden import HiddenNames

Served = bool | Collection[str]
NAMES = (".index", ".é", "..data", ".well-known")


@pytest.mark.parametrize(
    ("path", "hidden", "by_names"),
    [
        ("/", False, False),
        ("/a/b.c/", False, False),
        ("/a./b", False, False),
        ("/.well-known/a", False, False),
        ("/a/.well-known/a", True, False),
        ("/.well-known/.a", True, True),
        ("/.well-known2", True, True),
        ("/.index", True, False),
        ("/a/.index/b", True, False),
        ("/.index2", True, True),
        ("/.INDEX", True, True),
        ("/.é", True, False),
        ("/..data/a", True, False),
        ("/...", True, True),
        ("/.index/.git", True, True),
        ("/.git/.index", True, True),
    ],
)
def test_path_with_a_hidden_name_is_hidden(path: str, *, hidden: bool, by_names: bool) -> None:
    expected: list[tuple[Served, bool]] = [(False, hidden), (NAMES, by_names), (True, False)]
    for served, is_hidden in expected:
        assert HiddenNames(served).has_any(path.encode()) is is_hidden


@pytest.mark.parametrize(
    ("real", "hidden", "by_names"),
    [
        ("", False, False),
        ("a/b", False, False),
        (".well-known/a", False, False),
        ("a/.well-known", True, False),
        ("a/..data/b", False, False),
        ("...", False, False),
        ("a/.index", True, False),
        (".git/.index", True, True),
    ],
)
def test_link_leads_to_no_hidden_name(real: str, *, hidden: bool, by_names: bool) -> None:
    expected: list[tuple[Served, bool]] = [(False, hidden), (NAMES, by_names), (True, False)]
    for served, is_hidden in expected:
        assert HiddenNames(served).has_target(real.encode()) is is_hidden
