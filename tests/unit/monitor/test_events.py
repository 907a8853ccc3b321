"""Streams of events: their framing, their number, and that a client learns of each change."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.monitor.events import STREAMS, Events, format_event
from httpd.monitor.snapshot import HISTORY, Snapshot, changes_between
from httpd.protocol.messages import HTTPError
from httpd.protocol.response import Part, Pause, PendingResponse


class Told:
    """Snapshots that a test makes up."""

    def __init__(self) -> None:
        self.latest: Snapshot = {}
        self.next = make_snapshot({})

    def take(self) -> Snapshot:
        self.latest = self.next
        return self.latest


def make_snapshot(downloads: Mapping[int, int], **others: Any) -> dict[str, Any]:
    rows = [{"id": number, "done": done} for number, done in sorted(downloads.items())]
    return {
        "at": 1,
        "state": ["ready", ""],
        "ended": [],
        "history": [0],
        "downloads": rows,
    } | others


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def events(told: Told) -> Events:
    events = Events(told, lambda: False)  # type: ignore[arg-type]
    events.on_second()
    return events


def read(stream: PendingResponse) -> list[tuple[str, int, Any]]:
    """Return the events until the stream waits: name, ID and data."""
    data = b""
    while isinstance(made := next(stream), Part):
        assert not made.is_last
        data += made.data
    assert made is Pause.UNTIL_WOKEN
    found = []
    for block in data.decode().removeprefix("HEAD").split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if "event" in fields:
            found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
        else:
            assert fields in ({"retry": "2000"}, {"": "ping"})
    return found


def test_event_is_lines_and_an_empty_line() -> None:
    assert format_event("delta", 7, {"a": "b\nc", "d": None}) == (
        b'event: delta\nid: 7\ndata: {"a":"b\\nc","d":null}\n\n'
    )


def test_stream_begins_with_its_head_and_a_snapshot_and_goes_on_with_deltas(
    events: Events, told: Told
) -> None:
    stream = events.stream(b"HEAD")
    assert read(stream) == [("snapshot", 1, make_snapshot({}))]
    assert read(stream) == []
    told.next = make_snapshot({5: 1}, at=2)
    events.on_second()
    row = {"id": 5, "done": 1}
    assert read(stream) == [("delta", 2, {"at": 2, "downloads": {"5": row}, "history": [0]})]
    told.next = make_snapshot({}, at=3)
    events.on_second()
    assert read(stream) == [("delta", 3, {"at": 3, "downloads": {"5": None}, "history": [0]})]


def test_client_that_was_too_slow_begins_anew(events: Events, told: Told) -> None:
    stream = events.stream(b"HEAD")
    read(stream)
    for second in (2, 3):
        told.next = make_snapshot({}, at=second)
        events.on_second()
    assert read(stream) == [("snapshot", 3, make_snapshot({}, at=3))]


def test_stream_is_pinged(events: Events) -> None:
    stream = events.stream(b"HEAD")
    read(stream)
    pings = 0
    for _ in range(30):
        events.on_second()
        made = next(stream)
        assert isinstance(made, Part)
        pings += made.data.endswith(b"\n\n: ping\n\n")
        assert next(stream) is Pause.UNTIL_WOKEN
    assert pings == 2


def test_streams_are_bounded_and_a_place_is_free_when_one_has_ended(events: Events) -> None:
    streams = [events.stream(b"HEAD") for _ in range(STREAMS)]
    with pytest.raises(HTTPError) as refused:
        events.stream(b"HEAD")
    assert (refused.value.status, refused.value.fields) == (503, (("Retry-After", "2"),))
    streams[0].close()
    read(events.stream(b"HEAD"))


def test_stream_ends_with_a_last_part_when_the_monitor_ends(told: Told) -> None:
    is_draining: list[bool] = []
    events = Events(told, lambda: bool(is_draining))  # type: ignore[arg-type]
    events.on_second()
    stream = events.stream(b"HEAD")
    read(stream)
    is_draining.append(True)
    made = next(stream)
    assert isinstance(made, Part)
    assert made.is_last


DOWNLOADS = st.dictionaries(st.integers(1, 9), st.integers(0, 3), max_size=5)
SECONDS = st.lists(st.tuples(DOWNLOADS, st.integers(0, 2), st.integers(0, 9)), min_size=2)


@given(SECONDS)
def test_changes_lead_from_one_snapshot_to_the_next(
    seconds: list[tuple[dict[int, int], int, int]],
) -> None:
    history: list[int] = []
    snapshots = []
    for downloads, figure, sent in seconds:
        history = [*history, sent][-HISTORY:]
        snapshots.append(make_snapshot(downloads, figures={"a": figure}, history=history))
    model = snapshots[0]
    for before, now in itertools.pairwise(snapshots):
        model = follow(model, json.loads(json.dumps(changes_between(before, now))))
        assert model == now


def follow(model: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Do as the script of the page does."""
    rows = {str(row["id"]): row for row in model["downloads"]} | changes.pop("downloads", {})
    history = [*model["history"], *changes.pop("history")][-HISTORY:]
    shown = sorted((row for row in rows.values() if row), key=lambda row: int(row["id"]))
    return {**model, **changes, "downloads": shown, "history": history}
