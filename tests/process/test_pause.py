"""Pauses: every request gets 503, whatever becomes of the processes meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

from tests.process.events import Process, until
from tests.process.launch import daemon, foreground, run
from tests.process.manager import Manager
from tests.support.raw import Client, ask, request

MIB = 1 << 20
UNAVAILABLE = 69


def test_pause_lasts_until_resume(site: Path) -> None:
    data = random.Random(7).randbytes(16 * MIB)
    (site / "large").write_bytes(data)
    with (
        daemon(site) as server,
        Client(server.port, receive_buffer=65536) as download,
        Client(server.port) as client,
    ):
        assert client.ask("/").status == 200
        download.send(request("/large"))
        assert download.head().status == 200
        done = server.run("pause")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("phttpd is paused, since ")
        since = json.loads(server.run("status", "--json").stdout)["modes"]["paused"]
        assert since in done.stdout
        for _ in range(2):  # the connection stays
            response = client.ask("/")
            assert (response.status, response["Retry-After"]) == (503, "60")
        assert download.body(len(data)) == data

        done = server.run("pause")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"phttpd is paused already, since {since}: every request gets 503\n"

        worker = server.workers()[0]
        with Process(worker) as dead:
            dead.signal(signal.SIGKILL)
            dead.wait()
        until(lambda: len(server.workers()) == 2 and worker not in server.workers(), "a new worker")
        for command in ("pause", "reload", "pause", "upgrade", "pause"):
            assert server.run(command).returncode == 0
            assert {ask(server.port, "/").status for _ in range(10)} == {503}
        status = server.run("status")
        assert f"  paused       since {since}: every request gets 503\n" in status.stdout

        done = server.run("resume")
        assert (done.returncode, done.stdout, done.stderr) == (0, "phttpd serves again\n", "")
        assert {ask(server.port, "/").status for _ in range(10)} == {200}
        assert server.run("resume").stdout == "phttpd serves already\n"
        assert json.loads(server.run("status", "--json").stdout)["modes"]["paused"] is None
        said = [line.partition(": ")[2] for line in server.log.lines()]
        assert [text for text in said if "worker" not in text] == [
            "paused: every request gets 503",
            "resumed",
        ]
        server.run("stop")


def test_maintenance_file_pauses_while_it_exists(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "maintenance"
    file.touch()
    with daemon(site, maintenance_file=str(file)) as server:
        server.log.wait_for("paused, since the file of maintenance_file exists")
        until(lambda: ask(server.port, "/").status == 503, "a pause")
        assert server.run("pause").returncode == 0
        done = server.run("resume")
        assert done.returncode == UNAVAILABLE
        assert done.stderr == f"phttpd: still paused, since {file} exists; remove it\n"
        assert server.run("upgrade").returncode == 0
        assert ask(server.port, "/").status == 503
        file.unlink()
        server.log.wait_for("resumed, since the file of maintenance_file is gone")
        until(lambda: ask(server.port, "/").status == 200, "the end of the pause")
        assert server.run("resume").stdout == "phttpd serves already\n"
        file.symlink_to(file)  # which leads nowhere
        server.configure(maintenance_file=str(site))
        assert server.run("reload").returncode == 0
        until(lambda: ask(server.port, "/").status == 503, "a pause by another file")
        server.run("stop")


def test_pause_during_an_upgrade_is_kept_by_the_successor(site: Path) -> None:
    """The successor is a process of its own, so it learns of each change until it takes over."""
    with daemon(site) as server:
        old = server.pid
        os.kill(old, signal.SIGUSR2)
        os.kill(old, signal.SIGRTMIN + 1)
        until(lambda: server.pid != old, "a successor")
        assert server.run("pause").stdout.startswith("phttpd is paused already, since ")
        assert ask(server.port, "/").status == 503
        server.run("stop")


def test_service_manager_is_told_of_a_pause(site: Path, tmp_path: Path) -> None:
    with (
        Manager(str(tmp_path / "notify")) as manager,
        foreground(
            site,
            env={"NOTIFY_SOCKET": manager.address},
            workers=1,
            errors="paused: every|resumed",
        ),
    ):
        manager.wait_for("^READY=1$")
        config = site.with_name(f"{site.name}.yaml")
        assert run("-c", config, "pause").returncode == 0
        manager.wait_for(r"^STATUS=paused since \S+ \S+ \S+: \d+ connections?")
        assert run("-c", config, "resume").returncode == 0
        manager.wait_for("^STATUS=serving: ")
