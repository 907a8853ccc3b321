"""Nothing that goes wrong in a reload, an upgrade, a log or a worker ends the server."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import (
    ROOT,
    Daemon,
    Foreground,
    Setting,
    foreground,
    free_port,
    refused,
    run,
)
from tests.support import require
from tests.support.raw import Client, ask, request

CONFIG, INTERNAL, UNAVAILABLE = 78, 70, 69
FAULTS = Path(__file__).parent / "faults"


class Faulty(Daemon):
    """A daemon in which faults can be ordered (see tests/process/faults)."""

    def __init__(self, docroot: Path) -> None:
        super().__init__(docroot, workers=1, threads=1)
        self.faults = self.directory / "faults"
        self.imports = self.directory / "imports"
        self.gate = self.directory / "gate"
        os.mkfifo(self.gate)
        self.environment = {
            "PYTHONPATH": f"{FAULTS}:{ROOT}",
            "PHTTPD_TEST_FAULTS": str(self.faults),
            "PHTTPD_TEST_IMPORTS": str(self.imports),
            "PHTTPD_TEST_GATE": str(self.gate),
        }

    @contextmanager
    def fault(self, order: str) -> Iterator[None]:
        self.faults.write_text(order)
        yield
        self.faults.unlink()


@pytest.fixture
def server(site: Path) -> Iterator[Faulty]:
    server = Faulty(site)
    done = server.run(env=server.environment)
    assert (done.returncode, done.stderr) == (0, "")
    yield server
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()


def is_unchanged(server: Faulty, pid: int, workers: list[int]) -> bool:
    """Tell whether the same processes serve as before."""
    return (server.pid, server.workers(), ask(server.port, "/").status) == (pid, workers, 200)


@pytest.mark.parametrize("order", ["open phttpd.yaml", "socket.bind ", "os.fork "])
def test_internal_error_in_a_reload_changes_nothing(server: Faulty, order: str) -> None:
    pid, workers, port = server.pid, server.workers(), free_port()
    server.configure(port=port)
    before = proc.descriptors(pid)
    with server.fault(f"raise {order}"):
        done = server.run("reload")
    assert done.returncode == INTERNAL, done
    assert "the reload failed, nothing has changed: internal error, see the log" in done.stderr
    server.log.wait_for(r"error supervisor.*Traceback.*RuntimeError: fault in")
    assert is_unchanged(server, pid, workers)
    assert refused(port)
    assert len(proc.descriptors(pid)) == len(before)
    assert server.run("reload").returncode == 0
    assert ask(port, "/").status == 200
    server.port = port


def test_internal_error_in_an_upgrade_changes_nothing(server: Faulty) -> None:
    pid, workers = server.pid, server.workers()
    with server.fault("raise os.fork "):
        done = server.run("upgrade")
    assert done.returncode == INTERNAL, done
    assert "the upgrade failed, nothing has changed: internal error" in done.stderr
    assert is_unchanged(server, pid, workers)


def test_internal_error_in_reopening_the_log_keeps_the_open_file(server: Faulty) -> None:
    pid, workers = server.pid, server.workers()
    with server.fault(f"raise open {server.log.path.name}"), Process(pid) as supervisor:
        supervisor.signal(signal.SIGUSR1)
        server.log.wait_for("error supervisor.*internal error.*going on with the file that is open")
    assert is_unchanged(server, pid, workers)


def test_internal_error_in_replacing_a_worker_is_tried_again(server: Faulty) -> None:
    (victim,) = server.workers()
    with server.fault("raise os.fork "):
        os.kill(victim, signal.SIGKILL)
        server.log.wait_for("RuntimeError: fault in os.fork")
    until(lambda: ask(server.port, "/").status == 200, "a new worker")


HOSTILE = ["say ff00fe", "say " + b"READY".hex(), "say 647261696e", "hang-up", "say 3f"]


@pytest.mark.parametrize("order", HOSTILE)
def test_worker_that_sends_any_message_ends_only_itself(server: Faulty, order: str) -> None:
    pid, workers = server.pid, server.workers()
    before = proc.descriptors(pid)
    with server.fault(order):
        done = server.run("reload")
        assert done.returncode == INTERNAL, done
        assert is_unchanged(server, pid, workers)
        os.kill(workers[0], signal.SIGKILL)
        server.log.wait_for(rf"pid {workers[0]}\) was killed by SIGKILL; starting another")
        server.log.wait_for("error supervisor.*worker 0 .* was killed.*; starting another")
    assert ask(server.port, "/").status == 200
    until(lambda: len(server.workers()) == 1, "a worker")
    assert len(proc.descriptors(pid)) == len(before)


def test_failed_reload_does_not_blame_its_other_workers(server: Faulty) -> None:
    """They are killed by the supervisor, and have done nothing wrong."""
    workers = server.workers()
    server.configure(workers=8)
    with server.fault("say " + b"failed 1 for a reason".hex()):
        done = server.run("reload")
    assert (done.returncode, "for a reason" in done.stderr) == (1, True), done
    until(lambda: server.workers() == workers, "the others have ended")
    assert server.run("reload").returncode == 0
    assert "before it served" not in server.log.text()


def test_invalid_message_of_a_worker_is_quoted(server: Faulty) -> None:
    with server.fault("say " + b"\x1b[2Jgarbage".hex()):
        done = server.run("reload")
    assert r"a worker was killed for an invalid message: '\x1b[2Jgarbage'" in done.stderr


def test_failure_of_a_worker_with_an_invalid_status_is_reported(server: Faulty) -> None:
    with server.fault("say " + b"failed many reasons".hex()):
        done = server.run("reload")
    assert (done.returncode, "many reasons" in done.stderr) == (INTERNAL, True), done


def test_running_server_imports_nothing(server: Faulty) -> None:
    """Python may be replaced or removed under it."""
    assert "httpd.service" in server.imports.read_text()
    server.imports.unlink()
    environment = {**server.environment, "PHTTPD_TEST_IMPORTS": ""}
    server.configure(listing=True, verbose=True)
    assert server.run("reload", env=environment).returncode == 0
    (server.docroot / "folder").mkdir()
    (server.docroot / "large").write_bytes(bytes(1 << 20))
    for path in ("/", "/large", "/folder", "/folder/", "/gone", "/%00", "/folder/?C=S"):
        ask(server.port, path)
    with Client(server.port) as client:
        client.send(request("/large", "Range: bytes=0-1,5-6", "Accept: application/json"))
        assert client.response().status == 206
    with Client(server.port) as client:
        client.send(b"nonsense\x1b\r\n\r\n")
        assert client.response().status == 400
    mistakes: list[dict[str, Setting]] = [
        {"treads": 4},
        {"index": "\x1b/"},
        {"host": "no-such-host.invalid"},
        {"log_file": f"{server.docroot}/index.html/\x1b"},
    ]
    for wrong in mistakes:
        server.configure(**wrong)
        done = server.run("reload", "--pidfile", server.pidfile, env=environment)
        assert "nothing has changed" in done.stderr, done
        for key in wrong:
            del server.settings[key]
    server.configure(host="localhost", log_file=f"{server.log.path}2")
    done = server.run("reload", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    with Process(server.pid) as supervisor, server.fault(f"raise open {server.log.path.name}"):
        supervisor.signal(signal.SIGUSR1)
        until(lambda: "fault in open" in Path(f"{server.log.path}2").read_text(), "the fault")
    assert not server.imports.exists(), server.imports.read_text()


def test_successor_whose_predecessor_is_killed_takes_over(server: Faulty) -> None:
    old, workers = server.pid, server.workers()
    with Process(old) as supervisor:
        supervisor.signal(signal.SIGUSR2)
        with server.gate.open("wb"):  # once the new interpreter has opened it
            supervisor.signal(signal.SIGKILL)
            supervisor.wait()
    new = until(lambda: server.pid != old and server.pid, "the successor's pidfile")
    assert ask(server.port, "/").status == 200
    until(lambda: not any(proc.stat(pid) for pid in workers), "orphans have ended")
    assert server.run("reload").returncode == 0
    assert (server.pid, ask(server.port, "/").status) == (new, 200)


# ---------------------------------------------------------------- the working directory


def test_commands_without_a_working_directory_succeed(site: Path) -> None:
    """All paths are absolute, so that none of the commands has to know where it is."""
    directory = site.with_name("folder")
    server = Daemon(site, workers=1, threads=1)
    gone = ["sh", "-c", f'mkdir -p {directory}; cd {directory}; rmdir {directory}; exec "$@"', "sh"]
    for command in ("--check", "start", "status", "reload", "upgrade", "reload", "stop"):
        done = server.run(command, prefix=gone)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert not server.pidfile.exists()


@pytest.mark.parametrize(
    "words",
    [["-c", "x.yaml", "reload"], ["--base", "x", "--port", "0"], ["stop", "--pidfile", "x"]],
)
def test_relative_path_without_a_working_directory_is_refused(
    tmp_path: Path, words: list[str]
) -> None:
    directory = tmp_path / "folder"
    gone = ["sh", "-c", f'mkdir {directory}; cd {directory}; rmdir {directory}; exec "$@"', "sh"]
    done = run(*words, prefix=gone)
    assert done.returncode in {64, 78}, done
    assert "an absolute path, since there is no working directory" in done.stderr


def test_log_file_with_an_impossible_name_is_refused(site: Path) -> None:
    server = Daemon(site, workers=1, threads=1)
    server.start()
    with Process(server.pid) as supervisor:
        for key in ("log_file", "docroot"):
            text = server.config.read_text()
            server.config.write_text(
                text.replace(f"{key}:", f"# {key}:") + f'{key}: "/\\uD800.x"\n'
            )
            done = server.run("reload", "--pidfile", server.pidfile)
            assert done.returncode == CONFIG, done
            assert f"{key}: '/\\ud800.x' is not allowed here" in done.stderr
            server.config.write_text(text)
        assert ask(server.port, "/").status == 200
        assert server.run("stop").returncode == 0
        supervisor.wait()


def test_thousands_of_addresses_fit_on_the_scoreboard(site: Path) -> None:
    hosts = [f"127.1.{number // 250}.{number % 250}" for number in range(3000)]
    server = Daemon(site, workers=1, threads=1)
    server.start()
    with Process(server.pid) as supervisor:
        server.port = free_port()
        server.configure(port=server.port, host=hosts)
        done = server.run("reload")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"http://{hosts[-1]}:{server.port}/" in server.run("status").stdout
        assert server.run("stop").returncode == 0
        supervisor.wait()


# ---------------------------------------------------------------- what a reload cannot change


def test_reload_whose_log_file_cannot_be_opened_fails(server: Faulty) -> None:
    pid, workers = server.pid, server.workers()
    server.configure(log_file=str(server.docroot))
    done = server.run("reload")
    assert done.returncode != 0
    assert f"nothing has changed: cannot write the log file {server.docroot}" in done.stderr
    assert is_unchanged(server, pid, workers)
    before = proc.descriptors(pid)
    server.configure(log_file=f"{server.log.path}2")
    assert server.run("reload").returncode == 0
    until(lambda: len(proc.descriptors(pid)) == len(before), "the same descriptors")
    assert f"{server.log.path}2" in proc.descriptors(pid).values()


@pytest.mark.parametrize("key", ["pidfile", "daemon"])
def test_reload_names_settings_that_need_a_restart(
    server: Faulty, key: str, tmp_path: Path
) -> None:
    values: dict[str, Setting] = {"pidfile": str(tmp_path / "other"), "daemon": False}
    server.configure(**{key: values[key]})
    done = server.run("reload", "--pidfile", server.pidfile)
    remark = f"{key} has changed in the configuration; this comes into force with the next start"
    assert (done.returncode, done.stderr) == (0, f"phttpd: {remark}\n")
    server.log.wait_for(f"warning supervisor.*: {remark}")


# ---------------------------------------------------------------- as PID 1


@contextmanager
def in_a_container(site: Path) -> Iterator[tuple[Foreground, int]]:
    """A server that is PID 1 of its namespace, and its pid outside of that."""
    unshare = require.command("unshare", "util-linux")
    prefix = [unshare, "--pid", "--fork", "--kill-child", "--mount-proc"]
    if run("--version", prefix=prefix).returncode:
        pytest.skip("this user may not make namespaces")
    with foreground(site, prefix=prefix, workers=1, errors="upgrade failed") as server:
        (pid,) = proc.children(server.pid)
        yield server, pid
        os.kill(pid, signal.SIGTERM)
        assert server.wait() == 0


def test_upgrade_of_pid_1_is_refused(site: Path) -> None:
    with in_a_container(site) as (server, pid):
        os.kill(pid, signal.SIGUSR2)
        server.err.wait_for("the upgrade failed, nothing has changed: phttpd is PID 1 here")
        assert ask(server.port, "/").status == 200
        nsenter = [require.command("nsenter", "util-linux"), "-t", str(pid), "-p", "-m"]
        done = run("-c", site.with_name("site.yaml"), "upgrade", prefix=nsenter)
        assert done.returncode == UNAVAILABLE, done
        assert "phttpd is PID 1 here" in done.stderr


def test_pid_1_reaps_orphans(site: Path) -> None:
    with in_a_container(site) as (_, pid):
        nsenter = require.command("nsenter", "util-linux")
        make_orphan = [nsenter, "-t", str(pid), "-p", "sh", "-c", "sleep 1000 & exit"]
        subprocess.run(make_orphan, check=True, stdout=subprocess.DEVNULL)
        (orphan,) = (child for child in proc.children(pid) if proc.name(child) == "sleep")
        os.kill(orphan, signal.SIGKILL)
        until(lambda: not proc.stat(orphan), "the orphan is gone, and is no zombie")


def test_free_threaded_python_is_warned_about(site: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys._is_gil_enabled = lambda: False\n")
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with foreground(site, env=environment, errors="free-threaded") as server:
        server.err.wait_for("warning supervisor.*free-threaded Python, which is not supported")
