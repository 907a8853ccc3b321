"""``phttpd DIR``, for the person who edits what is in the directory."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from httpd.network.addresses import machine_addresses
from tests.process.launch import Foreground, free_port, run
from tests.process.test_terminal import Screen, at_terminal
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE


@contextmanager
def preview(*words: str | Path, port: str | None = "0") -> Iterator[Foreground]:
    """Run a verbose preview for a `with` block."""
    chosen = [] if port is None else ["--port", port]
    server = Foreground(*words, "--verbose", *chosen)
    try:
        server.wait_until_ready()
        yield server
        assert server.stop() == 0
        assert server.err.rest() == []
    finally:
        server.kill()


@contextmanager
def busy(port: int) -> Iterator[None]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield


def test_preview_has_browsers_ask_again_and_lists_directories(site: Path) -> None:
    (site / "empty").mkdir()
    with preview(site) as server:
        page = ask(server.port, "/")
        assert page["cache-control"] == "no-cache"
        expires = parsedate_to_datetime(page["expires"])
        assert expires - parsedate_to_datetime(page["date"]) == timedelta(hours=12)
        assert ask(server.port, "/empty/").status == 200
        assert ask(server.port, "/missing").status == 404


def test_preview_serves_what_was_just_written(site: Path) -> None:
    """Each request reads the disk: other servers may use a cached response within a second."""
    with preview(site) as server, Client(server.port) as client:
        for number in range(20):
            (site / "index.html").write_text(f"version {number}")
            (site / "dir" / str(number)).mkdir(parents=True)
            assert client.ask("/").body == f"version {number}".encode()
            assert f'href="{number}/"' in client.ask("/dir/").body.decode()


def test_directory_of_an_option_is_served_as_without_a_preview(site: Path) -> None:
    (site / "empty").mkdir()
    with preview("--base", site, "--host", "127.0.0.1") as server:
        assert ask(server.port, "/")["cache-control"] == "max-age=43200"
        assert ask(server.port, "/empty/").status == 403


def test_preview_is_for_this_machine_until_it_is_told_otherwise(site: Path) -> None:
    with preview(site) as server, socket.socket() as client:
        assert ask(server.port, "/").status == 200
        for address in machine_addresses()[:1]:
            assert client.connect_ex((address, server.port)) != 0
    with preview(site, "--lan") as server, socket.socket() as client:
        for address in machine_addresses()[:1]:
            assert client.connect_ex((address, server.port)) == 0


def test_preview_refuses_names_that_another_site_may_have_given(site: Path) -> None:
    """Otherwise a page of that site could read the files by DNS rebinding."""
    machine = socket.gethostname().upper()
    label = machine.partition(".")[0]
    with preview(site) as server:
        port = server.port

        def status_of(host: str | None, target: str = "/", version: str = "HTTP/1.1") -> int:
            with Client(port) as client:
                client.send(request(target, host=host, version=version))
                return client.response().status

        own = [f"localhost:{port}", "a.localhost.", f"127.0.0.1:{port}", f"[::1]:{port}"]
        for host in *own, "192.0.2.7", machine, f"{label}.local.:{port}":
            assert status_of(host) == 200
        assert status_of(None, version="HTTP/1.0") == 200
        for host in "attacker.example", f"localhost.attacker.example:{port}":
            assert status_of(host) == 421
            assert status_of("localhost", f"http://{host}/") == 421
            assert status_of(host, "http://localhost/") == 200


def test_preview_has_one_loop_unless_it_is_told_otherwise(site: Path) -> None:
    with preview(site) as server:
        assert "with 1 workers of 1 loops" in server.out.seen[-1]
    with preview(site, "--workers", "2", "--threads", "3") as server:
        assert "with 2 workers of 3 loops" in server.out.seen[-1]


def test_preview_takes_the_next_port_if_the_usual_one_is_taken(site: Path) -> None:
    with preview(site, port=None) as first, preview(site, port=None) as second:
        assert 8080 <= first.port < second.port < 8180
        assert ask(second.port, "/").status == 200


def test_preview_keeps_its_port_in_a_reload_and_an_upgrade(site: Path) -> None:
    server = Foreground(site, "--verbose")
    try:
        server.wait_until_ready()
        server.signal(signal.SIGHUP)
        server.out.wait_for(rf"at http://[^/]*:{server.port}/.* with 1 workers")
        server.out.wait_for("reloaded")
        assert ask(server.port, "/")["cache-control"] == "no-cache"
        server.signal(signal.SIGUSR2)
        server.out.wait_for(rf"at http://[^/]*:{server.port}/.* with 1 workers")
        successor = int(server.out.wait_for(r"upgraded: pid (\d+)")[1])
        assert ask(server.port, "/")["cache-control"] == "no-cache"
        os.kill(successor, signal.SIGTERM)
        assert server.wait() == 0
    finally:
        server.kill()


def test_port_that_was_asked_for_and_is_taken_is_an_error_with_advice(site: Path) -> None:
    port = free_port()
    with busy(port):
        done = run(site, "--port", str(port))
    assert (done.returncode, done.stdout) == (69, "")
    assert f"cannot listen on 127.0.0.1:{port}: already in use" in done.stderr
    assert done.stderr.endswith("; give another --port, or none for the next free one\n")


@pytest.mark.parametrize("words", [["--lan"], ["--open"]])
@pytest.mark.parametrize("mode", [["--base", "."], ["--config", "a", "."], [".", "--daemon"]])
def test_option_of_a_preview_is_refused_elsewhere(words: list[str], mode: list[str]) -> None:
    done = run(*mode, *words)
    assert done.returncode == 64
    text = f"phttpd: {words[0]} goes with a directory, without --config and --daemon;"
    assert done.stderr.startswith(text)


def test_addresses_are_said_once(site: Path) -> None:
    done = run(site, "--lan", "--host", "127.0.0.1")
    assert done.returncode == 64
    assert done.stderr.startswith("phttpd: --lan does not go with --host")


def test_file_is_refused_with_its_directory(site: Path) -> None:
    (site / "a.html").touch()
    done = run("a.html", cwd=site)
    assert done.returncode == 64
    assert "'a.html' is a file; phttpd serves a directory, such as '.'" in done.stderr
    assert f"such as '{site}'" in run(site / "a.html").stderr


def test_directory_that_is_called_like_a_command_is_mentioned(site: Path) -> None:
    (site / "status").mkdir()
    pidfile = site / "none.pid"
    with at_terminal("status", "--pidfile", pidfile, cwd=site) as (process, screen):
        assert "phttpd: 'status' is the command; the directory is ./status" in screen.rest()
        assert process.wait(DEADLINE) == 3


def test_requests_are_said_in_short_lines(site: Path) -> None:
    with preview(site) as server:
        ask(server.port, "/")
        ask(server.port, "/missing")
        line = r"^127\.0\.0\.1 \d\d:\d\d:\d\d {} 0\.\d\d\d s, "
        server.out.wait_for(line.format("200 GET /") + "9 bytes$")
        server.out.wait_for(line.format("404 GET /missing"))
    assert "closed" not in "".join(server.out.seen)


def said(screen: Screen, process_group: int) -> str:
    screen.wait_for("serving .*\n")
    os.killpg(process_group, signal.SIGINT)
    return screen.rest()


@pytest.mark.parametrize(
    ("rows", "columns", "more", "draws"),
    [
        (40, 80, {"PYTHONUTF8": "1"}, True),
        (40, 20, {"PYTHONUTF8": "1"}, False),
        (10, 80, {"PYTHONUTF8": "1"}, False),
        (40, 80, {"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}, False),
    ],
)
def test_address_for_other_devices_is_a_qr_code_where_the_terminal_can(
    site: Path, rows: int, columns: int, more: dict[str, str], draws: bool
) -> None:
    if not machine_addresses():
        pytest.skip("this machine has no address but loopback")
    more = {"TERM": "xterm", **more}
    with at_terminal(site, "--lan", "--port", "0", size=(rows, columns), env=more) as (
        process,
        screen,
    ):
        text = said(screen, process.pid)
    assert ("▀" in text) == draws
    assert ("\x1b[97;40m█" in text) == draws


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_qr_code_has_no_colours_where_they_are_not_wanted(
    site: Path, name: str, value: str
) -> None:
    more = {"PYTHONUTF8": "1", name: value}
    with at_terminal(site, "--lan", "--port", "0", size=(40, 80), env=more) as (process, screen):
        assert "\x1b" not in said(screen, process.pid)


def test_preview_of_this_machine_says_how_others_reach_it(site: Path) -> None:
    with at_terminal(site, "--port", "0", size=(40, 80)) as (process, screen):
        text = said(screen, process.pid)
    assert "phttpd: only this machine reaches it; --lan serves the network as well\n" in text
    assert re.search(r"until Ctrl-C: http://(localhost|127\.0\.0\.1):\d+/\n", text)
    assert "█" not in text


@pytest.mark.parametrize("form", ["{}", "{} -x %s"])
def test_open_starts_the_browser_with_the_address(site: Path, tmp_path: Path, form: str) -> None:
    fifo, browser = tmp_path / "fifo", tmp_path / "browser"
    os.mkfifo(fifo)
    browser.write_text(f'#!/bin/sh\necho "$@" > {fifo}\n')
    browser.chmod(0o755)
    port = str(free_port())
    more = {"BROWSER": form.format(browser)}
    with at_terminal(site, "--port", port, "--open", env=more) as (process, screen):
        opened = fifo.read_text()
        said(screen, process.pid)
    assert re.fullmatch(rf"(-x )?http://(localhost|127\.0\.0\.1):{port}/\n", opened)


@pytest.mark.parametrize(
    ("browser", "why"),
    [
        ("/nowhere/browser", "cannot start /nowhere/browser: No such file or directory"),
        ('"/nowhere/browser', "the environment variable BROWSER: No closing quotation"),
    ],
)
def test_browser_that_cannot_be_started_is_no_reason_to_end(
    site: Path, browser: str, why: str
) -> None:
    more = {"BROWSER": browser}
    with at_terminal(site, "--port", "0", "--open", env=more) as (process, screen):
        screen.wait_for(rf"phttpd: {why}; open http://\S+ yourself")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE) == 0
