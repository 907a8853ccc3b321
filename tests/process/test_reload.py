"""Reloading: a good configuration comes into force without a failed request, a bad one never."""

from __future__ import annotations

import random
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import Daemon, daemon, free_port, refused
from tests.process.load import Load, connected
from tests.support import require
from tests.support.raw import Client, ask, request

NO_INPUT, CONFIG = 66, 78


@pytest.fixture
def server(site: Path) -> Iterator[Daemon]:
    with daemon(site, workers=2, threads=1) as server:
        yield server


@pytest.fixture
def other(site: Path) -> Path:
    """Another docroot."""
    docroot = site.with_name("other")
    docroot.mkdir()
    (docroot / "index.html").write_text("<p>other\n")
    return docroot


def reload(server: Daemon) -> None:
    done = server.run("reload")
    assert (done.returncode, done.stderr) == (0, "")


def test_reload_serves_a_new_docroot(server: Daemon, other: Path) -> None:
    pid = server.pid
    server.configure(docroot=str(other))
    reload(server)
    assert ask(server.port, "/").body == b"<p>other\n"  # already: reload waits until it is done
    assert server.pid == pid


@pytest.mark.debian("wrk")
def test_reload_cuts_no_client_that_goes_on_asking(server: Daemon) -> None:
    """The kept connections of the old workers close by announcement only: wrk never asks twice."""
    wrk = require.command("wrk", "wrk")
    command = [wrk, "-t1", "-c20", "-d3s", "--timeout", "30s", f"http://127.0.0.1:{server.port}/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        for _ in range(3):
            reload(server)
        out, _ = load.communicate(timeout=30)
    assert int(re.findall(r"(\d+) requests in", out)[0]) > 100
    assert "Socket errors" not in out, out
    assert "Non-2xx" not in out, out


def has(server: Daemon, workers: int, threads: int) -> bool:
    """Tell whether the pool has this size."""
    pids = server.workers()
    return len(pids) == workers and all(len(proc.loops(pid)) == threads for pid in pids)


def test_reload_changes_the_number_of_workers_and_threads(server: Daemon) -> None:
    for workers, threads in [(3, 2), (1, 4), (2, 1)]:
        server.configure(workers=workers, threads=threads)
        reload(server)
        until(partial(has, server, workers, threads), f"{workers} workers of {threads} loops")
        assert ask(server.port, "/").status == 200


def test_reload_changes_other_settings(server: Daemon) -> None:
    server.configure(expires="1h", verbose=True, index="start.html")
    (server.docroot / "start.html").write_text("start\n")
    reload(server)
    response = ask(server.port, "/")
    assert response.body == b"start\n"
    assert response["Cache-Control"] == "max-age=3600"
    server.log.wait_for(r'"GET / HTTP/1\.1" 200 6 ')


def test_reload_begins_and_ends_a_trace(server: Daemon) -> None:
    for traced, target in ([], "/before"), (["127.0.0.1"], "/"), ([], "/after"):
        server.configure(trace=traced)
        reload(server)
        ask(server.port, target)
    server.log.wait_for(r"notice .*: 127\.0\.0\.1: cache level built: GET / HTTP/1\.1: 200 by file")
    assert server.log.text().count("cache level") == 1  # each is logged before its response


def test_reload_under_load_fails_no_request(server: Daemon) -> None:
    with Load(server.port, 6, retry=True) as load:
        for threads in [2, 1, 2]:
            load.more(100)
            server.configure(threads=threads)
            reload(server)
        load.more(100)
    assert load.failed == []
    assert load.answered > 400


def test_reload_finishes_a_running_download(server: Daemon, other: Path) -> None:
    data = random.Random(3).randbytes(16 << 20)
    (server.docroot / "large").write_bytes(data)
    with Client(server.port, receive_buffer=65536) as client:
        client.send(request("/large"))
        client.head()
        server.configure(docroot=str(other))
        reload(server)
        assert ask(server.port, "/").body == b"<p>other\n"
        assert client.body(len(data)) == data


def test_reload_serves_connections_in_the_backlog(server: Daemon) -> None:
    with connected(server.port, 100) as clients:
        for client in clients:
            client.send(request("/"))
        reload(server)
        for client in clients:
            assert client.response().status == 200


@pytest.mark.parametrize("number", [signal.SIGHUP], ids=["SIGHUP"])
def test_reload_by_signal(server: Daemon, other: Path, number: signal.Signals) -> None:
    server.configure(docroot=str(other))
    with Process(server.pid) as supervisor:
        supervisor.signal(number)
        until(lambda: ask(server.port, "/").body == b"<p>other\n", "the new docroot")
        assert not supervisor.ended()


def test_reload_with_a_bad_config_says_why_and_changes_nothing(server: Daemon) -> None:
    workers = server.workers()
    server.configure(threads="many")
    done = server.run("reload")
    assert done.returncode == CONFIG
    assert f"{server.config}:5: threads: " in done.stderr
    assert server.workers() == workers
    assert ask(server.port, "/").status == 200
    server.configure(threads=2)
    reload(server)


def test_reload_by_signal_with_a_bad_config_is_logged(server: Daemon) -> None:
    workers = server.workers()
    server.configure(treads=4)
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGHUP)
        server.log.wait_for(rf"error supervisor\[\d+\]: .*{server.config}:8: treads: .*threads")
    assert server.workers() == workers
    assert ask(server.port, "/").status == 200


def test_reload_without_a_config_file_changes_nothing(server: Daemon) -> None:
    text = server.config.read_text()
    server.config.unlink()
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGHUP)
        server.log.wait_for(rf"error supervisor\[\d+\]: .*{server.config}")
    assert ask(server.port, "/").status == 200
    server.config.write_text(text)


def test_reload_without_its_docroot_changes_nothing(server: Daemon) -> None:
    server.configure(docroot="/no/such/folder")
    done = server.run("reload")
    assert done.returncode == NO_INPUT
    assert "the docroot /no/such/folder cannot be read: No such file" in done.stderr
    assert ask(server.port, "/").status == 200


def test_reload_by_a_burst_of_signals(server: Daemon) -> None:
    with Load(server.port, 2, retry=True) as load, Process(server.pid) as supervisor:
        for _ in range(20):
            supervisor.signal(signal.SIGHUP)
        load.more(100)
        assert not supervisor.ended()
    assert load.failed == []
    reload(server)
    until(lambda: len(server.workers()) == 2, "two workers")


def test_many_reloads_leak_nothing(server: Daemon) -> None:
    before = proc.descriptors(server.pid)
    for _ in range(5):
        reload(server)
    until(lambda: len(server.workers()) == 2, "two workers")
    until(lambda: len(proc.descriptors(server.pid)) == len(before), "the same descriptors")


def test_reload_finds_a_config_with_a_relative_path(site: Path, other: Path) -> None:
    server = Daemon(site, docroot="site")
    done = server.run("-c", server.config.name, cwd=site.parent)
    assert (done.returncode, done.stderr) == (0, "")
    server.configure(docroot="other")
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGHUP)
        until(lambda: ask(server.port, "/").body == b"<p>other\n", "the new docroot")
        assert server.run("stop").returncode == 0
        supervisor.wait()


def test_reload_keeps_the_options_of_the_start(site: Path, other: Path) -> None:
    with daemon(site, "--base", other, "--threads", "3", workers=1) as server:
        server.configure(threads=2, expires="1h")
        reload(server)
        response = ask(server.port, "/")
        assert (response.body, response["Cache-Control"]) == (b"<p>other\n", "max-age=3600")
        until(lambda: has(server, 1, 3), "three loops")


def test_stop_during_a_reload(server: Daemon) -> None:
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGHUP)
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()


def test_download_outlives_a_reload_and_a_stop(server: Daemon) -> None:
    data = random.Random(8).randbytes(16 << 20)
    (server.docroot / "large").write_bytes(data)
    with Client(server.port, receive_buffer=65536) as client, Process(server.pid) as supervisor:
        client.send(request("/large"))
        client.head()
        for _ in range(3):
            reload(server)
        until(lambda: len(server.workers()) == 3, "two workers, and the one with the download")
        supervisor.signal(signal.SIGTERM)
        until(lambda: refused(server.port), "draining")
        assert client.body(len(data)) == data
        assert client.rest() == b""
        supervisor.wait()


def test_workers_of_the_former_generation_end_with_their_last_client(server: Daemon) -> None:
    with (server.docroot / "large").open("wb") as file:
        file.truncate(64 << 20)
    with Client(server.port, receive_buffer=4096) as client:
        client.send(request("/large"))
        client.head()
        reload(server)
        until(lambda: len(server.workers()) == 3, "two workers, and the one with the download")
    until(lambda: len(server.workers()) == 2, "two workers")


def test_reload_changes_the_port(server: Daemon) -> None:
    old, new = server.port, free_port()
    server.configure(port=new)
    reload(server)
    assert ask(new, "/").status == 200
    until(lambda: refused(old), "the old port is left")


def test_reload_to_a_port_in_use_changes_nothing(server: Daemon) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        taken = other.getsockname()[1]
        server.configure(port=taken)
        done = server.run("reload")
        assert done.returncode not in {0, 1}
        assert str(taken) in done.stderr
    assert ask(server.port, "/").status == 200
    server.configure(port=server.port)
    reload(server)


def test_two_reloads_at_once_both_succeed(server: Daemon) -> None:
    with ThreadPoolExecutor() as pool:
        ends = list(pool.map(lambda _: server.run("reload"), range(2)))
    assert 0 in {done.returncode for done in ends}
    assert "Traceback" not in "".join(done.stderr for done in ends)
    until(lambda: len(server.workers()) == 2, "two workers")
    assert ask(server.port, "/").status == 200


def test_reload_during_a_reload_is_not_forgotten(server: Daemon, other: Path) -> None:
    with Process(server.pid) as supervisor:
        server.configure(workers=48)  # which takes a while
        supervisor.signal(signal.SIGHUP)
        server.configure(workers=2, docroot=str(other))
        supervisor.signal(signal.SIGHUP)
        until(lambda: ask(server.port, "/").body == b"<p>other\n", "the newest configuration")
        until(lambda: has(server, 2, 1), "two workers")
