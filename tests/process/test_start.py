"""Starting: in the foreground, as a daemon, from terminals and from bad company."""

from __future__ import annotations

import os
import platform
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import proc
from tests.process.events import Process, Watch, until
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Daemon,
    Foreground,
    daemon,
    environment,
    foreground,
    free_port,
    run,
)
from tests.support.raw import Client, ask
from tests.support.require import command
from tests.support.server import DEADLINE


def test_foreground_prints_what_it_is_and_where_it_serves(site: Path) -> None:
    with foreground(site, workers=2, threads=3) as server:
        assert ask(server.port, "/").body == b"<p>hello\n"
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
    who = rf"{stamp} notice supervisor\[{server.pid}\]"
    lines = server.out.seen
    version = re.escape(platform.python_version())
    assert re.fullmatch(rf"{who}: Using Python {version} to run phttpd \d+\.\d+\.\d+", lines[0])
    ready = (
        rf"{who}: serving {site} at http://127\.0\.0\.1:{server.port}/ with 2 workers of 3 loops"
    )
    assert any(re.fullmatch(ready, line) for line in lines)
    assert any(re.fullmatch(rf"{who}: draining", line) for line in lines)
    assert re.fullmatch(rf"{who}: stopped", lines[-1])


def test_daemon_serves_when_the_command_returns(site: Path) -> None:
    with daemon(site) as server:
        assert ask(server.port, "/").body == b"<p>hello\n"
        assert len(server.workers()) == 2


def test_daemon_is_detached(site: Path) -> None:
    with daemon(site) as server:
        for pid in [server.pid, *server.workers()]:
            assert os.getsid(pid) != os.getsid(0)
            assert proc.stat(pid)[4] == "0", "it has a controlling terminal"
            assert os.readlink(f"/proc/{pid}/cwd") == "/"
            descriptors = proc.descriptors(pid)
            assert [descriptors[n] for n in range(3)] == ["/dev/null"] * 3


def test_daemon_keeps_nothing_that_the_shell_had_open(site: Path) -> None:
    server = Daemon(site)
    reader, writer = os.pipe()
    words = [*PHTTPD, "-c", str(server.config)]
    started = subprocess.run(
        words, pass_fds=[writer], cwd=ROOT, env=environment(), timeout=DEADLINE, check=True
    )
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b""  # not before every copy of the other end is closed
    assert started.returncode == 0
    assert server.run("stop").returncode == 0


def test_daemon_makes_no_world_writable_files(site: Path) -> None:
    with daemon(site, verbose=True) as server:
        ask(server.port, "/")
        for path in [server.pidfile, server.log.path]:
            assert path.stat().st_mode & 0o022 == 0, path


def test_daemon_survives_its_terminal(site: Path) -> None:
    server = Daemon(site)
    terminal, inside = pty.openpty()
    words = [command("setsid", "util-linux"), "--ctty", "--wait", *PHTTPD, "-c", str(server.config)]
    done = subprocess.run(
        words,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        cwd=ROOT,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )
    os.close(inside)
    os.set_blocking(terminal, False)
    try:
        said = os.read(terminal, 4096)
    except OSError:  # EIO: every other end is closed
        said = b""
    os.close(terminal)  # a hangup: processes that are still attached get SIGHUP
    assert done.returncode == 0
    assert re.fullmatch(rb"phttpd: serving [^\n]* in the background [^\n]*\r\n", said)
    with Process(server.pid) as supervisor:
        assert ask(server.port, "/").status == 200
        assert server.run("stop").returncode == 0
        supervisor.wait()


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_start_with_closed_standard_streams_succeeds(site: Path, closed: str) -> None:
    server = Daemon(site, verbose=True)
    line = f'exec "$@" {closed}'
    subprocess.run(
        ["sh", "-c", line, "sh", *PHTTPD, "-c", str(server.config)],
        cwd=ROOT,
        env=environment(),
        timeout=DEADLINE,
        check=True,
    )
    responses = [ask(server.port, "/") for _ in range(20)]
    assert {response.body for response in responses} == {b"<p>hello\n"}
    assert [proc.descriptors(server.pid)[n] for n in range(3)] == ["/dev/null"] * 3
    assert server.run("stop").returncode == 0


def test_signals_that_the_parent_ignored_or_blocked_are_obeyed(site: Path) -> None:
    env = command("env", "coreutils")
    prefix = [env, "--ignore-signal=CHLD,INT,TERM,HUP,USR1", "--block-signal=CHLD,INT,TERM,HUP"]
    server = Daemon(site, verbose=True)
    server.start(prefix=prefix)
    with Process(server.pid) as supervisor:
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        server.log.wait_for(rf"worker \d+ \(pid {victim}\) was killed by SIGKILL; starting another")
        supervisor.signal(signal.SIGTERM)
        supervisor.wait()
    assert not server.pidfile.exists()


def test_default_host_serves_all_addresses(site: Path) -> None:
    with foreground(site, host="*") as server:
        assert ask(server.port, "/").status == 200
        with Client(server.port, host="127.0.0.2") as client:
            assert client.ask("/").status == 200
        if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
            with Client(server.port, host="::1") as client:
                assert client.ask("/").status == 200


def test_host_with_several_addresses_serves_each(site: Path) -> None:
    port = free_port()
    hosts = ["--host", "127.0.0.2", "--host", "127.0.0.3", "--port", str(port)]
    with foreground(site, *hosts) as server:
        ready = next(line for line in server.out.seen if "serving" in line)
        assert f"at http://127.0.0.2:{port}/, http://127.0.0.3:{port}/ with" in ready
        for host in ["127.0.0.2", "127.0.0.3"]:
            with Client(port, host=host) as client:
                assert client.ask("/").status == 200
        with socket.socket() as other:
            assert other.connect_ex(("127.0.0.1", port)) != 0


def test_ipv6_address_is_named_in_brackets(site: Path) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    port = free_port()
    with foreground(site, "--host", "::1", "--port", str(port)) as server:
        assert any(f"http://[::1]:{port}/" in line for line in server.out.seen)


def test_two_servers_in_the_foreground_need_no_pidfile(site: Path) -> None:
    config = site.with_name("phttpd.yaml")
    config.write_text(f"docroot: {site}\nhost: 127.0.0.1\nport: 0\nworkers: 1\n")
    options = ("-c", config, "--verbose")
    servers = [Foreground(*options) for _ in range(2)]
    try:
        for server in servers:
            server.wait_until_ready()
            assert ask(server.port, "/").body == b"<p>hello\n"
        assert servers[0].port != servers[1].port
        assert [server.stop() for server in servers] == [0, 0]
        assert [server.err.seen for server in servers] == [[], []]
    finally:
        for server in servers:
            server.kill()


def test_interrupt_during_the_start_ends_it(site: Path) -> None:
    server = Daemon(site, workers=32)
    with Watch(server.directory) as watch:
        process = subprocess.Popen(
            [*PHTTPD, "-c", str(server.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment(),
            process_group=0,
        )
        watch.until(server.pidfile.exists, "the daemon is on its way")
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=DEADLINE)
    assert "Traceback" not in said
    until(lambda: process.returncode or not server.run("status").returncode, "a clear outcome")
    server.run("stop")


def test_server_in_python_development_mode_warns_of_nothing(site: Path) -> None:
    env = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}
    with foreground(site, env=env) as server:
        for path in ["/", "/missing", "/index.html", "/"]:
            ask(server.port, path)
        os.kill(server.workers()[0], signal.SIGTERM)
        with Client(server.port) as client:
            client.ask("/")


def test_check_of_a_good_config_changes_nothing(site: Path) -> None:
    server = Daemon(site)
    before = sorted(server.directory.iterdir())
    done = server.run("--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(server.directory.iterdir()) == before


def test_check_beside_a_running_daemon_succeeds(site: Path) -> None:
    with daemon(site) as server:
        assert server.run("--check").returncode == 0
        assert ask(server.port, "/").status == 200


def test_version_is_printed(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"phttpd \d+\.\d+\.\d+\n", done.stdout)


def test_help_has_every_option_and_command(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    options = """--config -c --base --docroot --host --port --recv --workers --threads --user
        --group --foreground --verbose --pidfile --log-file --check --version --help"""
    for word in [
        *options.split(),
        "start",
        "stop",
        "reload",
        "upgrade",
        "status",
        "top",
        "--json",
        "--once",
    ]:
        assert re.search(rf"(?<![\w-]){word}(?![\w-])", done.stdout), word


def test_help_where_the_terminal_lacks_a_character(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert r"With \u201cstart\u201d" in done.stdout


def test_status_where_the_terminal_lacks_a_character(site: Path) -> None:
    strange = site.rename(site.with_name("\udcff\u03a9"))
    with daemon(strange) as server:
        done = server.run("status", env={"PYTHONIOENCODING": "utf-8:strict"})
        assert (done.returncode, done.stderr) == (0, "")
        assert r"/\udcff" in done.stdout


def python(program: str, *words: str) -> str:
    """Run a program in an interpreter of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    return done.stdout


def test_server_imports_only_what_it_needs() -> None:
    program = "import sys, httpd.cli, httpd.service; print(*sys.modules)"
    without = {"daemon", "difflib", "httpd.commands", "pathlib", "platform", "subprocess"}
    imported = set(python(program).split())
    assert "httpd.process.supervisor" in imported
    assert not imported & without


def test_worker_collects_garbage_but_not_among_imported_objects(site: Path) -> None:
    program = """if True:
        import gc
        from httpd.__main__ import main
        from httpd.process import worker_pool
        def run_worker(*_):
            print(gc.isenabled(), gc.get_freeze_count() > 1000, flush=True)
        worker_pool.run_worker = run_worker
        main()
        """
    words = ("--foreground", "--port", "0", "--workers", "1", "--base", str(site))
    assert python(program, *words) == "True True\n"
