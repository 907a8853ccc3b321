"""The log when a disk is full, or its console or file has no reader."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.process.events import LogFile, until
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Daemon,
    Foreground,
    daemon,
    environment,
    free_port,
    refused,
    write_config,
)
from tests.process.log_lines import hammer, marks, requests_in
from tests.support import require
from tests.support.raw import ask
from tests.support.server import DEADLINE, READY, Lines


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is full soon."""
    require.root()
    directory = tmp_path / "small"
    directory.mkdir()
    mount = [require.command("mount", "mount"), "-t", "tmpfs", "-o", "size=8m", "phttpd-test"]
    if subprocess.run([*mount, str(directory)], capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount here")
    yield directory
    subprocess.run([require.command("umount", "mount"), "--lazy", str(directory)], check=True)


@pytest.mark.root
def test_log_on_a_full_disk_counts_lost_lines(site: Path, small_disk: Path) -> None:
    log = LogFile(small_disk / "phttpd.log")
    with daemon(site, verbose=True, log_file=str(log.path), workers=1, threads=1) as server:
        ask(server.port, "/first")
        log.wait_for('"GET /first ')
        filler = small_disk / "filler"
        fill(filler)
        long = [f"{name}: {'agent ' * 100}" for name in ("User-Agent", "Referer")]
        sent = hammer(server.port, 4, 300, *long)
        assert ask(server.port, "/").status == 200
        filler.unlink()

        def written_again() -> bool:
            return ask(server.port, "/after").status == 404 and '"GET /after ' in log.text()

        until(written_again, "lines again")
    lines = log.lines()
    found = marks(requests_in(lines))
    assert found <= sent, "a line came twice"
    if found != sent:
        assert re.search(r"lost", log.text()), "it did not say that lines were lost"
        lost = sum(int(number) for number in re.findall(r"lines lost: (\d+)", log.text()))
        assert lost >= sum((sent - found).values())


def fill(filler: Path) -> None:
    """Fill a disk to the last block."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


@pytest.mark.root
def test_log_on_a_disk_that_is_full_from_the_start_is_survived(
    site: Path, small_disk: Path
) -> None:
    fill(small_disk / "filler")
    log = small_disk / "phttpd.log"
    with daemon(site, verbose=True, log_file=str(log)) as server:
        hammer(server.port, 2, 100, f"User-Agent: {'agent ' * 100}")
        assert ask(server.port, "/").status == 200


def test_console_without_a_reader_blocks_no_client(site: Path) -> None:
    port = free_port()
    config = write_config(
        site.with_name("a.yaml"),
        docroot=str(site),
        host="127.0.0.1",
        port=port,
        pidfile="a.pid",
    )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*PHTTPD, "--foreground", "--verbose", "-c", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment(),
    )
    os.close(writer)
    try:
        until(lambda: process.poll() is not None or not refused(port), "serving")
        hammer(port, 8, 200, f"User-Agent: {'agent ' * 100}")  # far more than the pipe holds
        for _ in range(100):  # and each of these is worth a line for its end
            assert ask(port, "/").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def start_with_console(site: Path, port: int, console: socket.socket) -> subprocess.Popen[bytes]:
    """Start a server that logs to a socket."""
    config = write_config(
        site.with_name("a.yaml"), docroot=str(site), host="127.0.0.1", port=port, pidfile="a.pid"
    )
    return subprocess.Popen(
        [*PHTTPD, "--foreground", "--verbose", "-c", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=console.fileno(),
        stderr=console.fileno(),
        cwd=ROOT,
        env=environment(),
    )


def test_console_that_is_a_socket_without_a_reader_blocks_no_client(site: Path) -> None:
    """It cannot be opened again, as a pipe can; what it holds stays as it was inherited."""
    port = free_port()
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    process = start_with_console(site, port, writer)
    try:
        until(lambda: process.poll() is not None or not refused(port), "serving")
        hammer(port, 8, 200, f"User-Agent: {'agent ' * 100}")  # far more than it holds
        for _ in range(100):
            assert ask(port, "/").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert writer.getblocking()
        writer.close()
        with reader, reader.makefile("r") as lines:
            found = [line.rstrip("\n") for line in lines]
        assert requests_in(found[:-1])
    finally:
        process.kill()
        process.wait()
        writer.close()
        reader.close()


def test_console_that_is_a_socket_gets_every_line(site: Path) -> None:
    port = free_port()
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    process = start_with_console(site, port, writer)
    writer.close()
    try:
        lines = Lines(reader.makefile("r"))
        lines.wait_for(READY)
        sent = hammer(port, 4, 100)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert marks(requests_in(lines.rest())) == sent
    finally:
        process.kill()
        process.wait()
        reader.close()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_log_file_that_is_a_device_is_written(site: Path, device: str) -> None:
    server = Daemon(site, verbose=True, log_file=device)
    server.start()
    hammer(server.port, 4, 100, f"User-Agent: {'agent ' * 100}")
    assert ask(server.port, "/").status == 200
    assert server.run("stop").returncode == 0


def test_log_file_at_the_limit_of_file_sizes_is_survived(site: Path) -> None:
    limit = 32 * 1024 * 1024  # enough for the memory that the processes share
    server = Daemon(site, verbose=True)
    server.log.path.touch()
    os.truncate(server.log.path, limit - 200_000)
    server.start(prefix=[require.command("prlimit", "util-linux"), f"--fsize={limit}"])
    hammer(server.port, 4, 200, f"User-Agent: {'agent ' * 100}")
    assert ask(server.port, "/").status == 200
    assert server.run("stop").returncode == 0
    assert server.log.path.stat().st_size <= limit
    requests_in(server.log.lines()[1:])


def test_log_file_in_the_foreground_leaves_the_console_silent(site: Path, tmp_path: Path) -> None:
    log = LogFile(tmp_path / "front.log")
    server = Foreground(
        *("--base", site, "--host", "127.0.0.1", "--port", str(free_port()), "--verbose"),
        *("--pidfile", tmp_path / "front.pid", "--log-file", log.path),
    )
    try:
        port = int(log.wait_for(READY.pattern)[1])
        assert ask(port, "/missing").status == 404
        assert server.stop() == 0
        assert (server.out.seen, server.err.seen) == ([], [])
        assert len(requests_in(log.lines())) == 1
    finally:
        server.kill()


def test_log_file_that_is_a_fifo_without_a_reader_blocks_no_client(site: Path) -> None:
    fifo = site.parent / "fifo"
    os.mkfifo(fifo)
    (site.parent / "phttpd.log").touch()
    with daemon(site, "--verbose", log_file=str(fifo), workers=1, threads=1) as server:
        for number in range(200):  # a pipe holds 64 KiB
            assert ask(server.port, f"/{number}{'x' * 1000}").status == 404
        assert server.run("stop").returncode == 0
