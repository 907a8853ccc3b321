"""What the objects that people look at in a debugger say of themselves."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from httpd.files.docroot import Docroot
from httpd.files.file_cache import CachedFile
from httpd.files.open_file import OpenFile
from httpd.observe.scoreboard import Scoreboard
from httpd.observe.transfers import TransferTable
from httpd.process.channel import Channel
from httpd.process.generation import Generation
from httpd.process.worker_process import WorkerProcess
from httpd.protocol.response import DateHeaders, Response
from httpd.protocol.tally import NO_NAME, Tally
from tests.support.raw import request
from tests.unit.network.bytecodes import ask, connect, new_loop
from tests.unit.site.directories import open_path, write


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write(tmp_path / "site" / "a.txt", "content of a")
    return tmp_path / "site"


def test_repr_of_a_connection_has_its_peer_its_state_and_its_requests(site: Path) -> None:
    with new_loop(site) as running:
        connection, client = connect(running)
        with closing(client):
            peer = r"<Connection 127\.0\.0\.1:\d+ "
            assert re.fullmatch(peer + "idle>", repr(connection))
            ask(running, {connection: client}, "/a.txt")
            assert re.fullmatch(peer + "idle>", repr(connection))
            client.sendall(request("/a.txt")[:-2])
            connection.on_event()
            assert re.fullmatch(peer + "reading head>", repr(connection))


def test_repr_of_a_cached_file_has_its_path_and_its_responses(site: Path) -> None:
    file = OpenFile(open_path(Docroot(str(site), ()), b"/a.txt"), 1)
    assert (
        repr(CachedFile(b"/a.txt", file, None, 1)) == "<CachedFile /a.txt, no forms, 0 responses>"
    )
    assert "uncached" in repr(CachedFile(None, file, None, 1))
    assert repr(file).startswith(f"<OpenFile '{site}/a.txt', 12 bytes in memory, \"")


def test_repr_of_a_response_has_its_status_its_size_and_where_it_may_be_cached() -> None:
    response = Response(Tally(NO_NAME, 404), b"\r\n", DateHeaders(1, 0))
    size = len(response.head)
    assert repr(response) == f"<Response 404, {size} bytes, cacheable: NEVER>"


def test_repr_of_a_generation_has_its_phase_and_its_workers() -> None:
    made = Generation(
        7, cast(Any, None), Scoreboard.create(1, 1, 1), TransferTable.create(1, 1, 64, 1)
    )
    assert repr(made) == "<Generation 7 STARTING []>"
    ours, theirs = Channel.pair()
    with closing(ours), closing(theirs):
        worker = made.processes[1234] = WorkerProcess(0, 1234, ours, 0)
        assert repr(made) == f"<Generation 7 STARTING [{worker!r}]>"
        assert "1234" in repr(worker)
        assert "booting" in repr(worker)
    made.is_killed = True
    assert "KILLED" in repr(made)
