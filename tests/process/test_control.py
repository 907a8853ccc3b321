"""Commands to a running daemon: stop, reload and status."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest

from httpd.arguments import parse
from httpd.cli import _find_pidfile
from tests.process import proc
from tests.process.events import Process, until
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Daemon,
    Foreground,
    daemon,
    environment,
    foreground,
    refused,
    run,
    write_config,
)
from tests.support.raw import Client, ask, request
from tests.support.require import command
from tests.support.server import DEADLINE, Lines

NOT_RUNNING = 3
UNAVAILABLE = 69
SYSTEM_ERROR = 71


def test_stop_returns_when_the_drain_is_over(site: Path) -> None:
    server = Daemon(site)
    server.start("start")
    with Process(server.pid) as supervisor:
        done = server.run("stop")
        assert (done.returncode, done.stderr) == (0, "")
        assert supervisor.ended()
    assert not server.pidfile.exists()
    assert refused(server.port)


def test_stop_shows_what_it_waits_for(site: Path) -> None:
    data = random.Random(4).randbytes(16 << 20)
    (site / "large").write_bytes(data)
    server = Daemon(site)
    server.start()
    with Client(server.port, receive_buffer=65536) as client:
        client.send(request("/large"))
        client.head()
        stop = subprocess.Popen(
            [*PHTTPD, "stop", "-c", str(server.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        assert stop.stdout
        said = Lines(stop.stdout)
        try:
            said.wait_for(r"1 (connection|download|request)")
            assert stop.poll() is None
            assert client.body(len(data)) == data
            assert stop.wait(DEADLINE) == 0
        finally:
            stop.kill()
            stop.wait()
    assert not server.pidfile.exists()


@pytest.mark.parametrize("word", ["stop", "reload", "upgrade", "pause", "resume", "status", "top"])
def test_commands_without_a_daemon_say_so(site: Path, word: str) -> None:
    done = Daemon(site).run(word)
    assert done.returncode == NOT_RUNNING
    assert len((done.stdout + done.stderr).splitlines()) == 1


def test_status_of_a_running_daemon(site: Path) -> None:
    with daemon(site) as server, Client(server.port) as client:
        client.ask("/")
        done = server.run("status", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        status = json.loads(done.stdout)
        assert status["pid"] == server.pid
        assert sorted(worker["pid"] for worker in status["workers"]) == server.workers()
        loops = [loop for worker in status["workers"] for loop in worker["loops"]]
        assert len(loops) == 4
        assert sum(loop["connections"] for loop in loops) == 1


def test_status_of_a_killed_daemon(site: Path) -> None:
    server = Daemon(site)
    server.start()
    with Process(server.pid) as supervisor:
        supervisor.signal(signal.SIGKILL)
        supervisor.wait()
    assert server.run("status").returncode == NOT_RUNNING
    assert server.run("stop").returncode == NOT_RUNNING


def test_control_of_a_server_in_the_foreground(site: Path) -> None:
    with foreground(site, pidfile="front.pid") as server:
        config = site.with_name("site.yaml")
        assert run("-c", config, "status").returncode == 0
        assert run("-c", config, "reload").returncode == 0
        assert ask(server.port, "/").status == 200
        assert run("-c", config, "stop").returncode == 0
        assert server.wait() == 0


def test_two_stops_at_once_both_succeed(site: Path) -> None:
    server = Daemon(site)
    server.start()
    stops = [
        subprocess.Popen(
            [*PHTTPD, "stop", "-c", str(server.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        for _ in range(2)
    ]
    said = [stop.communicate(timeout=DEADLINE)[1] for stop in stops]
    assert {stop.returncode for stop in stops} <= {0, NOT_RUNNING}
    assert 0 in {stop.returncode for stop in stops}
    assert "Traceback" not in "".join(said)


def test_start_after_a_stop_succeeds(site: Path) -> None:
    server = Daemon(site)
    for _ in range(3):
        server.start()
        assert ask(server.port, "/").status == 200
        assert server.run("stop").returncode == 0


def test_commands_while_the_server_drains(site: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 << 20)
    with daemon(site) as server, Client(server.port, receive_buffer=4096) as client:
        client.send(request("/large"))
        client.head()
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: refused(server.port), "draining")
        again = server.run("start")
        assert (again.returncode, again.stdout) == (69, "")
        assert str(server.pid) in again.stderr
        status = server.run("status")
        assert status.returncode == 0
        assert f" is stopping with pid {server.pid}, " in status.stdout
        assert server.run("reload").returncode not in {0, 1}
        assert server.run("status").returncode == 0
        client.close()


def test_status_while_a_worker_hangs(site: Path) -> None:
    with daemon(site) as server:
        frozen = server.workers()[0]
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: proc.stopped(frozen), "stopped")
        assert server.run("status").returncode == 0
        os.kill(frozen, signal.SIGCONT)


def test_second_stop_waits_and_cuts_no_download(site: Path) -> None:
    """Only a second signal cuts downloads; a second command does not."""
    with (site / "large").open("wb") as file:
        file.truncate(20_000_000)
    with daemon(site, verbose=True) as server, Client(server.port, receive_buffer=65536) as client:
        client.send(request("/large"))
        client.head()
        stop = [*PHTTPD, "-c", str(server.config), "stop"]
        stops = [subprocess.Popen(stop, cwd=ROOT, stdout=subprocess.PIPE, text=True)]
        server.log.wait_for("draining")
        stops.append(subprocess.Popen(stop, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        for process in stops:
            assert process.stdout
            Lines(process.stdout).wait_for("waiting for 1 request")
        assert client.body(20_000_000) == bytes(20_000_000)
        assert [process.wait(DEADLINE) for process in stops] == [0, 0]


def test_instance_of_the_template_unit_is_found_by_its_config_file(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit names a pidfile of its own; the config file may be a copy of another one."""
    monkeypatch.setattr("httpd.configuration._CONFIG_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("httpd.configuration._RUNTIME_DIRECTORY", str(tmp_path))
    pidfile, other = tmp_path / "phttpd-lab2" / "phttpd.pid", tmp_path / "other.pid"
    config = write_config(tmp_path / "lab2.yaml", docroot=str(site), pidfile=str(other))
    parsed = parse(["--config", str(config), "status"])
    server = Foreground(site, "--verbose", "--port", "0", "--pidfile", pidfile)
    try:
        server.wait_until_ready()
        assert _find_pidfile(parsed, {}, str(config)) == str(pidfile)
        assert _find_pidfile(parsed, {"pidfile": str(other)}, str(config)) == str(other)
        assert server.stop() == 0
        assert _find_pidfile(parsed, {}, str(config)) == str(other)
    finally:
        server.kill()


# ---------------------------------------------------------------- where nothing takes the output


def run_into(
    *words: str | Path,
    stdout: int | IO[str] = subprocess.PIPE,
    stderr: int | IO[str] = subprocess.PIPE,
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with its output where a test wants it."""
    return subprocess.run(
        [*PHTTPD, *map(str, words)],
        stdout=stdout,
        stderr=stderr,
        text=True,
        cwd=cwd,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.parametrize("words", [["status"], ["status", "--json"]], ids=repr)
def test_status_whose_reader_has_ended_is_no_error(site: Path, words: list[str]) -> None:
    with daemon(site) as server:
        reader, writer = os.pipe()
        os.close(reader)
        done = run_into("-c", server.config, *words, stdout=writer)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, "")


def to_full_disk(*words: str | Path) -> subprocess.CompletedProcess[str]:
    with open("/dev/full", "w") as full:
        return run_into(*words, stdout=full)


@pytest.mark.parametrize("word", ["status", "--help", "--version"])
def test_command_whose_output_cannot_be_written_fails(site: Path, word: str) -> None:
    with daemon(site) as server:
        done = to_full_disk("--config", server.config, word)
    assert done.returncode == SYSTEM_ERROR
    assert done.stderr == "phttpd: cannot write the output: No space left on device\n"


def test_stop_whose_output_cannot_be_written_waits_all_the_same(site: Path) -> None:
    (site / "large").write_bytes(bytes(16 << 20))
    with daemon(site) as server, Client(server.port, receive_buffer=65536) as client:
        client.send(request("/large"))
        client.head()
        with open("/dev/full", "w") as full, Process(server.pid) as supervisor:
            stop = subprocess.Popen(
                [*PHTTPD, "-c", str(server.config), "stop"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=environment(),
            )
            until(lambda: refused(server.port), "draining")
            assert len(client.body(16 << 20)) == 16 << 20
            assert stop.communicate(timeout=DEADLINE)[1] == ""
            assert (stop.returncode, supervisor.ended()) == (0, True)


@pytest.mark.parametrize(
    ("words", "status"),
    [([], 64), (["--prot"], 64), (["--base", "/gone"], 66), (["stop"], NOT_RUNNING)],
    ids=repr,
)
def test_command_whose_errors_cannot_be_written_keeps_its_exit_status(
    tmp_path: Path, words: list[str], status: int
) -> None:
    with open("/dev/full", "w") as full:
        pidfile = ["--pidfile", "none.pid"] if words == ["stop"] else []
        done = run_into(*words, *pidfile, stderr=full, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")


# ---------------------------------------------------------------- another PID namespace


@pytest.mark.parametrize("word", ["status", "stop", "reload", "upgrade"])
def test_daemon_in_another_pid_namespace_is_reported(site: Path, word: str) -> None:
    prefix = [command("unshare", "util-linux"), "--user", "--map-root-user", "--fork", "--pid"]
    prefix += ["--kill-child", "--mount-proc"]
    probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no PID namespace for us: {probe.stderr!r}")
    with daemon(site) as server:
        done = server.run(word, prefix=prefix)
        assert (done.returncode, done.stdout) == (UNAVAILABLE, "")
        (line,) = done.stderr.splitlines()
        assert f"(pidfile {server.pidfile}) runs in another PID namespace" in line
        assert f"where its pid is {server.pid}; " in line
        assert server.run("status").returncode == 0
