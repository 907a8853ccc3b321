"""The names that a preview responds to, whatever the machine is called."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from httpd.configuration import load
from httpd.preview import adapt


@pytest.mark.parametrize(
    ("machine", "own"),
    [
        ("Box", frozenset({"box", "box.local"})),
        ("box.local", frozenset({"box", "box.local"})),
        ("box.example.com", frozenset({"box", "box.local", "box.example.com"})),
    ],
)
def test_preview_has_the_names_of_its_machine_and_of_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, own: frozenset[str]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    options = {"docroot": str(tmp_path), "host": ["Preview.Example."]}
    settings = adapt(load(None, options), options, lan=False, watch=False)
    assert settings.site.own_names == own | {"preview.example"}
