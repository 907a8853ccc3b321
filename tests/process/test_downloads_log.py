"""`downloads_log`: a line for each download that is over, written by the monitor."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process import proc
from tests.process.events import LogFile, Process, until
from tests.process.launch import Daemon, daemon
from tests.process.test_monitor import monitor_of, status
from tests.support.raw import Client, request

SIZE = 64 << 20


@pytest.fixture
def downloads(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "downloads.log")


@pytest.fixture
def server(site: Path, tmp_path: Path, downloads: LogFile) -> Iterator[Daemon]:
    with (site / "large.iso").open("wb") as file:
        file.truncate(SIZE)
    path = str(tmp_path / "monitor.sock")
    log = str(downloads.path)
    with daemon(site, workers=1, threads=1, monitor=path, downloads_log=log) as server:
        yield server


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def download(server: Daemon, *fields: str) -> None:
    """Have the rest of the file, or all of it, in a transfer that the monitor sees."""
    with Client(server.port) as client:
        client.send(request("/large.iso", *fields))
        assert client.response().status in (200, 206)


def interrupt(server: Daemon, size: int) -> None:
    """Be cut off in the middle of a download, once the monitor has seen it."""
    with Client(server.port, receive_buffer=16384) as client:
        client.send(request("/large.iso"))
        client.head()
        client.body(size)
        until(lambda: running(server), "a download that the monitor knows")


def running(server: Daemon) -> bool:
    return any(one["outcome"] == "running" for one in status(server)["downloads"])


def holders(server: Daemon, path: Path) -> set[int]:
    """Return the processes of a daemon that have a file open."""
    pids = [server.pid, *proc.children(server.pid)]
    return {pid for pid in pids if str(path) in proc.descriptors(pid).values()}


def test_resumed_download_has_one_line_and_usr1_opens_another_file(
    server: Daemon, downloads: LogFile
) -> None:
    interrupt(server, 1 << 20)
    assert downloads.text() == "", "it may be resumed"
    download(server, f"Range: bytes={1 << 20}-")
    downloads.wait_for("complete")
    (entry,) = entries(downloads.path)
    assert entry["path"] == "/large.iso"
    assert entry["peer"] == "127.0.0.1"
    assert (entry["size"], entry["unique"], entry["resumes"]) == (SIZE, SIZE, 1)
    assert downloads.path.stat().st_mode & 0o777 == 0o640

    old = downloads.path.rename(downloads.path.with_suffix(".1"))
    os.kill(server.pid, signal.SIGUSR1)
    writers = {server.pid, monitor_of(server)}
    until(lambda: holders(server, downloads.path) == writers, "the monitor has the new file")
    download(server)
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()
    assert len(entries(old)) == 1
    (last,) = entries(downloads.path)
    assert (last["outcome"], last["unique"]) == ("complete", SIZE), "written before the end"


def test_monitor_that_is_replaced_writes_no_line_twice(server: Daemon, downloads: LogFile) -> None:
    interrupt(server, 1 << 20)
    download(server, f"Range: bytes={1 << 20}-")
    downloads.wait_for("complete")
    with Process(monitor_of(server)) as monitor:
        monitor.signal(signal.SIGKILL)
        monitor.wait()
    interrupt(server, 1 << 20)
    assert server.run("stop").returncode == 0
    assert len(entries(downloads.path)) == 1, "not again, and nothing that may be resumed"


def test_reload_changes_the_downloads_log_and_removes_it(
    server: Daemon, downloads: LogFile, tmp_path: Path
) -> None:
    second = tmp_path / "second.log"
    monitor_of(server)
    server.configure(downloads_log=str(tmp_path))
    done = server.run("reload")
    assert done.returncode != 0
    assert f"cannot write the log file {tmp_path}: Is a directory" in done.stderr
    assert holders(server, downloads.path) == {server.pid, monitor_of(server)}

    server.configure(downloads_log=str(second))
    assert server.run("reload").returncode == 0
    until(lambda: not holders(server, downloads.path), "the first file is closed")
    until(lambda: holders(server, second) == {server.pid, monitor_of(server)}, "the second is open")
    interrupt(server, 1 << 20)
    download(server, f"Range: bytes={1 << 20}-")
    LogFile(second).wait_for("complete")
    assert downloads.text() == ""

    del server.settings["downloads_log"]
    server.configure()
    assert server.run("reload").returncode == 0
    until(lambda: not holders(server, second), "the second file is closed")
