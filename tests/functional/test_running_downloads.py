"""Downloads by other programs, while the file or its name changes.

A client gets one version of the file, whole, as long as the server still has that version.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.process.events import until
from tests.support.require import command
from tests.support.server import DEADLINE, Server
from tests.support.tap import Tap

pytestmark = pytest.mark.debian("aria2", "curl", "wget")

SIZE = 60_000_000
"""More than all kernel buffers on the way hold."""
BEGUN = 1_000_000
"""Bytes that have come when it happens."""
OLD = random.Random(4).randbytes(SIZE)
NEW = random.Random(5).randbytes(SIZE)
CONNECTIONS = 4


def wget(url: str, out: Path) -> list[str]:
    """As people call it: it would go on by itself after a broken connection."""
    return [command("wget", "wget"), "-q", "--no-config", "--no-proxy", "-O", str(out), url]


def curl(url: str, out: Path) -> list[str]:
    return [command("curl", "curl"), "-sSq", "--noproxy", "*", "-o", str(out), url]


def aria2c(url: str, out: Path) -> list[str]:
    """Each of four connections has a fourth of the file, and none takes over what another has."""
    where = [f"--dir={out.parent}", f"--out={out.name}", "--file-allocation=none"]
    split = ["-x4", f"-s{CONNECTIONS}", "-k10M"]
    return [command("aria2c", "aria2"), "--no-conf", "-q", "--max-tries=1", *split, *where, url]


Client = Callable[[str, Path], list[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file below `current`, a link to the release that is served."""
    for release, content in ("1", OLD), ("2", NEW):
        path = tmp_path / "releases" / release / "large.bin"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        os.utime(path, (1_600_000_000, 1_600_000_000))
    (tmp_path / "current").symlink_to("releases/1")
    return tmp_path / "current" / "large.bin"


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    """Not `serve`: this one may say that a download was ended."""
    server = Server(file.parent)
    yield server
    server.kill()


def download(
    server: Server, client: Client, out: Path, event: Callable[[], object]
) -> tuple[int, list[str]]:
    """Run a client, and let something happen while it gets the file.

    Returns:
        Its exit status, and its requests.
    """

    def happen() -> None:
        connections = CONNECTIONS if client is aria2c else 1
        until(lambda: tap.answered == connections, "the server has opened the file for all")
        event()

    with Tap(server.port, BEGUN, happen, cuts=False) as tap:
        words = client(f"http://127.0.0.1:{tap.port}/large.bin", out)
        done = subprocess.run(words, timeout=DEADLINE, check=False)
    return done.returncode, tap.asked


def replace(file: Path) -> None:
    """As `mv new file`."""
    (file.parents[1] / "releases" / "2" / "large.bin").rename(file)


def switch(file: Path) -> None:
    """Put the next release in place, as deployments do."""
    link = file.parents[1] / "next"
    link.symlink_to("releases/2")
    link.rename(file.parent)


def append(file: Path) -> None:
    with file.open("ab") as log:
        log.write(b"more")


@pytest.mark.parametrize("client", [wget, curl, aria2c])
@pytest.mark.parametrize("event", [replace, switch, append, Path.touch, Path.unlink])
def test_download_is_finished_with_the_version_that_it_began_with(
    server: Server, file: Path, tmp_path: Path, client: Client, event: Callable[[Path], object]
) -> None:
    out = tmp_path / "out.bin"
    status, asked = download(server, client, out, lambda: event(file))
    assert status == 0
    assert out.read_bytes() == OLD
    assert len(asked) == (CONNECTIONS if client is aria2c else 1), "nothing was asked for again"


def overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(NEW)


def truncate(file: Path) -> None:
    os.truncate(file, SIZE // 2)


@pytest.mark.parametrize("event", [overwrite, truncate])
def test_download_of_a_file_that_is_changed_in_place_fails(
    server: Server, file: Path, tmp_path: Path, event: Callable[[Path], None]
) -> None:
    out = tmp_path / "out.bin"
    status, _ = download(server, curl, out, lambda: event(file))
    assert status == 18  # CURLE_PARTIAL_FILE
    assert out.stat().st_size < SIZE
    server.err.wait_for("large.bin changed during a download")
