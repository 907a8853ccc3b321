"""Upgrades: a new supervisor takes over without a failed request, or nothing has happened."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from httpd.process.pidfile import find_supervisor
from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import ROOT, Daemon, Foreground, daemon, free_port, refused, write_config
from tests.process.load import Load
from tests.process.manager import Manager
from tests.process.test_activation import passed
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE

WORKER, CONFIG = 70, 78
MIB = 1 << 20


@pytest.fixture
def server(site: Path) -> Iterator[Daemon]:
    with daemon(site, workers=2, threads=1, verbose=True) as server:
        yield server
        server.run("stop")


def upgrade(server: Daemon) -> int:
    """Upgrade and return the pid of the new supervisor."""
    before = server.pid
    done = server.run("upgrade")
    assert (done.returncode, done.stderr) == (0, "")
    assert server.pid != before
    return server.pid


@contextmanager
def watched_pidfile(path: Path) -> Iterator[list[int]]:
    """Look at a pidfile all the time; yield the supervisors that it named, 0 for none alive."""
    seen: list[int] = []
    enough = threading.Event()

    def look() -> None:
        while not enough.is_set():
            pid = find_supervisor(str(path)) or 0
            if not seen or seen[-1] != pid:
                seen.append(pid)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        enough.set()
        thread.join()


def test_upgrade_replaces_the_supervisor(server: Daemon, site: Path) -> None:
    old = server.pid
    with Process(old) as supervisor, watched_pidfile(server.pidfile) as seen:
        new = upgrade(server)
        supervisor.wait()
        assert ask(server.port, "/").status == 200
        assert server.pidfile.read_text() == f"{new}\n"
        server.log.wait_for(rf"notice supervisor\[{old}\]: upgraded: pid {new} serves from now on")
    assert seen == [old, new]
    locks = [to for to in proc.descriptors(new).values() if ".pid" in to]
    assert locks == [f"{server.pidfile}.lock"]
    for worker in server.workers():
        assert not [to for to in proc.descriptors(worker).values() if ".pid" in to]
    assert sorted(path.name for path in site.parent.iterdir()) == [
        "phttpd.log",
        "phttpd.pid",
        "phttpd.pid.lock",
        "phttpd.yaml",
        "site",
    ]
    assert os.readlink(f"/proc/{new}/cwd") == "/"
    assert [proc.descriptors(new)[fd] for fd in range(3)] == ["/dev/null"] * 3
    assert server.run("reload").returncode == 0
    assert len(server.workers()) == 2
    assert server.run("stop").returncode == 0
    assert refused(server.port)


def test_upgrade_under_load_fails_no_request(server: Daemon) -> None:
    data = random.Random(5).randbytes(24 * MIB)
    (server.docroot / "large").write_bytes(data)
    before = proc.descriptors(server.pid)
    pids = [server.pid]
    got = hashlib.sha256()
    with (
        Load(server.port, 6, retry=True) as load,
        Client(server.port, receive_buffer=65536) as client,
    ):
        client.send(request("/large"))
        client.head()
        for _ in range(3):
            load.more(50)
            pids.append(upgrade(server))
            got.update(client.body(4 * MIB))
        load.more(50)
        got.update(client.body(12 * MIB))
    assert load.failed == []
    assert got.digest() == hashlib.sha256(data).digest()
    assert len(set(pids)) == 4
    until(lambda: not any(proc.stat(pid) for pid in pids[:3]), "the former supervisors have ended")
    until(lambda: len(server.workers()) == 2, "two workers")
    until(lambda: len(proc.descriptors(server.pid)) == len(before), "the same descriptors")


def test_stop_after_an_upgrade_waits_for_the_predecessor(server: Daemon) -> None:
    data = random.Random(6).randbytes(16 * MIB)
    (server.docroot / "large").write_bytes(data)
    with Client(server.port, receive_buffer=65536) as client, Process(server.pid) as old:
        client.send(request("/large"))
        client.head()
        with Process(upgrade(server)) as new:
            new.signal(signal.SIGTERM)
            until(lambda: refused(server.port), "draining")
            assert not new.ended(0.2)
            assert client.body(len(data)) == data
            new.wait()
        assert old.ended()


def test_second_signal_after_an_upgrade_ends_the_predecessor_too(server: Daemon) -> None:
    with (server.docroot / "large").open("wb") as file:
        file.truncate(64 * MIB)
    with Client(server.port, receive_buffer=4096) as client, Process(server.pid) as old:
        client.send(request("/large"))
        client.head()
        with Process(upgrade(server)) as new:
            new.signal(signal.SIGTERM)
            until(lambda: refused(server.port), "draining")
            new.signal(signal.SIGTERM)
            new.wait(10)
        assert old.ended()


def test_upgrade_with_a_wrong_configuration_changes_nothing(server: Daemon) -> None:
    old, workers = server.pid, server.workers()
    server.configure(threads="many")
    done = server.run("upgrade")
    assert done.returncode == CONFIG
    assert "the upgrade failed, nothing has changed" in done.stderr
    assert f"{server.config}:5: threads: " in done.stderr
    server.log.wait_for("error supervisor.*the upgrade failed.*threads")
    assert (server.pid, server.workers()) == (old, workers)
    assert ask(server.port, "/").status == 200
    server.configure(threads=2)
    upgrade(server)


def test_upgrade_to_a_port_in_use_changes_nothing(server: Daemon, site: Path) -> None:
    old = server.pid
    server.configure(port=free_port())
    with socket.create_server(("127.0.0.1", int(str(server.settings["port"])))):
        done = server.run("upgrade")
    assert done.returncode == 69, done
    assert ": already in use by " in done.stderr
    assert server.pid == old
    assert sorted(path.name for path in site.parent.iterdir() if ".pid" in path.name) == [
        "phttpd.pid",
        "phttpd.pid.lock",
    ]
    assert ask(server.port, "/").status == 200


def test_upgrade_changes_the_port(server: Daemon) -> None:
    port = free_port()
    server.configure(port=port)
    upgrade(server)
    assert ask(port, "/").status == 200
    until(lambda: refused(server.port), "the old port is left")


def test_upgrade_runs_new_code_and_survives_broken_code(site: Path) -> None:
    """The server runs from a copy of the code, which is changed between upgrades."""
    code = site.with_name("code")
    shutil.copytree(ROOT / "httpd", code / "httpd", ignore=shutil.ignore_patterns("__pycache__"))
    service, about = code / "httpd" / "service.py", code / "httpd" / "__init__.py"
    text = service.read_text()
    server = Daemon(site, workers=1, threads=1)
    done = server.run(env={"PYTHONPATH": str(code)}, cwd=code)
    assert (done.returncode, done.stderr) == (0, "")
    try:
        old = server.pid
        service.write_text("this is no Python\n")
        done = server.run("upgrade")
        assert done.returncode == WORKER
        assert "the new supervisor ended before it took over" in done.stderr
        server.log.wait_for("^SyntaxError: ")
        assert server.pid == old
        assert ask(server.port, "/").status == 200

        service.write_text(text)
        about.write_text(about.read_text().replace('__version__ = "', '__version__ = "9.'))
        upgrade(server)
        assert server.run("status").stdout.startswith("phttpd 9.")
    finally:
        assert server.run("stop").returncode == 0


def test_upgrade_whose_take_over_is_not_reported_is_undone(site: Path) -> None:
    """As of code that does not know the message for it."""
    code = site.with_name("code")
    shutil.copytree(ROOT / "httpd", code / "httpd", ignore=shutil.ignore_patterns("__pycache__"))
    successor, predecessor = (
        code / "httpd/process" / f"{end}cessor.py" for end in ("suc", "prede")
    )
    replace_in(successor, "UPGRADE_SECONDS = BOOT_SECONDS + 20.0", "UPGRADE_SECONDS = 3.0")
    server = Daemon(site, workers=1, threads=1)
    done = server.run(env={"PYTHONPATH": str(code)}, cwd=code)
    assert (done.returncode, done.stderr) == (0, "")
    old = server.pid
    with Process(old) as supervisor:
        # Its memory delays its end, and so the release of the lock of the pidfile.
        silent = "self.ballast = b'x' * (1 << 28)"
        replace_in(predecessor, "self._channel.send(Message.SERVING)", silent)
        supervisor.signal(signal.SIGUSR2)
        server.log.wait_for("nothing has changed: the new supervisor did not take over within 3 s")
        assert "already running" not in server.log.text()
        assert server.pid == old
        assert server.run("status").returncode == 0
        assert ask(server.port, "/").status == 200
        assert server.run("stop").returncode == 0
        supervisor.wait()


def replace_in(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_upgrade_with_a_relative_path_and_no_directory_changes_nothing(site: Path) -> None:
    """The command is run where it was run at first, or relative paths would lead elsewhere."""
    directory = site.with_name("folder")
    directory.mkdir()
    config = write_config(
        site.with_name("x.yaml"), docroot=str(site), pidfile=str(site.with_name("pid")), port=0
    )
    path = os.path.relpath(config, directory)
    server = Foreground("-c", path, "--verbose", cwd=directory)
    try:
        server.wait_until_ready()
        directory.rmdir()
        server.signal(signal.SIGUSR2)
        server.err.wait_for(
            f"upgrade failed, nothing has changed: cannot run .* in {directory}: No "
        )
        assert ask(server.port, "/").status == 200
        assert server.stop() == 0
    finally:
        server.kill()


# ---------------------------------------------------------------- in the foreground


@contextmanager
def in_front(
    site: Path, *files: socket.socket, manager: Manager | None = None
) -> Iterator[Foreground]:
    """Run a server in the foreground for a `with` block; its successors end with it."""
    config = write_config(
        site.with_name("site.yaml"),
        docroot=str(site),
        pidfile=str(site.with_name("site.pid")),
        host="127.0.0.1",
        port=0,
        workers=1,
        threads=2,
    )
    environment = {"NOTIFY_SOCKET": manager.address} if manager else {}
    with passed(*files) as (prefix, fds):
        server = Foreground("-c", config, "--verbose", prefix=prefix, pass_fds=fds, env=environment)
    try:
        server.wait_until_ready()
        yield server
        with suppress(FileNotFoundError):
            os.kill(pid_of(site), signal.SIGTERM)
        assert server.wait() == 0
        assert server.err.seen == []
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.kill()


def pid_of(site: Path) -> int:
    return int(site.with_name("site.pid").read_text())


def upgrade_by_signal(server: Foreground, site: Path) -> int:
    """Upgrade the server in the foreground, and return the pid of the new supervisor."""
    os.kill(pid_of(site), signal.SIGUSR2)
    return int(server.out.wait_for(r"upgraded: pid (\d+) serves")[1])


def test_upgrade_in_the_foreground(site: Path) -> None:
    with in_front(site) as server:
        port = server.port
        pids = {server.pid, *(upgrade_by_signal(server, site) for _ in range(2))}
        assert len(pids) == 3
        assert ask(port, "/").status == 200  # though the configuration says: any free port
        assert server.process.wait(10) == 0
    assert refused(port)


def test_upgrade_keeps_the_sockets_of_the_service_manager(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with in_front(site, listener) as server, Load(server.port, 2, retry=True) as load:
            load.more(20)
            upgrade_by_signal(server, site)
            load.more(20)
            load.end()
        assert load.failed == []
        with Client(listener.getsockname()[1]) as waiting, in_front(site, listener):
            assert waiting.ask("/").status == 200


def test_upgrade_notifies_the_manager_of_the_main_process(tmp_path: Path, site: Path) -> None:
    with (
        Manager(str(tmp_path / "notify")) as manager,
        in_front(site, manager=manager) as server,
    ):
        manager.wait_for(f"^MAINPID={server.pid}\nREADY=1\n")
        new = upgrade_by_signal(server, site)
        manager.wait_for(rf"\AMAINPID={new}\Z")
        assert manager.wait_for(".*").string == "BARRIER=1"
        assert manager.wait_for(".*").string.startswith("READY=1\nSTATUS=serving: ")
        assert server.process.wait(10) == 0
        os.kill(new, signal.SIGTERM)
        manager.wait_for("^STOPPING=1$")


def test_stop_after_an_upgrade_asks_for_time_for_the_predecessor(
    tmp_path: Path, site: Path
) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(24 * MIB)
    with (
        Manager(str(tmp_path / "notify")) as manager,
        in_front(site, manager=manager) as server,
        Client(server.port, receive_buffer=65536) as client,
    ):
        client.send(request("/large"))
        client.head()
        os.kill(upgrade_by_signal(server, site), signal.SIGTERM)
        manager.wait_for("^STOPPING=1$")
        assert int(manager.wait_for(r"^EXTEND_TIMEOUT_USEC=(\d+)$")[1]) > 60_000_000
        client.body(8 * MIB)
        assert int(manager.wait_for(r"^EXTEND_TIMEOUT_USEC=(\d+)$")[1]) > 60_000_000
        manager.wait_for("^STATUS=draining: waiting for 1 request, .* done.$")
        client.body(16 * MIB)
        assert server.wait() == 0


@contextmanager
def successor_of_the_test(
    site: Path, predecessor: int
) -> Iterator[tuple[Foreground, socket.socket, socket.socket]]:
    """Run a successor for a `with` block; the test has the predecessor's end of the channel.

    Args:
        site: the docroot.
        predecessor: pid of the process that is to be the predecessor.

    Yields:
        The successor, the predecessor's end of the channel, and the listener.
    """
    config = write_config(site.with_name("site.yaml"), docroot=str(site), workers=1, threads=1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = ["127.0.0.1"], listener.getsockname()[1]
        config.write_text(f"{config.read_text()}host: 127.0.0.1\nport: {endpoint[1]}\n")
        with passed(listener) as (prefix, fds), passed(theirs) as (_, channel):
            environment = {"PHTTPD_UPGRADE": json.dumps([predecessor, *channel, endpoint])}
            options = "-c", config, "--verbose"
            passing = [*fds, *channel]
            server = Foreground(*options, prefix=prefix, pass_fds=passing, env=environment)
        theirs.close()
        ours.settimeout(DEADLINE)
        try:
            yield server, ours, listener
        finally:
            server.kill()


def take_over(channel: socket.socket) -> None:
    """Let a successor take over, as its predecessor does."""
    assert channel.recv(100) == b"ready 0"
    channel.send(b"take-over ")
    assert channel.recv(100) == b"serving "


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is killed."""
    with subprocess.Popen(["sleep", "infinity"]) as process:
        yield process
        process.kill()


def test_successor_stopped_before_it_takes_over_leaves_the_sockets_open(site: Path) -> None:
    with successor_of_the_test(site, os.getpid()) as (server, channel, listener):
        assert channel.recv(100) == b"ready 0"
        assert server.stop() == 0
        assert channel.recv(100) == b"failed 69 the new supervisor was told to stop"
        with socket.create_connection(listener.getsockname(), DEADLINE) as client:
            client.sendall(b"x")
            listener.settimeout(DEADLINE)
            listener.accept()[0].close()


def test_successor_stopped_before_the_hang_up_waits_for_its_predecessor(
    site: Path, stranger: subprocess.Popen[bytes]
) -> None:
    with successor_of_the_test(site, stranger.pid) as (server, channel, _):
        take_over(channel)
        with Process(server.pid) as supervisor:
            server.signal(signal.SIGTERM)
            server.out.wait_for("draining")
            assert not supervisor.ended(0.2)
            channel.close()
            assert not supervisor.ended(0.2)
            stranger.kill()
            assert server.wait() == 0


def test_successor_stopped_by_its_predecessor_ends_first(
    site: Path, stranger: subprocess.Popen[bytes]
) -> None:
    with successor_of_the_test(site, stranger.pid) as (server, channel, _):
        take_over(channel)
        channel.send(b"drain ")
        assert server.stop() == 0


def test_successor_stopped_at_once_stops_its_predecessor_after_the_hang_up(
    site: Path, stranger: subprocess.Popen[bytes]
) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 * MIB)
    with successor_of_the_test(site, stranger.pid) as (server, channel, listener):
        take_over(channel)
        with Client(listener.getsockname()[1], receive_buffer=4096) as client:
            client.send(request("/large"))
            client.head()
            server.signal(signal.SIGTERM)
            server.out.wait_for("draining")
            server.signal(signal.SIGTERM)
            client.rest_or_reset()
        channel.close()
        assert stranger.wait(DEADLINE) == -signal.SIGTERM
        assert server.wait() == 0


def test_successor_that_dies_before_its_predecessor_yields_changes_nothing(
    server: Daemon,
) -> None:
    old = server.pid
    with Process(old) as supervisor:
        supervisor.signal(signal.SIGUSR2)
        server.log.wait_for(rf"notice supervisor\[{old}\]: upgrading")

        def has_started_another() -> bool:
            """Let the supervisor go on for a moment: stopped, it may not have forked yet."""
            supervisor.signal(signal.SIGCONT)
            supervisor.signal(signal.SIGSTOP)
            return server.log.text().count("Using Python") == 2

        until(has_started_another, "a successor that boots")
        new = int(server.log.wait_for(r"notice supervisor\[(\d+)\]: serving")[1])
        assert new != old
        with Process(new) as successor:
            successor.signal(signal.SIGKILL)
            successor.wait()
        supervisor.signal(signal.SIGCONT)
        server.log.wait_for("the upgrade failed, nothing has changed: the new supervisor ended")
        assert server.pid == old
        assert ask(server.port, "/").status == 200
        assert server.run("status").returncode == 0
        upgrade(server)


def test_log_rotated_while_the_successor_boots_is_left_by_both(server: Daemon) -> None:
    old, rotated = server.pid, server.log.path.with_suffix(".1")
    with Process(old) as supervisor:
        supervisor.signal(signal.SIGUSR2)
        server.log.wait_for(rf"notice supervisor\[{old}\]: upgrading")
        new = int(server.log.wait_for(r"notice supervisor\[(\d+)\]: Using Python")[1])
        with Process(new) as successor:
            successor.signal(signal.SIGSTOP)
            server.log.path.rename(rotated)
            leader = server.pid  # as a rule, the old one
            os.kill(leader, signal.SIGUSR1)
            if leader == old:
                until(server.log.path.exists, "the new file")
            successor.signal(signal.SIGCONT)
        supervisor.wait()
    until(server.log_moved, "all write to the new file")


def test_stop_during_an_upgrade_ends_both(site: Path) -> None:
    with in_front(site) as server:
        server.signal(signal.SIGUSR2)
        server.out.wait_for("upgrading")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert not site.with_name("site.pid").exists()


def test_successor_stopped_while_it_drains_ends_although_its_predecessor_goes_on(
    site: Path, stranger: subprocess.Popen[bytes]
) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 * MIB)
    with successor_of_the_test(site, stranger.pid) as (server, channel, listener):
        assert channel.recv(100) == b"ready 0"
        with Client(listener.getsockname()[1], receive_buffer=4096) as client:
            client.send(request("/large"))
            client.head()
            server.signal(signal.SIGTERM)
            assert channel.recv(100) == b"failed 69 the new supervisor was told to stop"
            channel.close()
            server.out.wait_for("draining")
        assert server.wait() == 0
