"""Warnings of settings without effect, at the start and by --check."""

from __future__ import annotations

from pathlib import Path

from tests.process.launch import Foreground, foreground, free_port, run, write_config
from tests.process.manager import Manager
from tests.support.require import command

FEW = "phttpd: warning: max_connections is 1000, but a process may open only 900 files"


def few(number: int = 900) -> list[str]:
    return [command("prlimit", "util-linux"), f"--nofile={number}:{number}"]


def test_check_prints_what_it_checked(site: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "a.yaml",
        docroot=str(site),
        host=["127.0.0.1", "::1"],
        port=81,
        workers=3,
        threads=1,
        user="root",
    )
    done = run("--check", "--config", config)
    urls = "http://127.0.0.1:81/, http://[::1]:81/"
    what = f"{site} at {urls}, 3 workers of 1 loop, user root"
    assert (done.returncode, done.stdout) == (0, f"OK: {config}: {what}\n")


def test_check_of_a_directory_reads_no_config_file(site: Path) -> None:
    port = free_port()
    done = run("--check", "--base", site, "--workers", "1", "--port", str(port))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"OK: no config file: {site} at http://*:{port}/, 1 worker of 4 loops\n"


def test_check_warns_of_more_connections_than_descriptors(site: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "a.yaml", docroot=str(site), max_connections=1000, port=0)
    done = run("--check", "--config", config, prefix=few())
    assert done.returncode == 0
    assert done.stdout.startswith("OK: ")
    assert done.stderr.startswith(FEW)
    assert len(done.stderr.splitlines()) == 1
    assert run("--check", "--config", config, prefix=few(1000)).stderr == ""


def test_start_warns_of_more_connections_than_descriptors(site: Path) -> None:
    with foreground(site, prefix=few(), errors="max_connections", max_connections=1000) as server:
        server.err.wait_for(f"^{FEW}")


def test_log_file_under_a_service_manager_is_warned_about(site: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "a.yaml",
        docroot=str(site),
        host="127.0.0.1",
        port=0,
        workers=1,
        log_file="a.log",
    )
    with Manager(str(tmp_path / "notify")) as manager:
        for options in [[], ["--log-file", str(tmp_path / "b.log")]]:
            server = Foreground(
                "--config", config, *options, env={"NOTIFY_SOCKET": manager.address}
            )
            try:
                manager.wait_for("READY=1")
                assert server.stop() == 0
                said = "" if options else f"phttpd: warning: log_file: {tmp_path}/a.log has no "
                assert len(server.err.seen) == (said != "")
                assert "".join(server.err.seen).startswith(said)
            finally:
                server.kill()
