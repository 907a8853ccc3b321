"""The archive that `make dist` packs serves after `tar -xf`, where there is no git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from httpd import __version__
from tests.process.launch import ROOT, Foreground, environment
from tests.support.raw import Client
from tests.support.require import command

pytestmark = pytest.mark.debian("git")

NAME = f"phttpd-{__version__}"


def run(*words: str, cwd: Path, umask: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=60, check=False, umask=umask
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit of what the checkout has."""
    git = command("git", "git")
    path = tmp_path_factory.mktemp("dist") / "checkout"
    left_out = shutil.ignore_patterns(".venv*", ".git", "*.bin", "__pycache__", ".*_cache", "dist")
    shutil.copytree(ROOT, path, ignore=left_out)
    author = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "All"]):
        done = run(git, *words, cwd=path)
        assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def archive(repository: Path) -> Path:
    done = run("make", "dist", cwd=repository)
    assert done.returncode == 0, done.stderr
    return repository / "dist" / f"{NAME}.tar.gz"


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    done = run("tar", "-xf", str(archive), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    return tmp_path / NAME


def test_archive_has_source_and_report(unpacked: Path, repository: Path) -> None:
    tracked = run("git", "ls-files", "-z", cwd=repository).stdout.split("\0")[:-1]
    files = [path for path in unpacked.rglob("*") if path.is_file()]
    assert {str(path.relative_to(unpacked)) for path in files} == set(tracked)
    for name in (
        "httpd/__main__.py",
        "www/index.html",
        "benchmarks/results/siege-report.pdf",
        "Makefile",
    ):
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()


def test_archive_serves(unpacked: Path) -> None:
    """By its own code and configuration; the tests of the README do it with `make run`."""
    options = ["--config", "etc/phttpd.yaml", "--host", "127.0.0.1", "--port", "0", "--verbose"]
    server = Foreground(*options, cwd=unpacked, env={"PYTHONPATH": str(unpacked)})
    try:
        server.wait_until_ready()
        assert os.readlink(f"/proc/{server.pid}/cwd") == str(unpacked)
        with Client(server.port) as client:
            assert client.ask("/").body == (ROOT / "www" / "index.html").read_bytes()
        assert server.stop() == 0
        assert server.err.seen == []
    finally:
        server.kill()
    code = "import httpd; print(httpd.__file__)"
    env = environment({"PYTHONPATH": str(unpacked)})
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=unpacked, env=env, capture_output=True, check=True
    )
    assert os.fsdecode(done.stdout).startswith(str(unpacked))


def test_archive_of_the_same_commit_has_the_same_bytes(archive: Path, repository: Path) -> None:
    before = archive.read_bytes()
    assert run("make", "dist", cwd=repository, umask=0o077).returncode == 0
    assert archive.read_bytes() == before


@pytest.mark.parametrize("name", ["README.md", "httpd/forgotten.py"])
def test_archive_with_uncommitted_changes_is_refused(repository: Path, name: str) -> None:
    path = repository / name
    before = path.read_bytes() if path.exists() else None
    path.write_text("changed\n")
    try:
        done = run("make", "dist", cwd=repository)
    finally:
        path.unlink() if before is None else path.write_bytes(before)
    assert done.returncode == 2
    assert name in done.stdout
    assert "commit this first" in done.stderr
