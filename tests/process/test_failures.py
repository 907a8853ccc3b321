"""A start that fails says so before the command returns: one clear line, and an exit status."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.events import until
from tests.process.launch import Daemon, Foreground, daemon, foreground, run
from tests.support.raw import ask
from tests.support.require import command

NO_INPUT = 66
USAGE, UNAVAILABLE, BOOT, OS_ERROR, PERMISSION, CONFIG = 64, 69, 70, 71, 77, 78  # sysexits.h

MODES = pytest.mark.parametrize("mode", [["--foreground"], []], ids=["foreground", "daemon"])


def refusal(done: subprocess.CompletedProcess[str], status: int, *words: object) -> str:
    """Return the one line on stderr of a start that failed with this status."""
    assert (done.returncode, done.stdout) == (status, ""), done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert str(word) in lines[0]
    return lines[0]


@pytest.fixture
def unprivileged() -> list[str]:
    """The words before a command that take the powers of root from it."""
    if os.geteuid() != 0:
        return []
    powers = "-dac_override,-dac_read_search,-net_bind_service,-setuid,-setgid"
    return [command("setpriv", "util-linux"), f"--bounding-set={powers}", f"--inh-caps={powers}"]


@pytest.fixture
def server(site: Path) -> Iterator[Daemon]:
    """A daemon that is not started; when the test is over, it must have left no pidfile."""
    server = Daemon(site)
    yield server
    assert not server.pidfile.exists()


@MODES
def test_port_in_use_fails_the_start(server: Daemon, mode: list[str]) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        line = refusal(server.run(*mode), UNAVAILABLE)
    me = f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
    what = f"cannot listen on 127.0.0.1:{server.port}"
    assert line == f"phttpd: {what}: already in use by {me}"


@MODES
def test_port_in_use_at_every_address_fails_the_start(server: Daemon, mode: list[str]) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        line = refusal(server.run(*mode, "--host", "*"), UNAVAILABLE)
    assert line.startswith(f"phttpd: cannot listen on port {server.port}: already in use by ")


def test_port_in_use_by_another_phttpd_is_named(server: Daemon, site: Path) -> None:
    with foreground(site) as other:
        line = refusal(server.run("--port", str(other.port)), UNAVAILABLE, other.port)
        assert line.endswith(f": already in use by phttpd (pid {other.pid})")
        assert ask(other.port, "/").status == 200


def test_one_address_in_use_of_several_fails_the_start(server: Daemon) -> None:
    with socket.create_server(("127.0.0.3", server.port)):
        hosts = ["--host", "127.0.0.2", "--host", "127.0.0.3"]
        refusal(server.run(*hosts), UNAVAILABLE, f"127.0.0.3:{server.port}")


def test_address_of_another_machine_fails_the_start(server: Daemon) -> None:
    refusal(server.run("--host", "192.0.2.1"), UNAVAILABLE, "192.0.2.1")


def test_port_for_root_only_fails_the_start(server: Daemon, unprivileged: list[str]) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first < 2:
        pytest.skip("every user may bind every port here")
    refusal(server.run("--port", str(first - 1), prefix=unprivileged), PERMISSION, first - 1)


def assert_waits_for_docroot(
    server: Daemon, docroot: Path, appear: Callable[[], object], *words: str | Path
) -> None:
    """Start with a docroot that cannot be read: it is warned of, and served when it can."""
    done = server.run(*words)
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"phttpd: warning: the docroot {docroot} cannot be read: ")
    assert "warning worker 0" in server.log.text()
    assert f"the docroot {docroot} cannot be read: " in server.log.text()
    refusal(server.run("--check", *words), NO_INPUT, docroot)
    response = ask(server.port, "/")
    assert (response.status, response["Retry-After"]) == (503, "5")
    assert server.run("reload").returncode == 0
    appear()
    assert ask(server.port, "/").body == b"<p>hello\n"
    os.kill(server.workers()[0], signal.SIGKILL)  # also one that boots then
    assert server.run("stop").returncode == 0


def test_docroot_that_is_missing_fails_the_start(
    server: Daemon, site: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    assert_waits_for_docroot(server, gone, lambda: gone.symlink_to(site), "--base", gone)


def test_docroot_that_is_a_file_fails_the_start(server: Daemon, site: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    def replace() -> None:
        file.unlink()
        file.symlink_to(site)

    assert_waits_for_docroot(server, file, replace, "--base", file)


def test_docroot_of_the_config_that_is_missing(server: Daemon, site: Path) -> None:
    server.configure(docroot="gone")
    gone = server.directory / "gone"
    assert_waits_for_docroot(server, gone, lambda: site.rename(gone))
    gone.rename(site)
    place = f"{server.config}:3: docroot: "
    refusal(server.run("--check"), NO_INPUT, place, "no such directory", gone)


def test_docroot_that_vanishes_is_logged(server: Daemon, site: Path) -> None:
    """A worker that takes the place of another one boots without it, too."""
    server.start()
    site.rename(site.with_name("away"))
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in server.workers() and len(server.workers()) == 2, "replaced")
    until(lambda: ask(server.port, "/").status == 503, "a look at the disk")
    server.log.wait_for(f"warning loop .* the docroot {site} cannot be read: .*answered 503")
    site.with_name("away").rename(site)
    assert ask(server.port, "/").body == b"<p>hello\n"
    assert server.run("stop").returncode == 0


@MODES
def test_docroot_that_is_unreadable_fails_the_start(
    server: Daemon, site: Path, unprivileged: list[str], mode: list[str]
) -> None:
    site.chmod(0)
    try:
        refusal(server.run("--check", prefix=unprivileged), NO_INPUT, site)
        if mode:
            process = Foreground(*mode, "-c", server.config, prefix=unprivileged)
            try:
                process.err.wait_for(f"warning worker 0.* the docroot {site} cannot be read: ")
                assert process.stop() == 0
            finally:
                process.kill()
            return
        done = server.run(prefix=unprivileged)
        assert done.returncode == 0, done
        assert ask(server.port, "/").status == 503
        assert server.run("stop").returncode == 0
    finally:
        site.chmod(0o755)


def test_config_that_is_missing_fails_the_start(tmp_path: Path) -> None:
    line = refusal(run("-c", tmp_path / "gone.yaml"), NO_INPUT, tmp_path / "gone.yaml")
    assert line.startswith("phttpd: ")


def test_config_that_is_a_directory_fails_the_start(tmp_path: Path) -> None:
    refusal(run("-c", tmp_path), NO_INPUT, tmp_path)


def test_config_that_is_unreadable_fails_the_start(server: Daemon, unprivileged: list[str]) -> None:
    server.config.chmod(0)
    done = server.run(prefix=unprivileged)
    refusal(done, NO_INPUT, server.config)


def test_user_that_is_unknown_fails_the_start(server: Daemon) -> None:
    refusal(server.run("--user", "no-such-user"), NO_INPUT, "--user", "no-such-user")
    server.configure(user="no-such-user")
    refusal(server.run(), NO_INPUT, f"{server.config}:8: user: ", "no-such-user")


def test_group_that_is_unknown_fails_the_start(server: Daemon) -> None:
    refusal(server.run("--group", "no-such-group"), NO_INPUT, "--group", "no-such-group")
    server.configure(group="no-such-group")
    refusal(server.run(), NO_INPUT, f"{server.config}:8: group: ", "no-such-group")


def test_user_that_cannot_be_set_fails_the_start(server: Daemon, unprivileged: list[str]) -> None:
    done = server.run("--user", "nobody", prefix=unprivileged)
    assert done.returncode in {PERMISSION, BOOT}
    refusal(done, done.returncode)


@pytest.mark.parametrize("option", ["--log-file", "--pidfile"])
@pytest.mark.parametrize("name", ["a", "folder/a", "folder/folder/a"])
def test_path_below_a_file_fails_the_start(
    server: Daemon, site: Path, option: str, name: str
) -> None:
    file = site / "index.html"
    refusal(server.run(option, file / name), OS_ERROR, f"{file / name}: {file} is not a directory")


def test_path_below_a_dangling_link_fails_the_start(server: Daemon, site: Path) -> None:
    link = site / "link"
    link.symlink_to("gone")
    for name in "a", "folder/a":
        refusal(server.run("--pidfile", link / name), OS_ERROR, f"{link} is not a directory")


def test_pidfile_below_a_link_to_itself_fails_the_start(server: Daemon, site: Path) -> None:
    link = site / "link"
    link.symlink_to("link")
    done = server.run("stop", "--pidfile", link / "a")
    assert "Too many levels of symbolic links" in done.stderr


def test_log_file_that_is_a_directory_fails_the_start(server: Daemon, tmp_path: Path) -> None:
    done = server.run("--log-file", tmp_path)
    assert done.returncode in {CONFIG, OS_ERROR}
    refusal(done, done.returncode, tmp_path)


def test_log_file_that_is_not_writable_fails_the_start(
    server: Daemon, unprivileged: list[str]
) -> None:
    server.log.path.write_text("")
    server.log.path.chmod(0o400)
    refusal(server.run(prefix=unprivileged), PERMISSION, server.log.path)


def test_pidfile_that_is_not_writable_fails_the_start(
    server: Daemon, tmp_path: Path, unprivileged: list[str]
) -> None:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o500)
    done = server.run("--pidfile", directory / "phttpd.pid", prefix=unprivileged)
    refusal(done, PERMISSION, directory)


@MODES
def test_pidfile_of_a_running_daemon_fails_the_start(site: Path, mode: list[str]) -> None:
    with daemon(site) as server:
        done = server.run("--port", "0", *mode)
        refusal(done, UNAVAILABLE, server.pidfile, server.pid)
        assert ask(server.port, "/").status == 200


@MODES
def test_workers_that_cannot_boot_fail_the_start(server: Daemon, mode: list[str]) -> None:
    prlimit = [command("prlimit", "util-linux"), "--nofile=24:24"]
    done = server.run("--threads", "64", *mode, prefix=prlimit)
    assert done.returncode in {BOOT, OS_ERROR}
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("phttpd: ")


BAD_OPTIONS = [
    ["--no-such-option"],
    ["--port"],
    ["--port", "http"],
    ["--port", "65536"],
    ["--port", "-1"],
    ["--recv", "0"],
    ["--recv", "much"],
    ["--workers", "0"],
    ["--workers", "many"],
    ["--threads", "0"],
    ["--threads", "-3"],
    ["restart"],
    ["stop", "now"],
]


def test_options_that_are_invalid_fail_the_start(server: Daemon) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ends = list(pool.map(lambda words: server.run(*words), BAD_OPTIONS))
    for words, done in zip(BAD_OPTIONS, ends, strict=True):
        assert (done.returncode, done.stdout) == (USAGE, ""), words
        assert "Traceback" not in done.stderr
        assert words[0] in done.stderr or words[-1] in done.stderr
        assert done.stderr.splitlines()[-1].startswith("phttpd: ")


def test_errors_of_command_line_and_config_are_both_reported(server: Daemon) -> None:
    server.configure(prot=80, threads="four")
    done = server.run("--base", "/no/such/folder")
    assert done.returncode == CONFIG
    for word in ["prot", "threads", "/no/such/folder"]:
        assert word in done.stderr
