"""Unix sockets in `host`: who may connect, whose the file is, and who removes it."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.test_behind_a_proxy import stripping_proxy
from tests.process.events import LogFile, Process, until
from tests.process.knocking import Knocking
from tests.process.launch import Daemon, Foreground, daemon, free_port, refused
from tests.process.test_user import site as open_site  # noqa: F401 - a fixture
from tests.process.unix_clients import UnixClient, ask_unix
from tests.support import require
from tests.support.raw import ask, request
from tests.support.server import DEADLINE

UNAVAILABLE = 69
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s

frontend web
    bind 127.0.0.1:{port}
    default_backend files

backend files
    http-reuse safe
    server phttpd unix@{path}
"""


@pytest.fixture
def path(site: Path) -> Path:
    return site.with_name("run") / "web.sock"


@pytest.fixture
def server(site: Path, path: Path) -> Iterator[Daemon]:
    with daemon(site, host=[{"unix": str(path)}, "127.0.0.1"]) as server:
        yield server
        server.run("stop")


def inode(path: Path) -> int:
    assert path.is_socket()
    return path.stat().st_ino


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---------------------------------------------------------------- what clients and operators see


def test_unix_socket_serves_as_the_port_does(site: Path, path: Path, server: Daemon) -> None:
    (site / "large").write_bytes(os.urandom(8 << 20))
    for target in ("/", "/missing", "/large"):
        found, expected = ask_unix(path, target), ask(server.port, target)
        assert (found.status, found.body) == (expected.status, expected.body)
    with UnixClient(path) as client:
        for _ in range(3):
            assert client.ask("/").status == 200


def test_unix_socket_is_named_in_logs_and_status(site: Path, path: Path) -> None:
    access = LogFile(site.with_name("access.log"))
    host = {"unix": str(path), "mode": "0600"}
    with daemon(site, host=host, access_log=str(access.path), verbose=True) as server:
        assert mode(path) == 0o600
        server.log.wait_for(f"serving {site} at {re.escape(f'unix:{path}')} with")
        ask_unix(path)
        access.wait_for(r'^unix: - - .*"GET / HTTP/1\.1" 200 ')
        server.log.wait_for(r"connection unix: closed: answered$")
        assert json.loads(server.run("status", "--json").stdout)["addresses"] == [f"unix:{path}"]
        assert f"  addresses    unix:{path}\n" in server.run("status").stdout
        assert f"{site} at unix:{path}, 2 workers" in server.run("--check").stdout
    assert not path.exists()


def test_unix_socket_of_json_log_lines_is_named(site: Path, path: Path) -> None:
    access = LogFile(site.with_name("access.log"))
    host = {"unix": str(path)}
    with daemon(site, host=host, access_log=str(access.path), access_log_format="json"):
        ask_unix(path)
    (line,) = access.lines()
    assert json.loads(line)["peer"] == "unix:"


@pytest.mark.debian("curl")
def test_unix_socket_is_found_by_curl(path: Path, server: Daemon) -> None:
    curl = require.command("curl", "curl")
    words = [curl, "--silent", "--show-error", "--unix-socket", str(path), "http://localhost/"]
    done = subprocess.run(words, capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, ask_unix(path).body, b"")


@pytest.mark.debian("nginx-light")
def test_unix_socket_is_served_by_nginx(
    open_site: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    path = open_site.with_name("run") / "web.sock"
    with (
        daemon(open_site, host={"unix": str(path)}),
        stripping_proxy(f"unix:{path}:", tmp_path) as port,
    ):
        assert ask(port, "/x/").body == b"<p>hello\n"


@pytest.mark.debian("haproxy")
def test_unix_socket_is_served_by_haproxy(path: Path, server: Daemon, tmp_path: Path) -> None:
    haproxy, port = require.command("haproxy", "haproxy"), free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, path=path))
    with subprocess.Popen([haproxy, "-f", config]) as proxy:
        try:
            until(lambda: proxy.poll() is not None or not refused(port), "a proxy")
            for _ in range(3):
                assert ask(port, "/").body == ask_unix(path).body
        finally:
            proxy.terminate()


# ---------------------------------------------------------------- whose the file is


def test_unix_socket_of_a_dead_server_is_taken_over(site: Path, path: Path) -> None:
    server = Daemon(site, host={"unix": str(path)})
    server.start()
    with Process(server.pid) as supervisor:
        workers = [Process(pid) for pid in server.workers()]
        for process in (supervisor, *workers):
            process.signal(signal.SIGKILL)
        for process in (supervisor, *workers):
            process.wait()
    assert path.is_socket()
    server.start()
    assert ask_unix(path).status == 200
    assert server.run("stop").returncode == 0
    assert not path.exists()


def test_unix_socket_of_a_live_server_is_refused(site: Path, path: Path, server: Daemon) -> None:
    before = inode(path)
    other = Foreground("-c", config_of_another(site, path), "--pidfile", site.with_name("b.pid"))
    try:
        assert other.wait() == UNAVAILABLE
        who = f"already in use by phttpd (pid {server.pid})"
        assert other.err.seen == [f"phttpd: cannot listen on unix:{path}: {who}"]
    finally:
        other.kill()
    assert inode(path) == before
    assert ask_unix(path).status == 200


def config_of_another(site: Path, path: Path) -> Path:
    config = site.with_name("b.yaml")
    config.write_text(f"docroot: {site}\nhost: {{unix: {path}}}\n")
    return config


def test_unix_socket_in_the_place_of_a_file_is_refused(site: Path, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious\n")
    done = Daemon(site, host={"unix": str(path)}).run()
    assert done.returncode == UNAVAILABLE
    why = "there is a file of that name, which is no socket"
    assert done.stderr == f"phttpd: cannot listen on unix:{path}: {why}\n"
    assert path.read_text() == "precious\n"


def test_unix_socket_whose_directory_cannot_be_made_is_refused(site: Path) -> None:
    path = site / "index.html" / "web.sock"
    done = Daemon(site, host={"unix": str(path)}).run()
    assert done.returncode == 71
    why = f"{site}/index.html is not a directory"
    assert done.stderr == f"phttpd: cannot listen on unix:{path}: {why}\n"


def test_unix_socket_of_another_server_is_not_removed_at_the_end(site: Path, path: Path) -> None:
    for upgrades in (0, 1):
        with daemon(site, host={"unix": str(path)}) as server:
            path.unlink()
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(str(path))
                for _ in range(upgrades):
                    other.listen()
                    assert server.run("upgrade").returncode == UNAVAILABLE
                mine = inode(path)
                assert server.run("stop").returncode == 0
                assert inode(path) == mine
        path.unlink()


def test_unix_socket_is_removed_while_a_drain_goes_on(site: Path, path: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 << 20)
    with daemon(site, host={"unix": str(path)}) as server, UnixClient(path) as client:
        client.send(request("/large", "Connection: close"))
        client.head()
        with Process(server.pid) as supervisor:
            supervisor.signal(signal.SIGTERM)
            until(lambda: not path.exists(), "no file")
            assert len(client.rest()) == 64 << 20
            supervisor.wait()


# ---------------------------------------------------------------- reload and upgrade


def test_unix_socket_is_kept_by_reload_and_upgrade_under_load(path: Path, server: Daemon) -> None:
    before = inode(path)
    with Knocking(lambda: ask_unix(path), 4) as clients:
        for word in ("reload", "upgrade", "reload"):
            clients.more(20)
            assert server.run(word).returncode == 0
            clients.more(20)
    assert clients.failed == []
    assert inode(path) == before
    assert server.run("stop").returncode == 0
    assert not path.exists()


def test_reload_changes_the_mode_of_a_unix_socket(path: Path, server: Daemon) -> None:
    before = inode(path)
    assert mode(path) == 0o666
    server.configure(host={"unix": str(path), "mode": "0640"})
    assert server.run("reload").returncode == 0
    assert (inode(path), mode(path)) == (before, 0o640)


@pytest.mark.parametrize("word", ["reload", "upgrade"])
def test_unix_socket_comes_and_goes_with_the_configuration(
    path: Path, server: Daemon, word: str
) -> None:
    other = path.with_name("other.sock")
    server.configure(host=[{"unix": str(other)}, "127.0.0.1"])
    assert server.run(word).returncode == 0
    assert ask_unix(other).status == 200
    until(lambda: not path.exists(), "no file of a socket that is not served")
    assert ask(server.port, "/").status == 200


@pytest.mark.parametrize("word", ["reload", "upgrade"])
def test_change_that_fails_leaves_the_unix_sockets_as_they_were(
    path: Path, server: Daemon, word: str
) -> None:
    before, other = inode(path), path.with_name("other.sock")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path.with_name("taken.sock")))
        taken.listen()
        hosts = [{"unix": str(one)} for one in (path, other, path.with_name("taken.sock"))]
        server.configure(host=hosts)
        done = server.run(word)
    assert done.returncode == UNAVAILABLE
    assert "taken.sock: already in use" in done.stderr
    assert not other.exists()
    assert inode(path) == before
    assert ask_unix(path).status == 200


def test_reload_whose_workers_cannot_boot_leaves_no_unix_socket(
    site: Path, path: Path, server: Daemon
) -> None:
    before, other = inode(path), path.with_name("other.sock")
    missing = site.with_name("missing")
    server.configure(host=[{"unix": str(other)}], docroot=str(missing))
    assert server.run("reload").returncode != 0
    assert not other.exists()
    assert inode(path) == before
    assert ask_unix(path).status == 200


def test_reload_makes_the_file_of_a_unix_socket_again(path: Path, server: Daemon) -> None:
    path.unlink()
    assert server.run("reload").returncode == 0
    assert ask_unix(path).status == 200


# ---------------------------------------------------------------- another user


@pytest.mark.root
def test_unix_socket_of_root_is_served_by_the_user_and_has_the_group(
    open_site: Path,  # noqa: F811
) -> None:
    nobody = pwd.getpwnam("nobody")
    path = open_site.with_name("run") / "web.sock"
    host = {"unix": str(path), "mode": "0660", "group": str(nobody.pw_gid)}
    with daemon(open_site, user="nobody", host=host) as server:
        status = path.stat()
        assert (status.st_uid, status.st_gid, mode(path)) == (0, nobody.pw_gid, 0o660)
        assert ask_unix(path).status == 200
        assert connects_as(path, nobody.pw_uid, nobody.pw_gid)
        assert not connects_as(path, nobody.pw_uid, 1)
        assert server.run("reload").returncode == 0
        assert server.run("upgrade").returncode == 0
        assert connects_as(path, nobody.pw_uid, nobody.pw_gid)
        assert server.run("stop").returncode == 0
    assert not path.exists()


def connects_as(path: Path, uid: int, gid: int) -> bool:
    """Tell whether a user and group may connect."""
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        with socket.socket(socket.AF_UNIX) as client:
            os._exit(client.connect_ex(str(path)))
    return os.waitpid(pid, 0)[1] == 0
