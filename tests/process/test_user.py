"""Started as root: the socket is bound first, and the workers run as another user."""

from __future__ import annotations

import grp
import json
import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process import proc
from tests.process.events import LogFile, until
from tests.process.launch import Daemon, daemon, foreground, free_port
from tests.support.raw import Client, ask, request

pytestmark = pytest.mark.root

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def site() -> Iterator[Path]:
    """A docroot that all users may read, including the directories above it."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        docroot = Path(directory, "site")
        docroot.mkdir(mode=0o755)
        (docroot / "index.html").write_text("<p>hello\n")
        yield docroot


def test_workers_become_the_user_for_good(site: Path) -> None:
    with daemon(site, user="nobody") as server:
        assert ask(server.port, "/").status == 200
        assert proc.status(server.pid, "Uid") == ["0"] * 4
        for pid in server.workers():
            assert proc.status(pid, "Uid") == [str(NOBODY.pw_uid)] * 4
            assert proc.status(pid, "Gid") == [str(NOBODY.pw_gid)] * 4
            assert set(proc.status(pid, "Groups")) <= {str(NOBODY.pw_gid)}
            for powers in ["CapEff", "CapPrm"]:
                assert int(proc.status(pid, powers)[0], 16) == 0


def test_threads_of_a_worker_all_become_the_user(site: Path) -> None:
    with foreground(site, user="nobody") as server:
        for pid in server.workers():
            for task in Path(f"/proc/{pid}/task").iterdir():
                assert f"Uid:\t{NOBODY.pw_uid}\t{NOBODY.pw_uid}" in (task / "status").read_text()


def test_monitor_becomes_the_user_and_sees_the_server_all_the_same(site: Path) -> None:
    """Also downloads, and generations that are younger than the monitor."""
    with (site / "large").open("wb") as file:
        file.truncate(1 << 30)
    port = free_port()
    with daemon(site, user="nobody", monitor=f"127.0.0.1:{port}") as server:
        children = server.workers
        (monitor,) = until(lambda: [pid for pid in children() if is_monitor(pid)], "a monitor")
        assert server.run("reload").returncode == 0
        assert proc.status(monitor, "Uid") == [str(NOBODY.pw_uid)] * 4
        with Client(server.port) as client:
            client.send(request("/large"))
            client.head()
            (download,) = until(lambda: shown(port).get("downloads"), "the download")
            assert download["path"] == "/large"
        workers = shown(port)["workers"]
        assert {worker["pid"] for worker in workers} <= {*children()} - {monitor}


def is_monitor(pid: int) -> bool:
    return "monitor" in proc.name(pid)


def shown(port: int) -> Any:
    response = ask(port, "/status.json")
    return json.loads(response.body) if response.status == 200 else {}


def test_workers_become_the_group(site: Path) -> None:
    group = grp.getgrnam("daemon")
    with foreground(site, "--user", "nobody", "--group", "daemon") as server:
        for pid in server.workers():
            assert proc.status(pid, "Uid")[1] == str(NOBODY.pw_uid)
            assert proc.status(pid, "Gid") == [str(group.gr_gid)] * 4
            assert "0" not in proc.status(pid, "Groups")


def test_port_for_root_only_is_served_by_the_user(site: Path) -> None:
    with daemon(site, user="nobody", port=997) as server:
        assert ask(997, "/").status == 200
        os.kill(server.workers()[0], signal.SIGKILL)
        nobodies = [str(NOBODY.pw_uid)] * 2
        until(
            lambda: [proc.status(pid, "Uid")[1] for pid in server.workers()] == nobodies,
            "a replacement that runs as nobody, too",
        )
        assert ask(997, "/").status == 200


def test_file_unreadable_for_the_user_is_403(site: Path) -> None:
    (site / "secret.html").write_text("secret\n")
    (site / "secret.html").chmod(0o600)
    (site / "folder").mkdir(mode=0o700)
    (site / "folder" / "page.html").write_text("secret\n")
    with foreground(site, user="nobody") as server:
        assert ask(server.port, "/secret.html").status == 403
        assert ask(server.port, "/folder/page.html").status == 403
        assert ask(server.port, "/").status == 200


def test_docroot_unreadable_for_the_user_is_warned_about(site: Path) -> None:
    """It may be readable in a moment, so it is no reason not to start."""
    site.chmod(0o700)
    assert_starts_without_docroot(site, site)


def test_directory_above_the_docroot_closed_to_the_user_is_warned_about(site: Path) -> None:
    site.parent.chmod(0o700)
    assert_starts_without_docroot(site, site.parent)


def assert_starts_without_docroot(site: Path, closed: Path) -> None:
    server = Daemon(site, user="nobody")
    done = server.run()
    text = f"the docroot {site} cannot be read: Permission denied; requests are answered 503"
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"phttpd: warning: {text} until it can\n"
    server.log.wait_for(f"warning worker 0.*: {text}")
    response = ask(server.port, "/")
    assert (response.status, response["Retry-After"]) == (503, "5")
    closed.chmod(0o755)
    assert ask(server.port, "/").body == b"<p>hello\n"
    assert server.run("stop").returncode == 0


def test_check_of_a_docroot_unreadable_for_the_user_fails(site: Path) -> None:
    server = Daemon(site, user="nobody")
    assert server.run("--check").returncode == 0
    site.chmod(0o700)
    done = server.run("--check")
    assert done.returncode == 66, done
    assert f"the docroot {site} cannot be read: Permission denied" in done.stderr


def test_log_of_root_is_written_and_reopened(site: Path) -> None:
    with daemon(site, user="nobody", verbose=True) as server:
        ask(server.port, "/first")
        server.log.wait_for('"GET /first ')
        server.log.path.rename(server.log.path.with_suffix(".1"))
        os.kill(server.pid, signal.SIGUSR1)
        until(server.log_moved, "all loops write to the new file")
        ask(server.port, "/second")
        LogFile(server.log.path).wait_for('"GET /second ')


def test_access_log_of_root_is_written_by_the_user_and_reopened(site: Path) -> None:
    access = LogFile(site.with_name("access.log"))
    with daemon(site, user="nobody", access_log=str(access.path)) as server:
        ask(server.port, "/first")
        access.wait_for('"GET /first ')
        assert access.path.stat().st_uid == 0
        access.path.rename(access.path.with_suffix(".1"))
        os.kill(server.pid, signal.SIGUSR1)
        until(
            lambda: ask(server.port, "/again").status == 404 and '"GET /again ' in access.text(),
            "a line in the new file",
        )


@pytest.fixture
def logs(site: Path) -> Path:
    """A directory that the user who serves may write, with a file of root beside it."""
    logs = site.with_name("logs")
    logs.mkdir()
    os.chown(logs, NOBODY.pw_uid, NOBODY.pw_gid)
    site.with_name("precious").write_text("precious\n")
    return logs


def link_as_nobody(link: Path, to: Path) -> None:
    link.symlink_to(to)
    os.chown(link, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)


def test_log_that_is_a_link_of_another_user_is_not_followed(site: Path, logs: Path) -> None:
    """To a file of root that he may not write, nor make directories beside."""
    precious = site.with_name("precious")
    link_as_nobody(logs / "phttpd.log", precious)
    link_as_nobody(logs / "sub", site.parent)
    for key, name in (
        ("log_file", "phttpd.log"),
        ("access_log", "phttpd.log"),
        ("log_file", "sub/made/phttpd.log"),
    ):
        done = Daemon(site, user="nobody", **{key: str(logs / name)}).run()
        assert done.returncode == 77, done
        assert f"{logs}/{name.partition('/')[0]} is a symbolic link" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert precious.read_text() == "precious\n"
    assert not site.with_name("made").exists()


def test_log_that_became_a_link_of_another_user_is_not_reopened(site: Path, logs: Path) -> None:
    log = logs / "phttpd.log"
    with daemon(site, user="nobody", verbose=True, log_file=str(log)) as server:
        old = LogFile(logs / "phttpd.log.1")
        log.rename(old.path)
        link_as_nobody(log, site.with_name("precious"))
        os.kill(server.pid, signal.SIGUSR1)
        old.wait_for(r"is a symbolic link .* going on with the file that is open")
        ask(server.port, "/later")
        old.wait_for('"GET /later ')
    assert site.with_name("precious").read_text() == "precious\n"


def test_log_that_is_a_link_of_root_is_followed(site: Path, logs: Path) -> None:
    (logs / "phttpd.log").symlink_to(site.with_name("precious"))
    with daemon(site, user="nobody", verbose=True, log_file=str(logs / "phttpd.log")):
        LogFile(site.with_name("precious")).wait_for("serving")


def test_reload_as_a_user_succeeds(site: Path) -> None:
    with daemon(site, user="nobody") as server:
        server.configure(threads=3)
        assert server.run("reload").returncode == 0
        assert {proc.status(pid, "Uid")[1] for pid in server.workers()} == {str(NOBODY.pw_uid)}
        assert ask(server.port, "/").status == 200


def test_reload_with_a_docroot_unreadable_for_the_user_fails(site: Path) -> None:
    other = site.with_name("other")
    other.mkdir(mode=0o700)
    with daemon(site, user="nobody") as server:
        workers = server.workers()
        server.configure(docroot=str(other))
        for _ in range(4):
            done = server.run("reload")
            assert done.returncode == 77
            assert str(other) in done.stderr
        assert server.workers() == workers
        assert ask(server.port, "/").body == b"<p>hello\n"
