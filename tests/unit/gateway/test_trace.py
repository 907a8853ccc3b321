"""A traced gateway names the level that had each response."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.gateway.trace import TracedGateway
from tests.unit.gateway.test_gateway import ClockedGateway
from tests.unit.protocol.heads import head
from tests.unit.site.directories import settle, write


class Traced:
    """A gateway with the levels of the last response."""

    def __init__(self, root: Path) -> None:
        self.loop = ClockedGateway(root)
        self._told: list[str] = []
        self._gateway = TracedGateway(self.loop.gateway, self._told.append)

    def ask(self, data: bytes) -> str:
        gateway = self._gateway
        if not gateway.exact(data) and not gateway.respond(data):
            gateway.respond_to(data, gateway.parse(data))
        (told,) = self._told
        self._told.clear()
        level, _, line = told.removeprefix("cache level ").partition(": ")
        assert data.startswith(line.encode() + b"\r\n")
        return level


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Traced:
    settle(monkeypatch)
    write(tmp_path / "a.txt", "content of a")
    return Traced(tmp_path)


def test_trace_of_a_file_names_each_level(traced: Traced) -> None:
    data = head(target="/a.txt")
    assert [traced.ask(data) for _ in range(3)] == ["built", "built", "variant"]
    assert traced.ask(data) == "exact"
    assert traced.ask(head(target="/a.txt?new")) == "variant"
    assert traced.ask(head(target="/a.txt?newer")) == "normalised"
    assert traced.ask(head("Range: bytes=1-2", target="/a.txt")) == "file"
    assert traced.ask(head(target="/a.txt", method="HEAD")) == "file"
    assert traced.ask(head(target="/a.txt", method="HEAD")) == "variant"
    traced.loop.tick()
    assert traced.ask(data) == "variant"


def test_trace_of_an_error_names_two_levels(traced: Traced) -> None:
    data = head(target="/nothing")
    assert [traced.ask(data) for _ in range(2)] == ["built", "exact"]


def test_trace_of_another_method_is_built(traced: Traced) -> None:
    data = head(target="/a.txt", method="POST")
    assert traced.ask(data) == "built"
