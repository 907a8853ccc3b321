"""`--check` looks at the machine: what it finds are warnings with a remedy, and no failure."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.process.launch import Daemon, Setting, daemon, run, write_config
from tests.process.unix_clients import ask_unix
from tests.support import require


def check(config: Path, *words: str, prefix: list[str] | None = None) -> list[str]:
    """Return the warnings, without the file and “phttpd: warning: ”."""
    done = run("-c", config, "--check", *words, prefix=prefix or [])
    assert done.returncode == 0, done
    assert done.stdout.startswith(f"OK: {config}: ")
    return [line.removeprefix(f"phttpd: warning: {config}:") for line in done.stderr.splitlines()]


@pytest.fixture
def server(site: Path, tmp_path: Path) -> Iterator[Daemon]:
    host: Setting = ["127.0.0.1", {"unix": str(tmp_path / "run" / "web.sock")}]
    with daemon(site, host=host, access_log=str(tmp_path / "access.log")) as server:
        yield server
        server.run("stop")


def test_check_of_a_running_server_finds_nothing(server: Daemon) -> None:
    assert check(server.config) == []
    assert server.run("upgrade").returncode == 0
    assert check(server.config) == []
    assert server.run("stop").returncode == 0
    assert check(server.config) == []


def test_check_listens_nowhere_and_leaves_the_server_alone(server: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "run" / "web.sock"
    inode = path.stat().st_ino
    check(server.config)
    assert path.stat().st_ino == inode
    assert ask_unix(path).status == 200
    assert server.run("stop").returncode == 0
    check(server.config)
    assert not path.exists()


def test_check_finds_a_port_and_a_unix_socket_of_another_program(
    server: Daemon, site: Path, tmp_path: Path
) -> None:
    other = write_config(
        tmp_path / "other.yaml", **{**server.settings, "pidfile": str(tmp_path / "other.pid")}
    )
    who = f"is already in use by phttpd (pid {server.pid}); stop that program, or choose another"
    assert check(other) == [
        f"2: port: 127.0.0.1:{server.port} {who} port",
        f"1: host: unix:{tmp_path}/run/web.sock {who} host",
    ]


def test_check_finds_an_address_of_another_machine_and_a_file_that_is_no_socket(
    site: Path, tmp_path: Path
) -> None:
    path = tmp_path / "web.sock"
    path.touch()
    host: Setting = ["192.0.2.1", {"unix": str(path)}]
    config = write_config(tmp_path / "a.yaml", docroot=str(site), host=host, port=0)
    found = check(config)
    assert found[0].startswith("2: host: cannot listen on 192.0.2.1:0: Cannot assign")
    assert found[1].startswith(f"2: host: cannot listen on unix:{path}: there is a file of that")


@pytest.mark.parametrize("key", ["log_file", "access_log", "downloads_log", "pidfile"])
def test_check_finds_a_file_that_cannot_be_written(site: Path, tmp_path: Path, key: str) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    path = obstacle / "deep" / "file"
    defaults: dict[str, Setting] = {
        "docroot": str(site),
        "port": 0,
        "log_file": str(tmp_path / "a" / "log"),
        "pidfile": str(tmp_path / "b" / "pid"),
        "monitor": str(tmp_path / "monitor.sock"),
    }
    config = write_config(tmp_path / "a.yaml", **{**defaults, key: str(path)})
    (found,) = check(config)
    assert f": {key}: {path} cannot be written by " in found
    assert f": {obstacle} is not a directory; let " in found
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("key", ["log_file", "access_log", "downloads_log", "pidfile"])
def test_check_finds_a_directory_in_the_place_of_a_file(
    site: Path, tmp_path: Path, key: str
) -> None:
    settings: dict[str, Setting] = {
        "docroot": str(site),
        "port": 0,
        "log_file": str(tmp_path / "log"),
        "pidfile": str(tmp_path / "pid"),
        "monitor": str(tmp_path / "monitor.sock"),
    }
    config = write_config(tmp_path / "a.yaml", **{**settings, key: str(tmp_path)})
    (found,) = check(config)
    assert f": {key}: {tmp_path} cannot be written by " in found
    assert ": Is a directory; let " in found


@pytest.mark.root
def test_check_finds_a_directory_that_this_user_may_not_write() -> None:
    as_nobody = [require.command("setpriv", "util-linux"), "--reuid=nobody", "--clear-groups"]
    with TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        settings: dict[str, Setting] = {"docroot": directory, "port": 0, "daemon": False}
        path = "/var/log/nowhere/access.log"
        config = write_config(Path(directory, "a.yaml"), access_log=path, **settings)
        (found,) = check(config, prefix=as_nobody)
    why = "no write permission in /var/log; let nobody write there, or choose another path"
    assert found == f"1: access_log: {path} cannot be written by nobody: {why}"


@pytest.mark.root
def test_check_takes_a_pidfile_that_is_left_for_replaceable() -> None:
    as_nobody = [require.command("setpriv", "util-linux"), "--reuid=nobody", "--clear-groups"]
    with TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        pidfile = Path(directory, "a.pid")
        pidfile.touch(0o600)
        settings: dict[str, Setting] = {"docroot": directory, "port": 0, "daemon": False}
        config = write_config(Path(directory, "a.yaml"), pidfile=str(pidfile), **settings)
        assert check(config, prefix=as_nobody) == []


def test_check_finds_standard_output_in_a_daemon(site: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "a.yaml", docroot=str(site), port=0, access_log="stdout")
    (found,) = check(config)
    assert found.startswith("3: access_log: a daemon has no standard output, so stdout is refused")
    assert check(config, "--foreground") == []


def test_check_in_json_has_findings_with_remedies(site: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = write_config(
            tmp_path / "a.yaml", docroot=str(site), host="127.0.0.1", port=port, workers=3
        )
        done = run("-c", config, "--check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    (finding,) = report.pop("findings")
    assert finding["about"] == "port"
    assert finding["text"].endswith(f"(pid {os.getpid()})")
    assert finding["remedy"] == "stop that program, or choose another port"
    assert report == {
        "config_file": str(config),
        "docroot": str(site),
        "sites": 0,
        "addresses": [f"http://127.0.0.1:{port}/"],
        "workers": 3,
        "threads": 4,
        "user": None,
        "warnings": [],
    }


def test_check_of_a_wrong_configuration_is_an_error_and_not_a_finding(
    site: Path, tmp_path: Path
) -> None:
    for port, status in (("x", 78), (0, 0)):
        config = write_config(tmp_path / "a.yaml", docroot=str(site), port=port)
        assert run("-c", config, "--check", "--json").returncode == status
    gone = write_config(tmp_path / "a.yaml", docroot=str(site / "gone"))
    assert run("-c", gone, "--check").returncode == 66
