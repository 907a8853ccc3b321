"""The pool of workers: its names, its evenness, and what happens when a process dies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import ROOT, Daemon, Foreground, daemon, foreground, refused
from tests.process.load import Load
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE

CLOSED = r"debug loop (\d+)\.(\d+)\[\d+\]: connection 127\.0\.0\.1:(\d+) closed"


def test_names_of_processes_and_threads_have_their_numbers(site: Path) -> None:
    with foreground(site, workers=2, threads=3) as server:
        assert re.search("phttpd|supervisor", proc.name(server.pid))
        numbers = [until(partial(number_of, pid), "a name") for pid in server.workers()]
        assert sorted(numbers) == ["0", "1"]


def number_of(pid: int) -> str | None:
    """Return the number that a worker bears, once its loops are named after it."""
    match = re.search(r"worker (\d+)$", proc.name(pid))
    if match and proc.loops(pid) == [f"{match[1]}.{loop}" for loop in range(3)]:
        return match[1]
    return None


def test_names_of_many_loops_differ(site: Path) -> None:
    with foreground(site, workers=1, threads=12) as server:
        (worker,) = server.workers()
        names = sorted(f"0.{number}" for number in range(12))
        until(lambda: proc.loops(worker) == names, "names")


def test_supervisor_has_one_thread_and_no_clients(site: Path) -> None:
    with foreground(site) as server, Client(server.port) as client:
        client.ask("/")
        assert len(proc.thread_names(server.pid)) == 1
        assert proc.clients(server.pid, server.port) == set()


def test_worker_has_room_for_all_its_descriptors(site: Path) -> None:
    """So that none of its threads has to wait until the kernel has made some."""
    with foreground(site, workers=1, max_connections=5000) as server:
        (worker,) = server.workers()
        assert int(proc.status(worker, "FDSize")[0]) >= 5000


def test_number_of_workers_is_that_of_the_cores_if_auto(site: Path) -> None:
    with foreground(site, workers="auto") as server:
        assert len(server.workers()) == len(os.sched_getaffinity(0))


def test_killed_worker_cuts_only_its_own_clients(site: Path) -> None:
    with foreground(site, errors="was killed by SIGKILL") as server, Load(server.port, 8) as load:
        load.more(500)
        victim = server.workers()[0]
        with Process(victim) as process:
            process.signal(signal.SIGSTOP)  # so that its descriptors are known
            until(lambda: proc.stopped(victim), "stopped")
            its_own = proc.clients(victim, server.port)
            process.signal(signal.SIGKILL)
            process.wait()
        line = (
            rf"error supervisor\[{server.pid}\]: worker (\d) \(pid {victim}\) was killed by SIGKILL"
        )
        server.err.wait_for(line + "; starting another")
        until(lambda: len(server.workers()) == 2, "a replacement")
        assert victim not in server.workers()
        load.more(500)
        strangers = [failure for failure in load.failed if failure[0] not in its_own]
        assert strangers == []
        replacement = max(server.workers())
        until(lambda: proc.clients(replacement, server.port), "the replacement serves")


def test_signal_without_a_name_is_logged_by_number(site: Path) -> None:
    with foreground(site, errors="worker") as server:
        victim = server.workers()[0]
        os.kill(victim, signal.SIGRTMIN + 6)
        server.err.wait_for(rf"pid {victim}\).*starting another")
        until(lambda: len(server.workers()) == 2, "two workers")


def test_workers_killed_all_at_once_are_replaced(site: Path) -> None:
    with foreground(site, workers=3, errors="was killed by SIGKILL") as server:
        old = server.workers()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        assert ask(server.port, "/").status == 200  # the connection waits for a new one
        until(lambda: len(set(server.workers()) - set(old)) == 3, "three new workers")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_worker_that_gets_a_signal_is_replaced_or_goes_on(
    site: Path, number: signal.Signals
) -> None:
    with foreground(site, errors="worker") as server:
        victim = server.workers()[0]
        os.kill(victim, number)
        for _ in range(50):
            assert ask(server.port, "/").status == 200
        until(lambda: len(server.workers()) == 2, "two workers")
        assert not any("Traceback" in line for line in server.err.seen)


def test_worker_that_gets_sigterm_finishes_its_downloads(site: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(16_000_000)
    with foreground(site, workers=1, errors="worker") as server, Client(server.port) as client:
        client.send(request("/large"))
        client.head()
        (victim,) = server.workers()
        with Process(victim) as process:
            process.signal(signal.SIGTERM)
            assert len(client.body(16_000_000)) == 16_000_000
            process.wait()
        until(lambda: server.workers() and victim not in server.workers(), "a replacement")
        assert ask(server.port, "/").status == 200


def test_stopped_worker_blocks_no_other(site: Path) -> None:
    with foreground(site, workers=2) as server:
        frozen = server.workers()[0]
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: proc.stopped(frozen), "stopped")
        try:
            for _ in range(100):
                assert ask(server.port, "/").status == 200
        finally:
            os.kill(frozen, signal.SIGCONT)


def test_crash_loop_backs_off_and_is_logged(site: Path) -> None:
    with foreground(site, workers=2, threads=1, errors="worker") as server:
        stays = server.workers()[1]
        for _ in range(4):
            until(lambda: set(server.workers()) - {stays}, "a replacement")
            (victim,) = set(server.workers()) - {stays}
            with Process(victim) as process:
                process.signal(signal.SIGKILL)
                process.wait()
            assert ask(server.port, "/").status == 200
            server.err.wait_for(rf"pid {victim}\)")
        assert any(re.search(r"in \d[\d.]* ?(s|ms|seconds)\b", line) for line in server.err.seen)
        assert ask(server.port, "/").status == 200


def test_back_off_does_not_delay_a_stop(site: Path) -> None:
    with foreground(site, workers=1, threads=1, errors="worker") as server:
        for _ in range(4):
            until(server.workers, "a replacement")
            (victim,) = server.workers()
            os.kill(victim, signal.SIGKILL)
            server.err.wait_for(rf"pid {victim}\)")
        server.signal(signal.SIGTERM)
        assert server.process.wait(10) == 0


def test_replacement_that_hangs_while_it_boots_is_killed_and_replaced(site: Path) -> None:
    """The server is a copy in which a boot has less time, and hangs while a file is there."""
    flag = site.with_name("hang")
    code = copy_code(
        site.with_name("code"),
        {
            "worker_process.py": ("BOOT_SECONDS = 30.0", "BOOT_SECONDS = 5.0"),
            "worker.py": (
                "    name_thread(log.role)\n",
                "    name_thread(log.role)\n"
                f"    while os.path.exists({str(flag)!r}):\n"
                "        time.sleep(0.01)\n",
            ),
        },
    )
    server = Daemon(site, workers=2, threads=1)
    assert server.run(env={"PYTHONPATH": str(code)}, cwd=code).returncode == 0
    try:
        flag.touch()
        with Process(server.workers()[0]) as worker:
            worker.signal(signal.SIGKILL)
        server.log.wait_for(r"error .* was killed by SIGKILL; starting another$")
        line = r"\(pid (\d+)\) was killed, since it did not serve within 5 s; starting another"
        hanging = int(server.log.wait_for(line)[1])
        flag.unlink()
        until(lambda: len(server.workers()) == 2, "two workers")
        assert hanging not in server.workers()
        assert ask(server.port, "/").status == 200
    finally:
        flag.unlink(missing_ok=True)
        assert server.run("stop").returncode == 0


def copy_code(to: Path, changes: dict[str, tuple[str, str]]) -> Path:
    """Copy the package; replace a text in files of `httpd/process`, which must have it once."""
    shutil.copytree(ROOT / "httpd", to / "httpd", ignore=shutil.ignore_patterns("__pycache__"))
    for name, (before, after) in changes.items():
        file = to / "httpd" / "process" / name
        text = file.read_text()
        assert text.count(before) == 1
        file.write_text(text.replace(before, after))
    return to


def test_killed_supervisor_leaves_no_worker(site: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(100_000_000)
    server = Daemon(site)
    server.start()
    with Client(server.port, receive_buffer=65536) as stuck, Client(server.port) as idle:
        stuck.send(request("/large"))
        stuck.head()
        idle.ask("/")
        workers = [Process(pid) for pid in server.workers()]
        os.kill(server.pid, signal.SIGKILL)
        for worker in workers:
            worker.wait(10)
    assert refused(server.port)
    server.start()  # on the same port, over the pidfile that was left
    assert ask(server.port, "/").status == 200
    assert server.run("stop").returncode == 0


def test_supervisor_killed_while_its_workers_start_leaves_none(site: Path) -> None:
    config = site.with_name("phttpd.yaml")
    config.write_text(f"docroot: {site}\nhost: 127.0.0.1\nport: 0\npidfile: a.pid\n")
    for _ in range(3):
        server = Foreground("-c", config, "--verbose")
        try:
            server.out.wait_for("Using Python")
            os.kill(server.pid, signal.SIGKILL)
            server.process.wait(DEADLINE)
            server.out.rest()  # ends when the last process has closed it
            until(lambda: not marked_by(site), "no process is left", 10)
        finally:
            server.kill()


def test_supervisor_killed_while_the_group_is_stopped_leaves_no_worker(site: Path) -> None:
    options = ["--host", "127.0.0.1", "--port", "0", "--pidfile", str(site.with_name("a.pid"))]
    server = Foreground("--base", site, "--verbose", *options)
    try:
        server.wait_until_ready()
        workers = [Process(pid) for pid in server.workers()]
        server.signal_group(signal.SIGTSTP)  # Ctrl-Z
        until(lambda: all(proc.stopped(worker.pid) for worker in workers), "stopped")
        server.signal(signal.SIGKILL)
        for worker in workers:
            worker.wait(10)
        assert refused(server.port)
    finally:
        server.kill()


def test_server_stopped_and_continued_serves(site: Path) -> None:
    with foreground(site) as server:
        server.signal_group(signal.SIGTSTP)
        until(lambda: proc.stopped(server.pid), "stopped")
        with Client(server.port) as client:
            client.send(request("/"))
            server.signal_group(signal.SIGCONT)
            assert client.response().status == 200


def test_server_survives_random_events(site: Path) -> None:
    with daemon(site, threads=1, verbose=True) as server, Load(server.port, 2) as load:
        with Process(server.pid) as supervisor:
            for number in [signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP, signal.SIGHUP]:
                load.more(20)
                workers = until(server.workers, "workers")
                os.kill(workers[0], signal.SIGKILL)
                supervisor.signal(number)
                with suppress(ProcessLookupError):
                    os.kill(workers[-1], signal.SIGTERM)
                supervisor.signal(signal.SIGCHLD)
            assert not supervisor.ended()
        until(lambda: len(server.workers()) == 2, "two workers")
        load.more(100)
        until(lambda: not proc.zombies(server.pid), "all the dead are taken leave of")


def marked_by(site: Path) -> list[int]:
    """Return the living processes that the test has started."""
    return proc.marked(f"PHTTPD_TEST_MARK={site.parent}")


def test_connections_that_arrive_slowly_are_shared_evenly(site: Path) -> None:
    arriving = threading.Event()  # never set: waiting for it is the pace of the arrivals
    with foreground(site, workers=2, threads=4) as server:
        with ExitStack() as clients:
            for _ in range(100):
                clients.enter_context(Client(server.port)).ask("/")
                arriving.wait(0.002)
        ports: set[str] = set()
        while len(ports) < 100:
            ports.add(server.out.wait_for(CLOSED)[3])
        held = Counter((m[1], m[2]) for line in server.out.seen if (m := re.search(CLOSED, line)))
        by_worker = Counter(worker for worker, _ in held.elements())
        assert set(by_worker) == {"0", "1"}
        assert max(by_worker.values()) <= 60, held
        assert max(held.values()) <= 2 * 100 / 8, held


def test_status_has_the_pids_of_the_workers(site: Path) -> None:
    with daemon(site) as server:
        done = server.run("status")
        assert done.returncode == 0
        for pid in [server.pid, *server.workers()]:
            assert str(pid) in done.stdout
