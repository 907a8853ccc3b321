"""The pidfile: one daemon each; a stale one is replaced, and other files are left alone."""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Daemon,
    daemon,
    environment,
    foreground,
    free_port,
)
from tests.support.raw import ask
from tests.support.server import DEADLINE
from tests.unit.process.children import child_doing

UNAVAILABLE, NOT_RUNNING = 69, 3
NOBODY = pwd.getpwnam("nobody").pw_uid
NEVER = 1 << 22  # one more than the largest pid there can be: PID_MAX_LIMIT, proc(5)


@contextmanager
def stranger() -> Iterator[int]:
    """Run a program that is no phttpd."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert process.stdin
    try:
        yield process.pid
        assert process.poll() is None, "it was killed"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def dead() -> int:
    """Return the pid of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def assert_refused(server: Daemon, *words: object) -> None:
    done = server.run()
    assert done.returncode == UNAVAILABLE, done
    assert len(done.stderr.splitlines()) == 1
    assert str(server.pidfile) in done.stderr
    for word in words:
        assert str(word) in done.stderr


def assert_replaced(server: Daemon) -> None:
    server.start()
    with Process(server.pid) as supervisor:
        assert ask(server.port, "/").status == 200
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()
    assert not server.pidfile.exists()


def test_pidfile_has_the_pid_of_the_supervisor(site: Path) -> None:
    with daemon(site) as server:
        assert server.pidfile.read_text() == f"{server.pid}\n"
        assert server.workers()


def test_pidfile_of_a_server_in_the_foreground(site: Path) -> None:
    with foreground(site, pidfile="front.pid") as server:
        assert (site.parent / "front.pid").read_text() == f"{server.pid}\n"
    assert not (site.parent / "front.pid").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_pidfile_stays_when_workers_end(site: Path, number: signal.Signals) -> None:
    with daemon(site) as server:
        pid = server.pid
        victim = server.workers()[0]
        os.kill(victim, number)
        until(lambda: victim not in server.workers() and len(server.workers()) == 2, "replaced")
        assert server.pid == pid


@pytest.mark.parametrize("text", ["{}\n", "{}", "  {} \n"])
def test_pidfile_of_a_dead_process_is_replaced(site: Path, text: str) -> None:
    server = Daemon(site)
    server.pidfile.write_text(text.format(dead()))
    assert_replaced(server)


def test_pidfile_with_an_impossible_pid_is_replaced(site: Path) -> None:
    server = Daemon(site)
    server.pidfile.write_text(f"{NEVER}\n")
    assert_replaced(server)


def test_pidfile_of_a_killed_daemon_is_replaced(site: Path) -> None:
    server = Daemon(site)
    server.start()
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGKILL)
        supervisor.wait()
    assert server.pidfile.exists()
    assert_replaced(server)


def test_pidfile_whose_pid_another_program_has_is_replaced(site: Path) -> None:
    server = Daemon(site)
    with stranger() as pid:
        server.pidfile.write_text(f"{pid}\n")
        os.utime(server.pidfile, (1_000_000_000, 1_000_000_000))
        assert_replaced(server)


def test_pidfile_with_the_pid_of_an_older_program_is_replaced(site: Path) -> None:
    server = Daemon(site)
    with stranger() as pid:
        server.pidfile.write_text(f"{pid}\n")
        assert_replaced(server)


def test_workers_hold_neither_the_pidfile_nor_its_lock(site: Path) -> None:
    with daemon(site) as server:
        assert pidfiles_of(server, server.pid) == [f"{server.pidfile}.lock"]
        for pid in server.workers():
            assert pidfiles_of(server, pid) == []


def pidfiles_of(server: Daemon, pid: int) -> list[str]:
    """Return which of the pidfile and its lock a process has open."""
    return [to for to in proc.descriptors(pid).values() if to.startswith(str(server.pidfile))]


@pytest.mark.root
def test_lock_of_another_user_on_a_stale_pidfile_means_nothing(site: Path) -> None:
    """He can read the file, so he can lock it."""
    server = Daemon(site)
    server.pidfile.write_text(f"{dead()}\n")

    def lock_as_nobody() -> None:
        fd = os.open(server.pidfile, os.O_RDONLY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        fcntl.lockf(fd, fcntl.LOCK_SH)

    with child_doing(lock_as_nobody) as impostor:
        assert server.run("status").returncode == NOT_RUNNING
        assert_replaced(server)
        assert proc.status(impostor, "State")[0] == "S"


@pytest.mark.parametrize("word", ["status", "stop", "reload"])
def test_name_of_a_process_gives_the_terminal_no_orders(site: Path, word: str) -> None:
    """It holds the lock, so its name is shown, without the control characters."""
    server = Daemon(site)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.process.impostor", str(server.pidfile)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            done = server.run(word)
        finally:
            process.kill()
    assert "Traceback" not in done.stderr
    said = done.stdout + done.stderr
    assert said.replace("\n", "").isprintable(), said
    if word != "stop":
        assert r"\x1b]0;owned" in said


def test_pidfile_of_a_running_daemon_is_left_alone(site: Path) -> None:
    with daemon(site) as server:
        pid = server.pid
        done = server.run("--port", "0")
        assert done.returncode == UNAVAILABLE
        assert str(pid) in done.stderr
        assert server.pid == pid
        assert ask(server.port, "/").status == 200


@pytest.mark.parametrize(
    "text", ["phttpd\n", "0\n", "-1\n", "12 34\n", "12abc\n", "9" * 400, "\u0967\n"], ids=ascii
)
def test_pidfile_with_other_content_is_left_alone(site: Path, text: str) -> None:
    server = Daemon(site)
    server.pidfile.write_text(text)
    assert_refused(server)
    assert server.pidfile.read_text() == text


def test_pidfile_with_binary_content_is_left_alone(site: Path) -> None:
    server = Daemon(site)
    server.pidfile.write_bytes(b"\xff\0\x80")
    assert_refused(server)
    assert server.pidfile.read_bytes() == b"\xff\0\x80"


def test_pidfile_that_is_a_directory_is_refused(site: Path) -> None:
    server = Daemon(site)
    server.pidfile.mkdir()
    done = server.run()
    assert done.returncode in {UNAVAILABLE, 71, 78}
    assert len(done.stderr.splitlines()) == 1
    assert server.pidfile.is_dir()


def test_pidfile_that_is_a_fifo_does_not_hang_the_start(site: Path) -> None:
    server = Daemon(site)
    os.mkfifo(server.pidfile)
    done = server.run()
    assert done.returncode in {UNAVAILABLE, 71, 78}
    assert len(done.stderr.splitlines()) == 1
    assert server.pidfile.is_fifo()


@pytest.mark.parametrize("text", [f"{NEVER}\n", "precious\n"], ids=["a pid", "no pid"])
def test_pidfile_that_is_a_symlink_is_not_followed(site: Path, text: str) -> None:
    server = Daemon(site)
    other = site.parent / "precious"
    other.write_text(text)
    server.pidfile.symlink_to(other)
    done = server.run()
    if done.returncode == 0:
        assert server.run("stop").returncode == 0
    assert other.read_text() == text


def test_pidfile_that_is_a_dangling_symlink_creates_no_file(site: Path) -> None:
    server = Daemon(site)
    other = site.parent / "nowhere"
    server.pidfile.symlink_to(other)
    done = server.run()
    created = other.is_file()
    if done.returncode == 0:
        assert server.run("stop").returncode == 0
    assert not created


@pytest.mark.parametrize("word", ["start", "stop", "reload", "upgrade", "status", "top"])
def test_pidfile_that_is_a_symlink_is_refused_by_every_command(site: Path, word: str) -> None:
    server = Daemon(site)
    server.pidfile.symlink_to("nowhere")
    done = server.run(word)
    assert (done.returncode, done.stdout) == (71, "")
    assert f"pidfile {server.pidfile}: it is a symbolic link; " in done.stderr


def test_pidfile_that_was_overwritten_is_not_removed(site: Path) -> None:
    server = Daemon(site)
    server.start()
    with Process(server.pid) as supervisor:
        server.pidfile.write_text("1\n")
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()
    assert server.pidfile.read_text() == "1\n"


def test_pidfile_that_was_replaced_is_not_removed(site: Path) -> None:
    server = Daemon(site)
    server.start()
    with Process(server.pid) as supervisor, stranger() as pid:
        other = site.parent / "other.pid"
        other.write_text(f"{pid}\n")
        other.rename(server.pidfile)
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()
        assert server.pidfile.read_text() == f"{pid}\n"


def test_pidfile_that_was_removed_is_no_error(site: Path) -> None:
    with daemon(site) as server:
        server.pidfile.unlink()
        assert ask(server.port, "/").status == 200


def test_failed_start_leaves_no_pidfile(site: Path) -> None:
    server = Daemon(site)
    with foreground(site) as other:
        assert server.run("--port", str(other.port)).returncode == UNAVAILABLE
    assert not server.pidfile.exists()


@pytest.mark.parametrize("stale", [False, True], ids=["no pidfile", "stale pidfile"])
def test_one_of_many_starts_at_once_gets_the_pidfile(site: Path, stale: bool) -> None:
    server = Daemon(site, workers=1, threads=1)
    if stale:
        server.pidfile.write_text(f"{dead()}\n")
    starts = [
        subprocess.Popen(
            [*PHTTPD, "-c", str(server.config), "--port", str(free_port())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
        )
        for _ in range(5)
    ]
    said = [start.communicate(timeout=DEADLINE)[1] for start in starts]
    statuses = sorted(start.returncode for start in starts)
    assert statuses == [0, *[UNAVAILABLE] * 4], said
    assert server.run("stop").returncode == 0


@pytest.mark.parametrize("word", ["stop", "reload", "upgrade", "status", "top"])
@pytest.mark.parametrize("kind", ["missing", "dead", "other program", "younger program", "no pid"])
def test_control_signals_no_other_process(site: Path, word: str, kind: str) -> None:
    server = Daemon(site)
    with stranger() as pid:
        if kind == "dead":
            server.pidfile.write_text(f"{dead()}\n")
        elif kind == "no pid":
            server.pidfile.write_text("-1\n")
        elif kind != "missing":
            server.pidfile.write_text(f"{pid}\n")
        if kind == "younger program":
            os.utime(server.pidfile, (1_000_000_000, 1_000_000_000))
        done = server.run(word)
        assert done.returncode != 0 if kind == "no pid" else done.returncode == NOT_RUNNING, done
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("word", ["stop", "reload", "upgrade", "status", "top"])
def test_pidfile_that_is_a_fifo_does_not_hang_control(site: Path, word: str) -> None:
    server = Daemon(site)
    os.mkfifo(server.pidfile)
    done = server.run(word)
    assert done.returncode not in {0, 1}
    assert len(done.stderr.splitlines()) == 1
