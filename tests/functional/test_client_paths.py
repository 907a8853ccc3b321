"""Paths as other people's clients send them: with dot segments, and with bytes beyond ASCII."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.functional.site import GUIDE
from tests.support.require import command
from tests.support.server import DEADLINE, Server

pytestmark = pytest.mark.debian("apache2-utils", "apt", "aria2", "busybox", "curl", "dpkg", "lftp")

GREEN = "grün.txt"
CONTENT = b"what is in that file"

CONTROL = """\
Package: phttpd-test
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: a package with nothing in it
"""


def run(*arguments: str, **more: str) -> bytes:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(
        arguments,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        env={**os.environ, "no_proxy": "*", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **more},
    )
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture(scope="module")
def green(docroot: Path) -> Path:
    path = docroot / GREEN
    path.write_bytes(CONTENT)
    return path


# ---------------------------------------------------------------- dot segments


def make_flat_repository(directory: Path, scratch: Path) -> None:
    """Make a repository of one package, whose index names it as dpkg-scanpackages does."""
    tree = scratch / "tree" / "DEBIAN"
    tree.mkdir(parents=True)
    (tree / "control").write_text(CONTROL)
    directory.mkdir()
    package = directory / "phttpd-test_1.0_all.deb"
    run(
        command("dpkg-deb", "dpkg"), "--root-owner-group", "--build", str(tree.parent), str(package)
    )
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    index = (
        f"{CONTROL}Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"
    )
    (directory / "Packages").write_text(index)
    with gzip.open(directory / "Packages.gz", "wt") as packed:
        packed.write(index)


def test_apt_installs_from_a_flat_repository(server: Server, docroot: Path, tmp_path: Path) -> None:
    """`deb URL ./` makes apt ask for /apt/./Packages, and then for /apt/./the-package.deb."""
    apt = command("apt-get", "apt")
    make_flat_repository(docroot / "apt", tmp_path)
    root = tmp_path / "root"
    for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/dpkg", "var/log/apt"):
        (root / name).mkdir(parents=True)
    for name in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] {server.url}/apt ./\n")
    config = tmp_path / "apt.conf"
    config.write_text(
        f'Dir "{root}"; Dir::State::status "{root}/var/lib/dpkg/status";\n'
        'APT::Sandbox::User "root"; Acquire::http::Proxy "DIRECT"; Acquire::Languages "none";\n'
    )
    run(apt, "update", APT_CONFIG=str(config))
    run(apt, "install", "--download-only", "--yes", "phttpd-test", APT_CONFIG=str(config))
    loaded = root / "var/cache/apt/archives/phttpd-test_1.0_all.deb"
    assert loaded.read_bytes() == (docroot / "apt" / loaded.name).read_bytes()
    server.out.wait_for(r'"GET /apt/\./Packages\S* HTTP/1\.1" 200')
    server.out.wait_for(r'"GET /apt/\./phttpd-test_1\.0_all\.deb HTTP/1\.1" 200')


@pytest.mark.parametrize("path", ["/docs/./guide.html", "/bare/../docs/guide.html"])
def test_dot_segments_that_clients_do_not_remove_lead_to_the_file(
    server: Server, tmp_path: Path, path: str
) -> None:
    url = f"{server.url}{path}"
    asked = f'"GET {path.replace(".", "[.]")} HTTP'
    busybox = command("busybox", "busybox")
    assert run(busybox, "wget", "-q", "-O", "-", url) == GUIDE
    server.out.wait_for(f"{asked}.*Wget")
    aria2 = command("aria2c", "aria2")
    run(aria2, "--no-conf", "--quiet", f"--dir={tmp_path}", "--out=aria2", url)
    assert (tmp_path / "aria2").read_bytes() == GUIDE
    server.out.wait_for(f"{asked}.*aria2")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=DEADLINE) as response:
        assert response.read() == GUIDE
    server.out.wait_for(f"{asked}.*Python-urllib")
    curl = command("curl", "curl")
    assert run(curl, "--silent", "--path-as-is", url) == GUIDE
    server.out.wait_for(f"{asked}.*curl")


# ---------------------------------------------------------------- bytes beyond ASCII

RAW = r"gr\\xc3\\xbcn\.txt"
"""How the log writes the name where it was sent as it is."""


def test_curl_sends_what_it_is_given(server: Server, green: Path) -> None:
    curl = command("curl", "curl")
    url = f"{server.url}/{green.name}?q=ü"
    assert run(curl, "--silent", "--show-error", "--fail", url) == CONTENT
    server.out.wait_for(r'\?q=\\xc3\\xbc HTTP/1\.1" 200 .*curl')  # it may encode the path


def test_busybox_wget_sends_what_it_is_given(server: Server, green: Path) -> None:
    busybox = command("busybox", "busybox")
    url = f"{server.url}/{green.name}?q=ü"
    assert run(busybox, "wget", "-q", "-O", "-", url) == CONTENT
    server.out.wait_for(rf'"GET /{RAW}\?q=\\xc3\\xbc HTTP/1\.1" 200')


def test_lftp_sends_what_it_is_given(server: Server, green: Path, tmp_path: Path) -> None:
    lftp = command("lftp", "lftp")
    url = f"{server.url}/{green.name}?q=ü"
    run(lftp, "-c", f"set net:max-retries 1; get1 -o {tmp_path}/got {url}")
    assert (tmp_path / "got").read_bytes() == CONTENT
    server.out.wait_for(rf'"GET /{RAW}\?q=\\xc3\\xbc HTTP/1\.1" 200')


def test_ab_sends_what_it_is_given(server: Server, green: Path) -> None:
    ab = command("ab", "apache2-utils")
    said = run(ab, "-q", "-n", "4", "-c", "2", f"{server.url}/{green.name}?q=ü").decode()
    assert "Complete requests:      4\n" in said
    assert "Non-2xx responses" not in said
    server.out.wait_for(rf'"GET /{RAW}\?q=\\xc3\\xbc HTTP/1\.0" 200')
