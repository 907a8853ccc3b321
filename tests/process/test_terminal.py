"""What a server prints on a terminal: its addresses, once, without ever blocking."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from httpd.network.addresses import machine_addresses
from httpd.observe import terminal
from tests.process.events import LogFile, until
from tests.process.launch import PHTTPD, ROOT, Daemon, environment, free_port, refused
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE


class Screen:
    """What has been written to a terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.text = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        while not (match := re.search(pattern, self.text)):
            assert self._read(), f"the terminal was closed without {pattern!r}: {self.text!r}"
        return match

    def close(self) -> None:
        """Close the window."""
        os.close(self._fd)
        self._fd = -1

    def rest(self) -> str:
        """Return all, once every process has closed the terminal."""
        while self._read():
            pass
        return self.text

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], DEADLINE)
        assert ready, f"nothing more in {DEADLINE} s: {self.text!r}"
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: every other end is closed
            return False
        self.text += data.decode().replace("\r\n", "\n")
        return True


@contextmanager
def at_terminal(
    *words: str | Path,
    everything: bool = False,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    size: tuple[int, int] = (0, 0),
) -> Iterator[tuple[subprocess.Popen[bytes], Screen]]:
    """Run the command with a terminal as standard error, or as all three; it ends afterwards."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    process = subprocess.Popen(
        [*PHTTPD, *map(str, words)],
        stdin=theirs if everything else subprocess.DEVNULL,
        stdout=theirs if everything else subprocess.DEVNULL,
        stderr=theirs,
        cwd=cwd,
        env=environment(env),
        process_group=0,
    )
    os.close(theirs)
    try:
        yield process, Screen(ours)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)
        with suppress(OSError):  # the test has closed it
            os.close(ours)


def urls_at(port: int) -> list[str]:
    names = [f"[{address}]" if ":" in address else address for address in machine_addresses()]
    return [f"http://{name}:{port}/" for name in ["localhost", *names]]


@pytest.mark.parametrize("everything", [False, True])
def test_server_in_the_foreground_prints_its_urls_once(site: Path, everything: bool) -> None:
    port = free_port()
    with at_terminal("--base", site, "--port", str(port), everything=everything) as (
        process,
        screen,
    ):
        screen.wait_for("serving .*\n")
        assert ask(port, "/").status == 200
        ask(port, "/missing")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        first = f"phttpd: serving {site} until Ctrl-C: {' '.join(urls_at(port))}\n"
        assert screen.rest().startswith(first)
        assert screen.text.count("serving") == 1


def test_verbose_server_prints_no_wildcard_address(site: Path) -> None:
    port = free_port()
    words = ("--base", site, "--port", str(port), "--verbose")
    with at_terminal(*words, everything=True) as (process, screen):
        screen.wait_for("phttpd: serving .*\n")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        assert f"serving {site} at http://*:{port}/ with" in screen.rest()
        assert "[::]" not in screen.text


def test_single_address_is_printed_as_it_is(site: Path) -> None:
    with at_terminal(site, "--port", "0", "--host", "127.0.0.2") as (process, screen):
        found = screen.wait_for(r"until Ctrl-C: http://127\.0\.0\.2:(\d+)/\n")
        assert int(found[1]) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_drain_on_a_terminal_shows_what_it_waits_for(site: Path) -> None:
    size = 16 << 20
    (site / "large").write_bytes(bytes(size))
    port = free_port()
    with at_terminal(site, "--port", str(port)) as (process, screen):
        screen.wait_for("serving .*\n")
        with Client(port, receive_buffer=65536) as client:
            client.send(request("/large"))
            client.head()
            os.killpg(process.pid, signal.SIGINT)
            said = (
                r"phttpd: waiting for 1 request, [0-9.]+ MB to send; a second Ctrl-C stops at once"
            )
            screen.wait_for(said)
            assert client.body(size) == bytes(size)
        assert process.wait(DEADLINE) == 0


@pytest.mark.parametrize("is_at_terminal", [True, False])
def test_hangup_of_the_terminal_drains_and_any_other_reloads(
    site: Path, tmp_path: Path, is_at_terminal: bool
) -> None:
    """As when a window is closed: the shell, or the kernel, sends SIGHUP."""
    log = LogFile(tmp_path / "a.log")
    port = free_port()
    words = (site, "--port", str(port), "--verbose", "--log-file", log.path)
    with at_terminal(*words) as (process, screen):
        screen.wait_for("serving .*\n")
        if is_at_terminal:
            screen.close()
        process.send_signal(signal.SIGHUP)
        log.wait_for("draining" if is_at_terminal else "reloaded")
        if not is_at_terminal:
            process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert ("reloading" in log.text()) is not is_at_terminal


def test_daemon_prints_its_urls(site: Path) -> None:
    server = Daemon(site)
    with at_terminal("--config", server.config) as (process, screen):
        assert process.wait(DEADLINE) == 0
        said = screen.rest()
        address = f"http://127.0.0.1:{server.port}/"
        how = f"in the background with pid {server.pid}"
        assert said == f"phttpd: serving {site} {how}: {address}\n"
    assert server.run("stop").returncode == 0


def test_terminal_that_accepts_nothing_blocks_no_start(site: Path) -> None:
    """As after Ctrl-S."""
    ours, theirs = pty.openpty()
    termios.tcflow(theirs, termios.TCOOFF)
    port = free_port()
    process = subprocess.Popen(
        [*PHTTPD, str(site), "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=ROOT,
        env=environment(),
        process_group=0,
    )
    try:
        until(lambda: not refused(port), "serving")
        assert ask(port, "/").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_line_for_a_terminal_never_waits_and_leaves_it_blocking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr(terminal, "_STDERR", theirs)
    for number in range(5000):  # far more than a terminal keeps when it is not read
        terminal.say(f"{number} {'x' * 100}")
    assert not fcntl.fcntl(theirs, fcntl.F_GETFL) & os.O_NONBLOCK
    assert os.read(ours, 100).startswith(b"0 xxx")
    os.close(ours)
    terminal.say("it has hung up")
    os.close(theirs)


def test_line_for_a_terminal_gives_it_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr(terminal, "_STDERR", theirs)
    terminal.say("a\x1b[31m\nb")
    assert os.read(ours, 100) == b"a\\x1b[31m | b\r\n"
    os.close(ours)
    os.close(theirs)
