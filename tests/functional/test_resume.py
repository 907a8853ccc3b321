"""Interrupted downloads, resumed by other programs, also when the file has changed since.

A server can tell that the rest would not fit only if the request has If-Range (RFC 9110 §13.1.5).
The test of each client shows its requests, and the file that it ends with.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.raw import ask
from tests.support.require import command
from tests.support.server import DEADLINE, Server
from tests.support.tap import Tap

pytestmark = pytest.mark.debian("aria2", "curl", "wget")

OLD = random.Random(1).randbytes(3_000_000)
NEW = random.Random(2).randbytes(3_500_000)
CUT = 1_500_000
"""Bytes after which a download is interrupted."""
YESTERDAY = 1_600_000_000

Client = Callable[[str, Path], list[str]]


def curl(url: str, out: Path) -> list[str]:
    return [command("curl", "curl"), "-sSq", "--noproxy", "*", "-C", "-", "-o", str(out), url]


def wget(url: str, out: Path) -> list[str]:
    program = command("wget", "wget")
    return [program, "-q", "--no-config", "--no-proxy", "--tries=1", "-c", "-O", str(out), url]


def aria2c(url: str, out: Path) -> list[str]:
    program = command("aria2c", "aria2")
    where = [f"--dir={out.parent}", f"--out={out.name}"]
    return [program, "--no-conf", "-q", "--max-tries=1", "-c", "-x16", "-s16", "-k1M", *where, url]


def run(*words: str) -> int:
    done = subprocess.run(
        words, check=False, stdout=subprocess.DEVNULL, timeout=DEADLINE, env={"HOME": "/nowhere"}
    )
    return done.returncode


def sha256(content: bytes | Path) -> str:
    if isinstance(content, Path):
        content = content.read_bytes()
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(docroot: Path, tmp_path: Path) -> Path:
    """A file that no other test knows, as a change of a small one is seen only after a second."""
    path = docroot / f"{tmp_path.name}.bin"
    path.write_bytes(OLD)
    os.utime(path, (YESTERDAY, YESTERDAY))
    return path


def change(file: Path, content: bytes = NEW) -> None:
    other = file.with_name("other.bin")
    other.write_bytes(content)
    other.rename(file)


def interrupt(server: Server, file: Path, client: Client, out: Path) -> int:
    """Begin a download that breaks off, and return how much of it has come."""
    with Tap(server.port, room=CUT) as tap:
        assert run(*client(f"http://127.0.0.1:{tap.port}/{file.name}", out)) != 0
    begun = out.read_bytes()
    assert 0 < len(begun) < len(OLD)
    return len(begun)


def resume(server: Server, file: Path, client: Client, out: Path, *options: str) -> tuple[int, str]:
    """Go on with a download, and return the client's status and all that it asked."""
    with Tap(server.port) as tap:
        program, *words = client(f"http://127.0.0.1:{tap.port}/{file.name}", out)
        status = run(program, *options, *words)
    return status, "".join(tap.asked)


@pytest.mark.parametrize("client", [curl, wget, aria2c])
def test_resumed_download_fetches_the_rest(
    server: Server, file: Path, tmp_path: Path, client: Client
) -> None:
    out = tmp_path / "out.bin"
    size = interrupt(server, file, client, out)
    status, asked = resume(server, file, client, out)
    assert status == 0
    assert sha256(out) == sha256(OLD)
    assert "Range: bytes=0-" not in asked
    if client is not aria2c:
        assert f"\r\nRange: bytes={size}-\r\n" in asked


# ---------------------------------------------------------------- when the file has changed


@pytest.mark.parametrize("client", [curl, wget])
def test_resumed_download_of_a_changed_file_without_a_validator_is_wrong(
    server: Server, file: Path, tmp_path: Path, client: Client
) -> None:
    """`curl -C -` and `wget -c` request the rest of the present file, and get it."""
    out = tmp_path / "out.bin"
    size = interrupt(server, file, client, out)
    change(file)
    status, asked = resume(server, file, client, out)
    assert re.findall(r"(?m)^If-.*", asked) == []
    assert status == 0
    assert sha256(out) == sha256(OLD[:size] + NEW[size:])


@pytest.mark.parametrize("client", [curl, wget])
def test_resumed_download_of_a_shorter_file_adds_nothing(
    server: Server, file: Path, tmp_path: Path, client: Client
) -> None:
    out = tmp_path / "out.bin"
    size = interrupt(server, file, client, out)
    change(file, NEW[:1000])
    resume(server, file, client, out)
    assert sha256(out) == sha256(OLD[:size])


def test_curl_with_an_old_validator_gets_the_whole(
    server: Server, file: Path, tmp_path: Path
) -> None:
    """It does not accept the whole file in place of the rest; the user starts over."""
    out = tmp_path / "out.bin"
    condition = f"If-Range: {ask(server.port, f'/{file.name}')['ETag']}"
    size = interrupt(server, file, curl, out)
    change(file)
    status, asked = resume(server, file, curl, out, "-H", condition)
    assert condition in asked
    assert status == 33  # CURLE_RANGE_ERROR
    assert sha256(out) == sha256(OLD[:size])
    out.unlink()
    assert resume(server, file, curl, out)[0] == 0
    assert sha256(out) == sha256(NEW)


def test_curl_with_a_right_validator_gets_the_rest(
    server: Server, file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.bin"
    condition = f"If-Range: {ask(server.port, f'/{file.name}')['ETag']}"
    interrupt(server, file, curl, out)
    status, _ = resume(server, file, curl, out, "-H", condition)
    assert status == 0
    assert sha256(out) == sha256(OLD)


def test_wget_that_asks_for_newer_files_gets_changes(
    server: Server, file: Path, tmp_path: Path
) -> None:
    """`wget -N` sends If-Modified-Since and fetches the whole."""
    out = tmp_path / file.name
    interrupt(server, file, wget, out)
    os.utime(out, (YESTERDAY, YESTERDAY))
    change(file)
    with Tap(server.port) as tap:
        url = f"http://127.0.0.1:{tap.port}/{file.name}"
        options = ["-q", "--no-config", "--no-proxy", "-N", "-P", str(tmp_path)]
        assert run(command("wget", "wget"), *options, url) == 0
        assert run(command("wget", "wget"), *options, url) == 0
    first, second = tap.asked
    assert "\r\nIf-Modified-Since: Sun, 13 Sep 2020 12:26:40 GMT\r\n" in first
    assert "\r\nIf-Modified-Since: " in second  # which is answered 304
    assert sha256(out) == sha256(NEW)


def test_aria2c_goes_by_the_size(server: Server, file: Path, tmp_path: Path) -> None:
    """It sends no condition either, but refuses a file of another size; the user starts over."""
    out = tmp_path / "out.bin"
    size = interrupt(server, file, aria2c, out)
    begun = out.read_bytes()
    change(file)
    status, asked = resume(server, file, aria2c, out)
    assert re.findall(r"(?m)^If-.*", asked) == []
    assert status != 0
    assert size and out.read_bytes() == begun
    out.unlink()
    out.with_name("out.bin.aria2").unlink()
    assert resume(server, file, aria2c, out)[0] == 0
    assert sha256(out) == sha256(NEW)


def test_aria2c_with_a_checksum(server: Server, file: Path, tmp_path: Path) -> None:
    """Without a checksum, another file of the same size is not noticed."""
    out = tmp_path / "out.bin"
    interrupt(server, file, aria2c, out)
    new = NEW[: len(OLD)]
    change(file, new)
    assert resume(server, file, aria2c, out, f"--checksum=sha-256={sha256(new)}")[0] != 0


@pytest.mark.parametrize("is_changed", [False, True])
def test_python_resumes_by_range_and_if_range(server: Server, file: Path, is_changed: bool) -> None:
    url = f"{server.url}/{file.name}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=DEADLINE) as response:
        begun = response.read(CUT)
        condition = response.headers["ETag"]
    if is_changed:
        change(file)
    fields = {"Range": f"bytes={len(begun)}-", "If-Range": condition}
    with opener.open(urllib.request.Request(url, headers=fields), timeout=DEADLINE) as response:
        if is_changed:
            assert response.status == 200
            assert sha256(response.read()) == sha256(NEW)
        else:
            assert response.status == 206
            assert sha256(begun + response.read()) == sha256(OLD)


# ---------------------------------------------------------------- several at once


def test_aria2c_fetches_sixteen_ranges_at_once(
    server: Server, docroot: Path, tmp_path: Path
) -> None:
    content = random.Random(3).randbytes(64 << 20)
    (docroot / "large.bin").write_bytes(content)
    out = tmp_path / "out.bin"
    with Tap(server.port) as tap:
        assert run(*aria2c(f"http://127.0.0.1:{tap.port}/large.bin", out)) == 0
    (docroot / "large.bin").unlink()
    assert sha256(out) == sha256(content)
    first, *others = tap.asked
    assert "\r\nRange: " not in first  # the request for the size goes on as the first of sixteen
    ranges = {match[1] for head in others if (match := re.search(r"Range: bytes=(\d+)-", head))}
    assert len(ranges) >= 15


def test_curl_puts_parts_together(server: Server, file: Path, tmp_path: Path) -> None:
    step = -(-len(OLD) // 4)
    words = [command("curl", "curl"), "-sSq", "--noproxy", "*", "-Z"]
    parts = [tmp_path / str(number) for number in range(4)]
    for number, part in enumerate(parts):
        words += ["--next"] if number else []
        words += ["-r", f"{number * step}-{(number + 1) * step - 1}"]
        words += ["-o", str(part), f"{server.url}/{file.name}"]
    assert run(*words) == 0
    assert sha256(b"".join(part.read_bytes() for part in parts)) == sha256(OLD)


def test_curl_fetches_many_at_once(server: Server, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "#1.bin"
    words = [command("curl", "curl"), "-sSq", "--noproxy", "*", "-Z", "--parallel-max", "50"]
    assert run(*words, "-o", str(out), f"{server.url}/{file.name}?[1-50]") == 0
    assert {sha256(path) for path in tmp_path.iterdir()} == {sha256(OLD)}
    assert len(list(tmp_path.iterdir())) == 50


def test_curl_asks_for_a_compressed_form(server: Server, docroot: Path, tmp_path: Path) -> None:
    content = b"".join(b"%08d\n" % number for number in range(100_000))
    (docroot / "numbers.txt").write_bytes(content)
    (docroot / "numbers.txt.gz").write_bytes(gzip.compress(content))
    out, head = tmp_path / "out", tmp_path / "head"
    words = [command("curl", "curl"), "-sSq", "--noproxy", "*", "--compressed"]
    assert run(*words, "-D", str(head), "-o", str(out), f"{server.url}/numbers.txt") == 0
    assert "\nContent-Encoding: gzip" in head.read_text()
    assert sha256(out) == sha256(content)
