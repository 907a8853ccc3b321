"""`access_log`: every request and nothing else, in a file of its own, whatever `verbose` says."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.process import proc
from tests.process.events import LogFile, Process, until
from tests.process.launch import (
    Daemon,
    Foreground,
    daemon,
    foreground,
    free_port,
    refused,
    run,
    write_config,
)
from tests.process.log_lines import hammer, marks, requests_in
from tests.process.test_journal import ADDRESS, journaled
from tests.support.raw import Client, ask, request


@pytest.fixture
def access(site: Path) -> LogFile:
    return LogFile(site.with_name("access.log"))


def requests_of(access: LogFile) -> list[str]:
    """Return the request lines; a line that is not that of a request is an error."""
    lines = access.lines()
    found = requests_in(lines)
    assert len(found) == len(lines), "only requests"
    return [match[3] for match in found]


def logging_pids(server: Daemon, path: Path) -> set[int]:
    """Return the processes of a daemon that have a file open."""
    pids = [server.pid, *server.workers()]
    return {pid for pid in pids if str(path) in proc.descriptors(pid).values()}


# ---------------------------------------------------------------- what is in it


def test_access_log_has_each_request_and_the_log_has_none(site: Path, access: LogFile) -> None:
    with daemon(site, access_log=str(access.path), threads=4) as server:
        sent = hammer(server.port, 8, 100)
        with Client(server.port) as client:
            client.send(b"nonsense\r\n\r\n")
            client.rest()
    assert marks(requests_in(access.lines())) == sent
    assert requests_of(access).count("nonsense") == 1
    assert server.log.text() == ""


def test_access_log_beside_a_verbose_log_has_no_messages(site: Path, access: LogFile) -> None:
    with daemon(site, access_log=str(access.path), verbose=True) as server:
        sent = hammer(server.port, 4, 50)
    assert marks(requests_in(access.lines())) == sent
    assert len(requests_of(access)) == sum(sent.values())
    assert marks(requests_in(server.log.lines())) == sent, "not silenced"
    assert "closed: " in server.log.text()


def test_access_log_that_is_the_verbose_log_has_each_request_once(site: Path) -> None:
    log = site.with_name("phttpd.log")
    with daemon(site, access_log=str(log), log_file=str(log), verbose=True) as server:
        sent = hammer(server.port, 2, 50)
    assert marks(requests_in(server.log.lines())) == sent


def test_access_log_has_a_connection_that_is_closed_at_once(site: Path, access: LogFile) -> None:
    """Without any log, most of these would be answered without a connection."""
    with daemon(site, access_log=str(access.path), workers=1, threads=1) as server:
        for _ in range(9):
            ask(server.port, "/", "Connection: close")
    assert requests_of(access) == ["GET / HTTP/1.1"] * 9


def test_access_log_in_json_is_valid(site: Path, access: LogFile) -> None:
    with daemon(site, access_log=str(access.path), access_log_format="json") as server:
        ask(server.port, "/?a")
    (line,) = access.lines()
    assert json.loads(line)["request"] == "GET /?a HTTP/1.1"
    assert json.loads(line)["site"] == "-"


def test_access_log_is_relative_to_the_config_file_and_its_directory_is_made(site: Path) -> None:
    with daemon(site, access_log="logs/deep/access.log") as server:
        ask(server.port, "/")
    path = site.with_name("logs") / "deep" / "access.log"
    assert requests_of(LogFile(path)) == ["GET / HTTP/1.1"]
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("value", [False, "off"])
def test_access_log_that_is_off_is_none(site: Path, value: str | bool) -> None:
    with daemon(site, access_log=value) as server:
        ask(server.port, "/")
    assert not site.with_name("off").exists()
    assert server.log.text() == ""


def test_status_names_the_access_log(site: Path, access: LogFile) -> None:
    with daemon(site, access_log=str(access.path)) as server:
        assert json.loads(server.run("status", "--json").stdout)["access_log"] == str(access.path)


# ---------------------------------------------------------------- sites


def test_site_may_have_an_access_log_of_its_own_or_none(site: Path, access: LogFile) -> None:
    own = LogFile(site.with_name("own.log"))
    logs: dict[str, object] = {
        "own": {"access_log": str(own.path)},
        "shares": {"access_log": str(access.path)},
        "silent": {"access_log": None},
        "as-at-the-top": {},
    }
    sites: Any = [{"name": name, "docroot": str(site), **log} for name, log in logs.items()]  # type: ignore[dict-item]
    with daemon(site, access_log=str(access.path), workers=1, threads=1, sites=sites) as server:

        def ask_all() -> None:
            for name in ("localhost", *logs):
                with Client(server.port) as client:
                    for number in range(3):  # from the disk, and from each cache
                        client.send(request(f"/?{number}", host=name))
                        assert client.response().status == 200

        ask_all()
        until(lambda: len(own.lines()) == 3, "the collected lines")
        old = own.path.with_suffix(".1")
        own.path.rename(old)
        os.kill(server.pid, signal.SIGUSR1)
        until(lambda: len(logging_pids(server, own.path)) == 2, "both write to the new file")
        ask_all()
    seen = Counter(match["site"] for match in requests_in(access.lines()))
    assert seen == {"-": 6, "shares": 6, "as-at-the-top": 6}
    assert Counter(match["site"] for match in requests_in(own.lines())) == {"own": 3}
    assert len(old.read_text().splitlines()) == 3


def test_each_of_a_thousand_sites_may_have_an_access_log(site: Path) -> None:
    """More than one message to a worker can have descriptors of."""
    names = [f"s{number}.example" for number in range(1000)]
    path = site.with_name("logs")
    sites: Any = [
        {"name": name, "docroot": str(site), "access_log": f"logs/{name}"} for name in names
    ]
    asked = (names[0], names[500], names[-1])
    with daemon(site, workers=1, threads=1, sites=sites) as server:
        path.rename(path.with_name("old"))
        os.kill(server.pid, signal.SIGUSR1)
        expected = {str(path / name) for name in names}
        until(lambda: expected <= {*proc.descriptors(*server.workers()).values()}, "all are new")
        for name in asked:
            with Client(server.port) as client:
                client.send(request("/", host=name))
                assert client.response().status == 200
    for name in asked:
        assert requests_of(LogFile(path / name)) == ["GET / HTTP/1.1"]


def test_access_log_of_a_site_that_is_not_possible_is_refused_with_its_line(site: Path) -> None:
    sites: Any = [{"name": "a", "docroot": str(site), "access_log": "stdout"}]
    server = Daemon(site, sites=sites)
    done = server.run()
    assert done.returncode == 78
    why = "stdout is not possible here: a daemon has no standard output; give the path of a file"
    match = re.fullmatch(r"phttpd: (.*):(\d+): sites: access_log: (.*)\n", done.stderr)
    assert match
    assert (match[1], match[3]) == (str(server.config), why)
    assert "stdout" in server.config.read_text().splitlines()[int(match[2]) - 1]


# ---------------------------------------------------------------- standard output and the journal


def test_access_log_on_standard_output_is_not_verbose(site: Path) -> None:
    port = free_port()
    config = write_config(
        site.with_name("a.yaml"), docroot=str(site), port=port, access_log="stdout"
    )
    server = Foreground("-c", config, "--pidfile", site.with_name("a.pid"))
    try:
        until(lambda: not refused(port), "serving")
        assert ask(port, "/").status == 200
        assert server.stop() == 0
        assert [match[3] for match in requests_in(server.out.seen)] == ["GET / HTTP/1.1"]
        assert len(server.out.seen) == 1
        assert server.err.seen == []
    finally:
        server.kill()


def test_access_log_on_a_verbose_standard_output_has_each_request_once(site: Path) -> None:
    with foreground(site, access_log="stdout") as server:
        sent = hammer(server.port, 2, 50)
    assert marks(requests_in(server.out.seen)) == sent


def test_access_log_on_standard_output_beside_a_log_file(site: Path, tmp_path: Path) -> None:
    log = LogFile(tmp_path / "front.log")
    config = write_config(
        site.with_name("a.yaml"), docroot=str(site), port=0, host="127.0.0.1", access_log="stdout"
    )
    options = ("--verbose", "--log-file", log.path, "--pidfile", tmp_path / "a.pid")
    server = Foreground("-c", config, *options)
    try:
        port = int(log.wait_for(r"serving .* at http://[^/]*:(\d+)/")[1])
        ask(port, "/")
        assert server.stop() == 0
        assert len(requests_in(server.out.seen)) == len(server.out.seen) == 1
        assert len(requests_in(log.lines())) == 1
    finally:
        server.kill()


def test_access_log_on_standard_output_of_a_daemon_is_refused(site: Path) -> None:
    server = Daemon(site, access_log="stdout")
    done = server.run()
    assert (done.returncode, done.stdout) == (78, "")
    line = list(server.settings).index("access_log") + 1
    why = "stdout is not possible here: a daemon has no standard output; give the path of a file"
    assert done.stderr == f"phttpd: {server.config}:{line}: access_log: {why}\n"


@pytest.mark.parametrize("words", [(), ("--foreground",)])
def test_access_log_in_a_journal_that_is_not_there_is_refused(
    site: Path, words: tuple[str, ...]
) -> None:
    done = Daemon(site, access_log="journal").run(*words)
    assert done.returncode == 78
    assert "access_log: journal is not possible here: standard output does not lead" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_access_log_in_the_journal_has_only_requests(site: Path) -> None:
    config = write_config(site.with_name("a.yaml"), access_log="journal")
    with journaled(site, "-c", str(config), "--pidfile", str(site / "pid"), "--verbose") as said:
        port = int(said.wait_for(ADDRESS)[1])
        assert ask(port, "/").status == 200
    assert len([line for line in said.seen if '"GET / HTTP/1.1" 200 ' in line]) == 1


@pytest.mark.parametrize("value", [True, 5, "", ["a.log"]])
def test_access_log_of_a_wrong_value_is_refused_with_its_line(site: Path, value: bool) -> None:
    config = write_config(site.with_name("a.yaml"), docroot=str(site), access_log=value)
    done = run("-c", config, "--check")
    assert done.returncode == 78
    expected = "is not allowed here; expected a path, journal, stdout, or false for none"
    assert done.stderr == f"phttpd: {config}:2: access_log: {value!r} {expected}\n"


def test_access_log_that_cannot_be_opened_ends_a_start(site: Path) -> None:
    done = Daemon(site, access_log=str(site)).run()
    assert done.returncode == 71
    assert done.stderr == f"phttpd: cannot write the log file {site}: Is a directory\n"


# ---------------------------------------------------------------- signals and changes


def test_access_log_is_reopened_on_sigusr1_as_is_the_log(site: Path, access: LogFile) -> None:
    with daemon(site, access_log=str(access.path), verbose=True) as server:
        sent = hammer(server.port, 4, 50)
        old = access.path.with_suffix(".1")
        access.path.rename(old)
        server.log.path.rename(server.log.path.with_suffix(".1"))
        os.kill(server.pid, signal.SIGUSR1)
        everyone = {server.pid, *server.workers()}
        until(access.path.exists, "a new access log")
        until(lambda: logging_pids(server, access.path) == everyone, "all write to it")
        until(server.log_moved, "all write to the new log")
        size = old.stat().st_size
        more = hammer(server.port, 4, 50)
    assert old.stat().st_size == size
    lines = [*old.read_text().splitlines(), *access.lines()]
    assert marks(requests_in(lines)) == sent + more


def test_access_log_whose_directory_is_gone_is_kept_and_said_once(site: Path) -> None:
    directory = site.with_name("logs")
    with daemon(site, access_log=str(directory / "access.log")) as server:
        gone = LogFile(directory.rename(site.with_name("gone")) / "access.log")
        directory.write_text("no directory any more\n")
        os.kill(server.pid, signal.SIGUSR1)
        server.log.wait_for("error supervisor.*access.log.*going on with the file that is open")
        ask(server.port, "/after")
        gone.wait_for('"GET /after ')
    assert len(server.log.lines()) == 1


def test_access_log_on_a_full_disk_breaks_no_response_and_is_said_once(site: Path) -> None:
    with daemon(site, access_log="/dev/full", workers=1, threads=1) as server:
        for number in range(3):
            hammer(server.port, 2, 200, f"User-Agent: {'agent ' * 90}")
            assert ask(server.port, f"/{number}").status == 404
        server.log.wait_for("cannot write the access log /dev/full: No space left on device")
    assert server.log.text().count("cannot write") == 1


def test_reload_without_a_change_keeps_the_descriptor_of_the_access_log(
    site: Path, access: LogFile
) -> None:
    with daemon(site, access_log=str(access.path)) as server:
        hammer(server.port, 1, 1)
        old = access.path.with_suffix(".1")
        access.path.rename(old)  # a file of the name would be made if it were opened
        assert server.run("reload").returncode == 0
        assert not access.path.exists()
        hammer(server.port, 1, 1)
    assert len(requests_in(old.read_text().splitlines())) == 2


def test_reload_changes_the_access_log_and_leaves_nothing_open(site: Path) -> None:
    first, second = (LogFile(site.with_name(name)) for name in ("first.log", "second.log"))
    with daemon(site, access_log=str(first.path)) as server:
        ask(server.port, "/first")
        for target, writes in ((str(second.path), 3), (False, 0), (str(first.path), 3)):
            server.configure(access_log=target)
            assert server.run("reload").returncode == 0
            ask(server.port, f"/{target}")
            files = [Path(str(target))] if target else [first.path, second.path]
            assert sum(len(logging_pids(server, path)) for path in files) == writes
    assert requests_of(first) == ["GET /first HTTP/1.1", f"GET /{first.path} HTTP/1.1"]
    assert requests_of(second) == [f"GET /{second.path} HTTP/1.1"]


def test_reload_with_an_access_log_that_cannot_be_opened_changes_nothing(
    site: Path, access: LogFile
) -> None:
    with daemon(site, access_log=str(access.path)) as server:
        before = set(proc.descriptors(server.pid).items())
        for target in (str(site), "stdout"):
            server.configure(access_log=target, threads=3)
            assert server.run("reload").returncode in (71, 78)
        assert set(proc.descriptors(server.pid).items()) == before
        ask(server.port, "/after")
    assert requests_of(access) == ["GET /after HTTP/1.1"]


def test_reload_lets_downloads_finish_in_the_access_log_from_before(site: Path) -> None:
    """Also when that is rotated while the generation before drains."""
    with (site / "large").open("wb") as file:
        file.truncate(8 << 20)
    first, second = (LogFile(site.with_name(name)) for name in ("first.log", "second.log"))
    with (
        daemon(site, access_log=str(first.path)) as server,
        Client(server.port, receive_buffer=4096) as client,
    ):
        client.send(request("/large", "Connection: close"))
        client.head()
        server.configure(access_log=str(second.path))
        assert server.run("reload").returncode == 0
        first.path.rename(first.path.with_suffix(".1"))
        os.kill(server.pid, signal.SIGUSR1)
        until(first.path.exists, "the old one again")
        client.rest()
        first.wait_for('"GET /large ')
    assert requests_of(first) == ["GET /large HTTP/1.1"]
    assert requests_of(second) == []


def test_worker_that_takes_the_place_of_a_dead_one_has_the_access_log(
    site: Path, access: LogFile
) -> None:
    with daemon(site, access_log=str(access.path), workers=1) as server:
        access.path.rename(access.path.with_suffix(".1"))
        os.kill(server.pid, signal.SIGUSR1)
        until(access.path.exists, "a new access log")
        (worker,) = server.workers()
        with Process(worker) as dead:
            dead.signal(signal.SIGKILL)
            dead.wait()
        until(lambda: server.workers() not in ([], [worker]), "another worker")
        with suppress(ConnectionError):
            ask(server.port, "/lost")
        assert ask(server.port, "/").status == 200
    assert "GET / HTTP/1.1" in requests_of(access)


def test_upgrade_logs_each_request(site: Path, access: LogFile) -> None:
    with daemon(site, access_log=str(access.path)) as server:
        sent = hammer(server.port, 2, 20)
        assert server.run("upgrade").returncode == 0
        sent += hammer(server.port, 2, 20)
        assert server.run("stop").returncode == 0
    assert marks(requests_in(access.lines())) == sent


@pytest.mark.parametrize("signals", [1, 2])
def test_access_log_lines_are_there_after_the_end(
    site: Path, access: LogFile, signals: int
) -> None:
    with daemon(site, access_log=str(access.path)) as server:
        sent = hammer(server.port, 2, 50)
        with Process(server.pid) as supervisor:
            for _ in range(signals):
                supervisor.signal(signal.SIGTERM)
            supervisor.wait()
    assert marks(requests_in(access.lines())) == sent
