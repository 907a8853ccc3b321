"""`phttpd top`: the downloads of a running daemon, on a terminal and as text."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from httpd.observe.transfers import read_all
from tests.process.events import Process, until
from tests.process.launch import PHTTPD, ROOT, Daemon, daemon, environment
from tests.support import require
from tests.support.raw import Client, request
from tests.support.server import DEADLINE

NOT_RUNNING = 3
SIZE = 64 << 20
BUFFER = 16384


@pytest.fixture
def files(tmp_path: Path) -> Path:
    docroot = tmp_path / "files"
    docroot.mkdir()
    with (docroot / "large.iso").open("wb") as file:
        file.truncate(SIZE)
    with (docroot / "evil\x1b[2J\x07.iso").open("wb") as file:
        file.truncate(SIZE)
    return docroot


@contextmanager
def downloading(
    server: Daemon, target: str = "/large.iso", size: int = 1 << 20
) -> Iterator[Client]:
    """Have a client in the middle of a download."""
    with Client(server.port, receive_buffer=BUFFER) as client:
        client.send(request(target))
        client.head()
        client.body(size)
        yield client


class Terminal:
    """`phttpd top` on a terminal of its own, whose screen another program draws."""

    def __init__(self, server: Daemon, *options: str, columns: int = 120, lines: int = 10) -> None:
        require.module("pyte", "test")
        import pyte  # noqa: PLC0415

        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            words = [*PHTTPD, "-c", str(server.config), "top", *options]
            os.execve(sys.executable, words, environment({"TERM": "xterm", "NO_COLOR": ""}))
        self.resize(columns, lines)
        self.process = Process(self.pid)

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def wait(self, check: Callable[[list[str]], bool]) -> list[str]:
        """Return the lines of the screen, once they are as expected."""
        while not check(self.lines):
            assert self._read(), f"the command ended: {self.raw[-2000:]!r}"
        return self.lines

    def wait_for(self, text: str) -> list[str]:
        return self.wait(lambda lines: any(text in line for line in lines))

    def end(self) -> int:
        """Return the status of the command, as waitpid(2) does, once it has ended."""
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        return status

    def close(self) -> None:
        """End the command if it runs, and close the terminal."""
        if not self.process.ended():
            self.process.signal(signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], DEADLINE)
        assert ready, f"nothing more in {DEADLINE} s: {self.lines}"
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: the command has ended
            return False
        self.raw += data
        self._stream.feed(data)
        return True

    def is_restored(self) -> bool:
        """Tell whether the terminal is as the command has found it."""
        undone = self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        left = self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
        return undone and left


@contextmanager
def terminal(server: Daemon, *options: str, **size: int) -> Iterator[Terminal]:
    made = Terminal(server, *options, **size)
    try:
        yield made
    finally:
        made.close()


# ---------------------------------------------------------------- text and JSON


def test_once_prints_a_table_of_all_downloads(files: Path) -> None:
    with daemon(files) as server, downloading(server), downloading(server, "/large.iso?again"):
        done = server.run("top", "--once")
    assert (done.returncode, done.stderr) == (0, "")
    title, head, *rows = done.stdout.splitlines()
    assert title.startswith("phttpd 0.1.0 serving   ")
    assert title.endswith(f"   {files}")
    assert head.split() == ["CLIENT", "FILE", "DONE", "OF", "%", "RATE", "ETA", "AGE", "R", "WHO"]
    (row,) = rows
    assert row.startswith("127.0.0.1 /large.iso [2 parts] ")
    assert "67.1 MB" in row


def test_top_without_a_terminal_prints_once(files: Path) -> None:
    with daemon(files) as server:
        done = server.run("top")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def test_json_has_an_object_for_each_look(files: Path) -> None:
    with daemon(files) as server, downloading(server) as client:
        top = subprocess.Popen(
            [*PHTTPD, "-c", str(server.config), "top", "--json", "--interval", "100ms"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        try:
            assert top.stdout is not None
            look = json.loads(top.stdout.readline())
            assert (look["pid"], look["phase"], look["active"]) == (server.pid, "serving", 1)
            (download,) = look["downloads"]
            assert download["peer"] == "127.0.0.1"
            assert download["path"] == "/large.iso"
            assert (download["size"], download["outcome"]) == (SIZE, "running")
            assert download["unique"] == download["sent"] >= 1 << 20
            client.body(SIZE - (1 << 20))
            while look["downloads"][0]["outcome"] == "running":
                look = json.loads(top.stdout.readline())
            assert look["downloads"][0]["unique"] == SIZE
            top.stdout.close()
            assert top.wait(DEADLINE) == 0, "it ends with its reader"
        finally:
            top.kill()
            top.wait()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--interval", "0"], "--interval: '0' is not allowed here; expected a time such as"),
        (["--sort", "size"], "--sort: 'size' is not allowed here; expected one of rate, percent"),
    ],
)
def test_wrong_option_is_refused(files: Path, options: list[str], message: str) -> None:
    done = Daemon(files).run("top", *options)
    assert done.returncode == 64
    assert message in done.stderr


@pytest.mark.parametrize("option", ["--once", "--interval=1s", "--sort=rate"])
def test_option_of_top_goes_with_no_other_command(files: Path, option: str) -> None:
    done = Daemon(files).run("status", option)
    assert done.returncode == 64
    assert "does not go with 'status'" in done.stderr


# ---------------------------------------------------------------- exact figures


def test_downloads_show_what_their_clients_have_received(files: Path) -> None:
    """Of a thousand clients, each of which has read another number of bytes."""
    count = 1000
    with ExitStack() as stack:
        server = stack.enter_context(daemon(files, max_connections=2 * count))
        (table,) = read_all(server.pid)
        clients = []
        for number in range(count):
            client = stack.enter_context(Client(server.port, receive_buffer=BUFFER))
            client.send(request(f"/large.iso?{number}", f"Range: bytes={number}-"))
            clients.append(client)
        for number, client in enumerate(clients):
            client.head()
            client.body(number * 100)
        in_kernel = clients[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

        def shown() -> dict[int, int] | None:
            table.watch(time.monotonic())
            found = {one.ranges[0][1]: one.acknowledged for one in table.running()}
            return found if is_exact(found) else None

        def is_exact(found: dict[int, int]) -> bool:
            if len(found) < count:
                return False
            for number, client in enumerate(clients):
                received = number * 100 + len(client._buffer)
                if not received <= found[number] <= received + in_kernel:
                    return False
            return True

        until(shown, "each download within one socket buffer of its client")


@pytest.mark.debian("aria2")
def test_segments_of_a_download_tool_are_one_download(files: Path, tmp_path: Path) -> None:
    with daemon(files) as server:
        words = ["-x16", "-s16", "-k1M", "--max-overall-download-limit=4M", "--quiet"]
        url = f"http://127.0.0.1:{server.port}/large.iso"
        with subprocess.Popen(
            [require.command("aria2c", "aria2"), *words, f"--dir={tmp_path}", "-ogot", url]
        ) as tool:
            try:
                download = until(lambda: find_parts(server, 16), "16 parts in one row")
            finally:
                tool.kill()
    assert download["resumes"] == 0
    assert download["unique"] <= SIZE


def find_parts(server: Daemon, parts: int) -> dict[str, Any] | None:
    """Return the only download, if it has so many parts."""
    look = json.loads(server.run("top", "--once", "--json").stdout)
    found: list[dict[str, Any]] = look["downloads"]
    assert len(found) <= 1
    return found[0] if found and found[0]["parts"] == parts else None


# ---------------------------------------------------------------- a terminal


def test_terminal_shows_the_downloads_as_they_go_on(files: Path) -> None:
    with daemon(files) as server, downloading(server) as client, terminal(server) as top:
        lines = top.wait_for("/large.iso")
        assert lines[0].startswith("phttpd 0.1.0 serving   ")
        assert lines[1].split()[:2] == ["CLIENT", "FILE"]
        assert lines[2].startswith("127.0.0.1 ")
        assert lines[-1] == "1–1 of 1   by rate   ? help"
        client.body(SIZE // 2)
        top.wait(lambda lines: any(f"{percent} %" in lines[2] for percent in range(51, 60)))
        client.body(SIZE - SIZE // 2 - (1 << 20))
        lines = top.wait_for("100 %")
        assert " done " in lines[2]
        top.press("q")
        assert top.end() == 0
        assert top.is_restored()


def test_path_is_no_instruction_to_the_terminal(files: Path) -> None:
    with daemon(files) as server, terminal(server) as top:
        top.wait_for("no downloads")
        with downloading(server, "/evil%1b%5B2J%07.iso"):
            lines = top.wait_for("/evil")
            assert r"/evil\x1b[2J\x07.iso " in lines[2]
            assert lines[0].startswith("phttpd ")
        assert b"\x07" not in top.raw
        assert top.raw.count(b"\x1b[2J") == 1, "once at the beginning"


def test_keys_and_the_size_change_the_view(files: Path) -> None:
    with daemon(files) as server, downloading(server), terminal(server) as top:
        top.wait_for("/large.iso")
        top.press("s")
        top.wait_for("by percent")
        top.press("g")
        top.wait_for("1 file ")
        top.press("gg/nothing\r")
        top.wait_for("only “nothing”")
        assert not any("/large.iso" in line for line in top.lines)
        top.press("\x1b")
        top.wait_for("/large.iso")
        top.press("?")
        top.wait_for("quit")
        top.press("?p")
        top.wait_for("PAUSED")
        top.resize(80, 6)
        head = ["CLIENT", "FILE", "OF", "%▾", "RATE", "ETA"]
        top.wait(lambda lines: lines[1].split() == head and "PAUSED" in lines[5])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_terminal_is_restored_after_a_signal(files: Path, number: signal.Signals) -> None:
    with daemon(files) as server, terminal(server) as top:
        top.wait_for("no downloads")
        top.process.signal(number)
        status = top.end()
        assert os.WTERMSIG(status) == (0 if number is signal.SIGINT else number)
        assert top.is_restored()


def test_killed_daemon_is_reported(files: Path) -> None:
    server = Daemon(files)
    server.start()
    workers = [Process(pid) for pid in server.workers()]
    with terminal(server) as top, Process(server.pid) as supervisor:
        top.wait_for("no downloads")
        supervisor.signal(signal.SIGKILL)
        status = top.end()
        assert os.waitstatus_to_exitcode(status) == NOT_RUNNING
        assert top.is_restored()
        assert f"phttpd: the daemon (pid {supervisor.pid}) has ended" in top.raw.decode()
    for worker in workers:
        worker.wait()


def test_drain_shows_what_it_waits_for_and_then_the_end(files: Path) -> None:
    server = Daemon(files)
    server.start()
    with downloading(server) as client, terminal(server) as top, Process(server.pid) as supervisor:
        top.wait_for("/large.iso")
        supervisor.signal(signal.SIGTERM)
        top.wait(lambda lines: "draining: waiting for 1 request, " in lines[0])
        client.body(SIZE - (1 << 20))
        assert top.end() == 0
        assert "has ended" in top.raw.decode()
        supervisor.wait()


@contextmanager
def closing_down(server: Daemon) -> Iterator[None]:
    """Stop the supervisor that serves at the end, which may not be the first one."""
    try:
        yield
    finally:
        assert server.run("stop").returncode == 0


@pytest.mark.parametrize("word", ["reload", "upgrade"])
def test_download_stays_in_view_over_a_change(files: Path, word: str) -> None:
    server = Daemon(files)
    server.start()
    with (
        closing_down(server),
        downloading(server) as old,
        terminal(server) as top,
    ):
        top.wait_for("/large.iso")
        before = server.pid
        assert server.run(word).returncode == 0
        assert (server.pid == before) is (word == "reload")
        top.wait(lambda lines: "waiting for 1 request" in lines[0])
        with downloading(server, "/evil%1b%5B2J%07.iso"):
            lines = top.wait_for("/evil")
            assert any("/large.iso" in line for line in lines)
            old.body(SIZE - (1 << 20))
            top.wait_for("100 %")
        top.press("q")
        assert top.end() == 0


def test_worker_that_dies_takes_its_downloads_with_it(files: Path) -> None:
    with daemon(files, workers=1) as server, downloading(server), terminal(server) as top:
        top.wait_for("/large.iso")
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        top.wait_for(" cut ")
