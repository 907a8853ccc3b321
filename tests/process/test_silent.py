"""Without --verbose, nothing is written to the console, whatever clients do."""

from __future__ import annotations

import re
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.events import until
from tests.process.launch import PHTTPD, ROOT, environment, free_port, refused, write_config
from tests.support.raw import Client, ask
from tests.support.server import DEADLINE


@contextmanager
def silent(
    site: Path, output: Path, said: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a server without --verbose in the foreground; both its streams go to a file, which in the
    end has only what `said` matches.
    """
    port = free_port()
    config = write_config(
        site.with_name("silent.yaml"),
        docroot=str(site),
        host="127.0.0.1",
        port=port,
        workers=2,
        pidfile="silent.pid",
    )
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [*PHTTPD, "--foreground", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=ROOT,
            env=environment(),
            process_group=0,
        )
    until(lambda: process.poll() is not None or not refused(port), "serving")
    try:
        yield process, port
        assert process.wait(DEADLINE) == 0
        assert re.fullmatch(said, output.read_text())
    finally:
        process.kill()
        process.wait(DEADLINE)


def annoy(port: int) -> None:
    """Do what clients do to servers."""
    for target in ["/", "/missing", "/%", "/../etc/passwd", "/%00", "/" + "a" * 9000]:
        ask(port, target)
    for method in ["HEAD", "POST", "TRACE", "BREW"]:
        ask(port, "/", method=method)
    for data in [b"\x16\x03\x01\x02", b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]:
        with Client(port) as client:
            client.send(data)
            client.finish_sending()
            client.rest()
    for data in [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]:
        with Client(port) as client:
            client.send(data)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_quiet_daemon_writes_nothing_in_its_whole_life(site: Path, tmp_path: Path) -> None:
    with silent(site, tmp_path / "output") as (process, port):
        annoy(port)
        assert ask(port, "/").status == 200
        process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("signals", [["SIGINT"], ["SIGINT", "SIGINT"], ["SIGTERM", "SIGTERM"]])
def test_quiet_daemon_writes_nothing_when_it_is_stopped_during_a_download(
    site: Path, tmp_path: Path, signals: list[str]
) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(100_000_000)
    cut = r"\S+ warning \S+ \S+ the response with \S+/large to \S+ was cut, .* send: stop\n"
    said = "" if len(signals) == 1 else cut
    with silent(site, tmp_path / "output", said) as (process, port), Client(port) as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        client.head()
        for name in signals:
            process.send_signal(signal.Signals[name])
            until(lambda: refused(port), "draining")
        if len(signals) == 1:
            assert len(client.rest()) == 100_000_000
