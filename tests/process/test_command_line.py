"""A directory or a command: the files that are read and written, and messages for neither."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.events import Process
from tests.process.launch import (
    ROOT,
    Foreground,
    environment,
    free_port,
    refused,
    run,
    write_config,
)
from tests.support.raw import ask
from tests.support.server import DEADLINE, READY, Lines

USAGE = 64
UNAVAILABLE = 69
BARE = (sys.executable, "-S", "-m", "httpd")
"""An interpreter without any package, as for an archive that has just been unpacked."""


class Started:
    """The command as it is typed, which is not told to stay in the foreground."""

    def __init__(self, *words: str | Path, cwd: Path, python: tuple[str, ...] = BARE) -> None:
        self.process = subprocess.Popen(
            [*python, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=environment({"HOME": str(cwd)}),
            process_group=0,
        )
        assert self.process.stdout
        assert self.process.stderr
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        self.port = int(self.out.wait_for(READY)[1])

    def interrupt(self) -> int:
        """Do as Ctrl-C does, and return the exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(DEADLINE)
        self.out.rest()
        assert self.err.rest() == []
        return status


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A working and home directory that is empty, as nothing is written."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[list[Started]]:
    """Servers that a test starts, and that are ended with it."""
    started: list[Started] = []
    yield started
    for server in started:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


@pytest.mark.parametrize("words", [["{}"], ["--base", "{}"], ["--docroot={}", "--foreground"]])
def test_directory_is_served_in_the_foreground_without_files(
    site: Path, home: Path, commands: list[Started], words: list[str]
) -> None:
    """Two of them differ by port alone, beside the config file of a checkout or a machine."""
    before = sorted((ROOT / "logs").iterdir())
    words = [word.format(site) for word in words]
    commands += [Started(*words, "--port", "0", "--verbose", cwd=home) for _ in range(2)]
    for server in commands:
        assert ask(server.port, "/").body == b"<p>hello\n"
    assert commands[0].port != commands[1].port
    assert list(home.iterdir()) == []
    assert sorted((ROOT / "logs").iterdir()) == before
    assert [server.interrupt() for server in commands] == [0, 0]


@pytest.mark.parametrize("words", [["{}"], ["--base", "{}"], ["{}", "--daemon"]])
def test_directory_that_is_mistyped_is_refused(tmp_path: Path, words: list[str]) -> None:
    missing = f"{tmp_path}/missing"
    done = run(*[word.format(missing) for word in words], "--port", "0")
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr.endswith(f"no such directory: {missing}\n")
    assert done.stderr.count("\n") == 1


def test_directory_and_config_file_start_a_daemon(site: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    config = write_config(
        tmp_path / "a.yaml",
        docroot="other",
        port=free_port(),
        host="127.0.0.1",
        pidfile="a.pid",
        log_file="a.log",
        workers=1,
    )
    done = run("--config", config, site)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run("--config", config, "stop").returncode == 0


def test_daemon_puts_a_directory_into_the_background(site: Path, tmp_path: Path) -> None:
    pidfile, port = tmp_path / "a.pid", free_port()
    words = ["--port", str(port), "--host", "127.0.0.1", "--log-file", f"{tmp_path}/a.log"]
    done = run(site, "--daemon", "--pidfile", pidfile, *words)
    assert (done.returncode, done.stderr) == (0, "")
    with Process(int(pidfile.read_text())) as supervisor:
        assert ask(port, "/").status == 200
        assert run("stop", "--pidfile", pidfile).returncode == 0
        assert supervisor.ended()


def test_daemon_overrides_the_config_file(site: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "a.yaml",
        docroot=str(site),
        port=free_port(),
        host="127.0.0.1",
        daemon=False,
        pidfile="a.pid",
        log_file="a.log",
    )
    assert run("--config", config, "--daemon").returncode == 0
    assert run("--config", config, "stop").returncode == 0


def test_pidfile_of_the_command_line_is_written(site: Path, tmp_path: Path) -> None:
    pidfile = tmp_path / "a.pid"
    server = Foreground(site, "--verbose", "--port", "0", "--pidfile", pidfile)
    try:
        server.wait_until_ready()
        assert int(pidfile.read_text()) == server.pid
        assert run("status", "--pidfile", pidfile).returncode == 0
        assert server.stop() == 0
    finally:
        server.kill()


def test_word_that_is_a_command_is_no_directory(
    site: Path, home: Path, commands: list[Started]
) -> None:
    site.rename(home / "status")
    done = run("status", "--pidfile", home / "none.pid", cwd=home)
    assert (done.returncode, done.stdout) == (3, "")
    commands.append(Started("./status", "--port", "0", "--verbose", cwd=home))
    assert ask(commands[0].port, "/").status == 200
    assert commands[0].interrupt() == 0


def test_directory_by_its_bare_name_is_served(site: Path, commands: list[Started]) -> None:
    commands.append(Started(site.name, "--port", "0", "--verbose", cwd=site.parent))
    assert ask(commands[0].port, "/").status == 200
    assert commands[0].interrupt() == 0


@pytest.mark.parametrize("words", [[], ["--verbose"], ["--port", "{}"]], ids=repr)
@pytest.mark.parametrize("python", [(sys.executable, "-m", "httpd"), BARE], ids=["whole", "bare"])
def test_word_that_is_neither_directory_nor_command_is_refused(
    tmp_path: Path, words: list[str], python: tuple[str, ...]
) -> None:
    port = free_port()
    done = subprocess.run(
        [*python, *(word.format(port) for word in words)],
        cwd=tmp_path,
        env=environment({"HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith("usage: phttpd DIR ")
    assert len(done.stderr.splitlines()) <= 8
    assert refused(port)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prot", "--port"], "--prot: unknown option; did you mean --port?"),
        (["--port", "--prot"], "--prot: unknown option; did you mean --port?"),
        (["-p", "--port"], "-p: unknown option"),
        (["stop", "--", "--json"], "'--json': there is a command already"),
        (["/", "--base", "/"], "'/': --base names a directory already"),
        (["/", "/"], "'/': there is a directory already"),
        (["stop", "/"], "'/': there is a command already"),
        (["/", "stop"], "'stop': there is a directory already"),
        (["/", "--daemon", "--foreground"], "argument --foreground: not allowed with"),
        (["stop", "--daemon"], "--daemon does not go with 'stop'"),
    ],
)
def test_command_line_that_is_invalid_is_named(words: list[str], said: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith(f"phttpd: {said}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--quiet", "--silent", "--xyz"])
def test_unknown_option_unlike_all_others_gets_no_suggestion(option: str) -> None:
    done = run(option)
    assert done.stderr.startswith(f"phttpd: {option}: unknown option; known are --")


# ---------------------------------------------------------------- Python without packages


def bare(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BARE, *map(str, words)],
        cwd=cwd,
        env=environment({"HOME": str(cwd)}),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_version_and_help_need_no_packages(home: Path, word: str) -> None:
    done = bare(word, cwd=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert "phttpd" in done.stdout


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (["start"], "PyYAML"),
        (["--check"], "PyYAML"),
        (["stop"], "PyYAML"),
        (["--config", "/dev/null", "--base", "."], "PyYAML"),
        (["--daemon", "."], "python-daemon"),
    ],
    ids=repr,
)
def test_missing_package_is_named_with_its_install_command(
    home: Path, words: list[str], package: str
) -> None:
    done = bare(*words, cwd=home)
    assert (done.returncode, done.stdout) == (UNAVAILABLE, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"phttpd: {package} is missing in {sys.executable}; install it with: ")
    assert "install python" in line.rpartition(": ")[2]


def test_control_by_pidfile_needs_no_packages(site: Path, home: Path) -> None:
    pidfile = home / "a.pid"
    server = Foreground(site, "--verbose", "--port", "0", "--pidfile", pidfile)
    try:
        server.wait_until_ready()
        assert bare("status", "--pidfile", pidfile, cwd=home).returncode == 0
        assert bare("stop", "--pidfile", pidfile, cwd=home).returncode == 0
        assert server.wait() == 0
    finally:
        server.kill()
