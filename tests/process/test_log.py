"""The log: one whole line for each request, whatever happens to clients, disks and files."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.process.events import LogFile, Process, until
from tests.process.launch import (
    PHTTPD,
    ROOT,
    Daemon,
    Foreground,
    daemon,
    environment,
    foreground,
    free_port,
    refused,
    write_config,
)
from tests.process.load import connected
from tests.support import require
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE, READY, Lines

QUOTED = r'"((?:[ !#-\[\]-~]|\\x[0-9a-f]{2})*)"'
ACCESS = re.compile(
    r"(?P<peer>\S+) - - \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    rf"{QUOTED} (?P<status>\d{{3}}) (?P<body>\d+|-) {QUOTED} {QUOTED} (?P<seconds>\d+\.\d{{6}}) "
    r"(?P<sent>\d+)"
)
MESSAGE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (error|warning|notice|debug) "
    r"(supervisor|worker \d+|loop \d+\.\d+)\[\d+\]: \S[ -~]*"
)


def requests_in(lines: list[str]) -> list[re.Match[str]]:
    """Return the access lines among whole lines of a log; a line that is neither is an error."""
    strange = [ln for ln in lines if not ACCESS.fullmatch(ln) and not MESSAGE.fullmatch(ln)]
    assert strange == []
    return [match for line in lines if (match := ACCESS.fullmatch(line))]


def hammer(port: int, clients: int, count: int, *lines: str) -> Counter[str]:
    """Let clients ask in parallel, each its own URLs, and return the request lines they sent."""

    def run(who: int) -> None:
        with Client(port) as client:
            for number in range(count):
                path = f"/{'long' * (number % 40 * 10)}?{who}.{number}"
                assert client.ask(path, *lines).status in {200, 404}

    threads = [threading.Thread(target=run, args=(who,)) for who in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(f"{who}.{number}" for who in range(clients) for number in range(count))


def marks(matches: list[re.Match[str]]) -> Counter[str]:
    """Return what `hammer` put into the query of each request; a long target may be cut short."""
    found = (re.search(r"\?(\d+\.\d+)", match[3]) for match in matches)
    return Counter(match[1] for match in found if match)


# ---------------------------------------------------------------- lines


def test_one_whole_line_for_each_request_in_a_file(site: Path) -> None:
    with daemon(site, verbose=True, threads=4) as server:
        sent = hammer(server.port, 8, 200, f"User-Agent: {'agent ' * 60}")
    assert marks(requests_in(server.log.lines())) == sent


def test_one_whole_line_for_each_request_through_a_pipe(site: Path) -> None:
    with foreground(site, threads=4) as server:
        sent = hammer(server.port, 8, 200, f"User-Agent: {'agent ' * 60}")
    assert marks(requests_in(server.out.seen)) == sent


def test_lines_longer_than_the_pipe_takes_at_once(site: Path) -> None:
    nasty = "\xff" * 3000
    with foreground(site, threads=4) as server:
        fields = [f"User-Agent: {nasty}", f"Referer: {nasty}"]
        with connected(server.port, 8) as clients:
            for number in range(40):
                for client in clients:
                    client.send(request(f"/{'y' * 3000}?{number}", *fields))
                for client in clients:
                    assert client.response().status == 404
    assert len(requests_in(server.out.seen)) == 8 * 40


def test_a_line_tells_what_was_sent(site: Path) -> None:
    (site / "data.bin").write_bytes(b"x" * 5000)
    sent = []
    with foreground(site) as server:
        etag = ask(server.port, "/data.bin?first")["ETag"]
        for method, target, field, status, length in [
            ("GET", "/data.bin?a=1", "X: y", 200, 5000),
            ("HEAD", "/data.bin", "X: y", 200, 0),
            ("GET", "/data.bin", "Range: bytes=10-29", 206, 20),
            ("GET", "/data.bin", f"If-None-Match: {etag}", 304, 0),
            ("GET", "/missing", "X: y", 404, None),
            ("POST", "/data.bin", "Content-Length: 0", 405, None),
            ("BREW", "/data.bin", "X: y", 501, None),
        ]:
            with Client(server.port) as client:
                data = request(target, field, "Connection: close", method=method)
                client.send(data)
                got = client.rest()
            body = len(got) - got.index(b"\r\n\r\n") - 4
            assert length is None or body == length
            sent.append((f"{method} {target} HTTP/1.1", str(status), body, len(got)))
    seen = [
        (match[3], match["status"], int(match["body"].replace("-", "0")), int(match["sent"]))
        for match in requests_in(server.out.seen)
        if "first" not in match[3]
    ]
    assert sorted(seen) == sorted(sent)


def test_a_line_tells_who_and_when(site: Path) -> None:
    with foreground(site, env={"TZ": "Asia/Kolkata", "LC_ALL": "C"}) as server:
        # The time of day is looked at once a second, and is whole seconds.
        before = datetime.now(UTC) - timedelta(seconds=2)
        with Client(server.port) as client:
            client.ask("/", "Referer: http://example.org/", 'User-Agent: test/1 (of \\ "it")')
        after = datetime.now(UTC)
    (match,) = requests_in(server.out.seen)
    assert match["peer"] == "127.0.0.1"
    assert match[6] == "http://example.org/"
    assert match[7] == r"test/1 (of \x5c \x22it\x22)"
    assert before <= datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z") <= after
    assert float(match["seconds"]) < DEADLINE


def test_lines_of_json(site: Path) -> None:
    with daemon(site, verbose=True, access_log_format="json") as server:
        assert ask(server.port, "/?a", 'User-Agent: "me"').status == 200
        server.log.wait_for('"request":"GET /')
        [line] = [line for line in server.log.lines() if line.startswith("{")]
        found = json.loads(line)
    assert (found["peer"], found["status"], found["user_agent"]) == ("127.0.0.1", 200, '"me"')


def test_ipv6_clients_and_mapped_ones_are_named_plainly(site: Path) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with foreground(site, host="*") as server:
        for host in ["::1", "127.0.0.1"]:
            with Client(server.port, host=host) as client:
                client.ask("/")
    assert {match["peer"] for match in requests_in(server.out.seen)} == {"::1", "127.0.0.1"}


@pytest.mark.parametrize(
    "data",
    [
        b"GET /%0d%0a127.0.0.1%20-%20- HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x85\xe2\x80\xa8 HTTP/1.1\r\nHost: x\r\n\r\n",
        b'GET /"\\x22\\" HTTP/1.1\r\nHost: x\r\n\r\n',
        b'GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: "\\\x07\x7f\x9b31m\t\xff\r\n\r\n',
        b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\rforged - - line\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nReferer: a\nforged - - line\r\n\r\n",
        b"GET / HTTP/1.1\nforged - - line\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\r\n\r\n",
        b"\r\n\r\nGET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=range(10),
)
def test_clients_can_not_forge_lines_or_paint_terminals(site: Path, data: bytes) -> None:
    with foreground(site) as server, Client(server.port) as client:
        client.send(data)
        client.finish_sending()
        client.rest()
    assert len(requests_in(server.out.seen)) == 1
    assert not any(line.startswith("forged") for line in server.out.seen)


def test_header_timeout_is_logged_without_a_request(site: Path) -> None:
    with foreground(site, header_timeout="1s") as server, Client(server.port) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert client.response().status == 408
    (match,) = requests_in(server.out.seen)
    assert match["status"] == "408"


def test_every_close_has_its_reason(site: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 << 20)
    with foreground(site, keepalive_timeout="1s") as server:

        def closed(client: Client, reason: str) -> None:
            who = rf"connection 127\.0\.0\.1:{client.socket.getsockname()[1]}"
            server.out.wait_for(rf"debug loop \d\.\d\[\d+\]: {who} closed: {reason}$")

        with Client(server.port) as client:
            client.ask("/")
            client.finish_sending()
            closed(client, "client closed")

        with Client(server.port) as client:
            client.ask("/", "Connection: close")
            client.rest()
            closed(client, "answered")

        with Client(server.port) as client:
            client.send(b"nonsense\r\n\r\n")
            client.rest()
            client.finish_sending()
            closed(client, "bad request")

        with Client(server.port) as client:
            client.ask("/")
            closed(client, "keep-alive timeout")

        with Client(server.port, receive_buffer=4096) as client:
            client.send(request("/large"))
            client.head()
            port = client.socket.getsockname()[1]
        # It was closed with bytes unread: the kernel has sent a reset.
        server.out.wait_for(rf"127\.0\.0\.1:{port} closed: client (reset|closed)$")

        with Client(server.port) as client:
            client.ask("/")
            server.signal(signal.SIGTERM)
            closed(client, "drain")


# ---------------------------------------------------------------- when lines are written


def test_lines_come_without_more_requests(site: Path) -> None:
    with daemon(site, verbose=True) as server:
        ask(server.port, "/alone")
        server.log.wait_for('"GET /alone HTTP/1.1" 404 ')


@pytest.mark.parametrize("signals", [1, 2])
def test_lines_are_there_after_the_end(site: Path, signals: int) -> None:
    with daemon(site, verbose=True) as server:
        sent = hammer(server.port, 2, 50)
        with Process(server.pid) as supervisor:
            for _ in range(signals):
                supervisor.signal(signal.SIGTERM)
            supervisor.wait()
    assert marks(requests_in(server.log.lines())) == sent


def test_download_that_a_second_signal_cuts_has_its_line(site: Path) -> None:
    with (site / "large").open("wb") as file:
        file.truncate(64 << 20)
    with (
        foreground(site, errors="was cut") as server,
        Client(server.port, receive_buffer=4096) as client,
    ):
        client.send(request("/large"))
        client.head()
        server.signal(signal.SIGTERM)
        server.out.wait_for("draining")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    (match,) = requests_in(server.out.seen)
    assert match[3] == "GET /large HTTP/1.1"
    assert int(match["sent"]) < 64 << 20


def test_a_quiet_daemon_logs_no_requests(site: Path) -> None:
    with daemon(site) as server:
        for path in ["/", "/missing"]:
            ask(server.port, path)
    assert server.log.text() == ""


def test_sigusr1_reopens_the_file(site: Path) -> None:
    with daemon(site, verbose=True) as server:
        sent = hammer(server.port, 4, 50)
        old = server.log.path.with_suffix(".1")
        server.log.path.rename(old)
        os.kill(server.pid, signal.SIGUSR1)
        # Until then, lines may go to the old file.
        until(server.log_moved, "all loops write to the new file")
        size = old.stat().st_size
        more = hammer(server.port, 4, 50)
    assert old.stat().st_size == size
    assert (
        marks(requests_in(old.read_text().splitlines())) + marks(requests_in(server.log.lines()))
        == sent + more
    )


def test_reopen_where_the_directory_is_gone_keeps_the_old_file(site: Path) -> None:
    directory = site.with_name("logs")
    directory.mkdir()
    with daemon(site, verbose=True, log_file=str(directory / "phttpd.log")) as server:
        gone = directory.rename(site.with_name("gone"))
        directory.write_text("no directory any more\n")
        os.kill(server.pid, signal.SIGUSR1)
        log = LogFile(gone / "phttpd.log")
        log.wait_for("error supervisor.*phttpd.log")
        ask(server.port, "/after")
        log.wait_for('"GET /after ')


# ---------------------------------------------------------------- trouble


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is full soon."""
    require.root()
    directory = tmp_path / "small"
    directory.mkdir()
    mount = [require.command("mount", "mount"), "-t", "tmpfs", "-o", "size=8m", "phttpd-test"]
    if subprocess.run([*mount, str(directory)], capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount here")
    yield directory
    subprocess.run([require.command("umount", "mount"), "--lazy", str(directory)], check=True)


@pytest.mark.root
def test_full_disk(site: Path, small_disk: Path) -> None:
    log = LogFile(small_disk / "phttpd.log")
    with daemon(site, verbose=True, log_file=str(log.path), workers=1, threads=1) as server:
        ask(server.port, "/first")
        log.wait_for('"GET /first ')
        filler = small_disk / "filler"
        fill(filler)
        long = [f"{name}: {'agent ' * 100}" for name in ("User-Agent", "Referer")]
        sent = hammer(server.port, 4, 300, *long)
        assert ask(server.port, "/").status == 200
        filler.unlink()

        def written_again() -> bool:
            return ask(server.port, "/after").status == 404 and '"GET /after ' in log.text()

        until(written_again, "lines again")
    lines = log.lines()
    found = marks(requests_in(lines))
    assert found <= sent, "a line came twice"
    if found != sent:
        assert re.search(r"lost", log.text()), "it did not say that lines were lost"
        lost = sum(int(number) for number in re.findall(r"lines lost: (\d+)", log.text()))
        assert lost >= sum((sent - found).values())


def fill(filler: Path) -> None:
    """Fill a disk to the last block."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


@pytest.mark.root
def test_full_disk_from_the_start_to_the_end(site: Path, small_disk: Path) -> None:
    fill(small_disk / "filler")
    log = small_disk / "phttpd.log"
    with daemon(site, verbose=True, log_file=str(log)) as server:
        hammer(server.port, 2, 100, f"User-Agent: {'agent ' * 100}")
        assert ask(server.port, "/").status == 200


def test_console_that_nobody_reads_holds_no_one_up(site: Path) -> None:
    port = free_port()
    config = write_config(
        site.with_name("a.yaml"),
        docroot=str(site),
        host="127.0.0.1",
        port=port,
        pidfile="a.pid",
    )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*PHTTPD, "--foreground", "--verbose", "-c", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment(),
    )
    os.close(writer)
    try:
        until(lambda: process.poll() is not None or not refused(port), "serving")
        hammer(port, 8, 200, f"User-Agent: {'agent ' * 100}")  # far more than the pipe holds
        for _ in range(100):  # and each of these is worth a line for its end
            assert ask(port, "/").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def start_with_console(site: Path, port: int, console: socket.socket) -> subprocess.Popen[bytes]:
    """Start a server that logs to a socket."""
    config = write_config(
        site.with_name("a.yaml"), docroot=str(site), host="127.0.0.1", port=port, pidfile="a.pid"
    )
    return subprocess.Popen(
        [*PHTTPD, "--foreground", "--verbose", "-c", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=console.fileno(),
        stderr=console.fileno(),
        cwd=ROOT,
        env=environment(),
    )


def test_socket_that_nobody_reads_holds_no_one_up(site: Path) -> None:
    """It cannot be opened again, as a pipe can; what it holds stays as it was inherited."""
    port = free_port()
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    process = start_with_console(site, port, writer)
    try:
        until(lambda: process.poll() is not None or not refused(port), "serving")
        hammer(port, 8, 200, f"User-Agent: {'agent ' * 100}")  # far more than it holds
        for _ in range(100):
            assert ask(port, "/").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert writer.getblocking()
        writer.close()
        with reader, reader.makefile("r") as lines:
            found = [line.rstrip("\n") for line in lines]
        assert requests_in(found[:-1])
    finally:
        process.kill()
        process.wait()
        writer.close()
        reader.close()


def test_socket_that_is_read_gets_every_line(site: Path) -> None:
    port = free_port()
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    process = start_with_console(site, port, writer)
    writer.close()
    try:
        lines = Lines(reader.makefile("r"))
        lines.wait_for(READY)
        sent = hammer(port, 4, 100)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert marks(requests_in(lines.rest())) == sent
    finally:
        process.kill()
        process.wait()
        reader.close()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_devices(site: Path, device: str) -> None:
    server = Daemon(site, verbose=True, log_file=device)
    server.start()
    hammer(server.port, 4, 100, f"User-Agent: {'agent ' * 100}")
    assert ask(server.port, "/").status == 200
    assert server.run("stop").returncode == 0


def test_limit_of_file_sizes(site: Path) -> None:
    server = Daemon(site, verbose=True)
    server.start(prefix=[require.command("prlimit", "util-linux"), "--fsize=200000"])
    hammer(server.port, 4, 200, f"User-Agent: {'agent ' * 100}")
    assert ask(server.port, "/").status == 200
    assert server.run("stop").returncode == 0
    assert server.log.path.stat().st_size <= 200000
    requests_in(server.log.lines())


def test_log_file_in_the_foreground_leaves_the_console_silent(site: Path, tmp_path: Path) -> None:
    log = LogFile(tmp_path / "front.log")
    server = Foreground(
        *("--base", site, "--host", "127.0.0.1", "--port", str(free_port()), "--verbose"),
        *("--pidfile", tmp_path / "front.pid", "--log-file", log.path),
    )
    try:
        port = int(log.wait_for(READY.pattern)[1])
        assert ask(port, "/missing").status == 404
        assert server.stop() == 0
        assert (server.out.seen, server.err.seen) == ([], [])
        assert len(requests_in(log.lines())) == 1
    finally:
        server.kill()


def test_a_fifo_that_nobody_reads_holds_nobody_up(site: Path) -> None:
    fifo = site.parent / "fifo"
    os.mkfifo(fifo)
    (site.parent / "phttpd.log").touch()
    with daemon(site, "--verbose", log_file=str(fifo), workers=1, threads=1) as server:
        for number in range(200):  # a pipe holds 64 KiB
            assert ask(server.port, f"/{number}{'x' * 1000}").status == 404
        assert server.run("stop").returncode == 0
