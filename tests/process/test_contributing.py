"""The commands of CONTRIBUTING work, and the paths in CONTRIBUTING and SECURITY exist.

The commands run in a copy of the checkout that has the virtual environment of the tests.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.process.launch import ROOT, environment
from tests.support.require import command

pytestmark = pytest.mark.debian("git")

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```\n(.*?)^```", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
TAKES_LONG = {
    "make run",  # the tests of the README do this
    "make lint",
    "make test",
    "make test-matrix MATRIX=tests/unit/protocol",
}
EXECUTED = [words for words in COMMANDS if words not in TAKES_LONG]
PATH = re.compile(r"`((?:httpd|tests|etc|docs|\.ci)/[\w./-]*|\.ci/run)`|\]\(([\w./-]+)\)")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of what the checkout has; make takes what is installed in `.venv` as it is."""
    path = tmp_path_factory.mktemp("contributing") / "phttpd"
    left_out = shutil.ignore_patterns(".venv*", ".git", "*.bin", "__pycache__", ".*_cache", "build")
    shutil.copytree(ROOT, path, ignore=left_out)
    venv = path / ".venv"
    shutil.copytree(sys.prefix, venv, symlinks=True, ignore=shutil.ignore_patterns("lib*"))
    for name in ("lib", "lib64"):
        if (Path(sys.prefix) / name).is_dir():
            (venv / name).symlink_to(Path(sys.prefix) / name)
    for group in ("", "-bench", "-docs", "-fuzz", "-lint", "-report", "-test"):
        (venv / f"installed{group}").touch()
    git = command("git", "git")
    assert run([git, "init", "--quiet"], path).returncode == 0
    assert run([git, "add", "--all"], path).returncode == 0
    return path


def run(
    words: list[str], cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=cwd,
        env=environment({"PYTHONPATH": str(cwd), **(env or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_commands_of_contributing_that_take_long_are_among_its_commands() -> None:
    assert set(COMMANDS) >= TAKES_LONG


@pytest.mark.debian("git")
@pytest.mark.parametrize("words", EXECUTED)
def test_command_of_contributing_succeeds(checkout: Path, words: str) -> None:
    done = run(["sh", "-c", words], checkout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("words", [words for words in COMMANDS if words.startswith("make ")])
def test_target_of_contributing_exists(words: str) -> None:
    done = run(["make", "--dry-run", *shlex.split(words, comments=True)[1:]], ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_path_that_the_page_names_exists(name: str) -> None:
    paths = [one or other for one, other in PATH.findall((ROOT / name).read_text("utf-8"))]
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_code_of_contributing_stands_in_the_room_that_it_names() -> None:
    block = re.search(r"`(httpd/\S+)`[^`]*\n\n +```python\n(.*?) +```", CONTRIBUTING, re.DOTALL)
    assert block
    declaration = re.sub(r"(?m)^   ", "", block[2])
    assert declaration in (ROOT / block[1]).read_text("utf-8")


@pytest.mark.debian("git")
def test_pre_commit_checks_a_commit_without_the_network(checkout: Path, tmp_path: Path) -> None:
    """A module that ruff would write differently is refused, and rewritten."""
    module = checkout / "httpd" / "untidy.py"
    module.write_text('"""Untidy."""\nvalue   =  1\n')
    assert run(["git", "add", "httpd/untidy.py"], checkout).returncode == 0
    words = [".venv/bin/pre-commit", "run", "--files", "httpd/untidy.py"]
    nowhere = {
        "PRE_COMMIT_HOME": str(tmp_path),
        "https_proxy": "http://127.0.0.1:9",
        "SKIP": "mypy",
    }
    try:
        done = run(words, checkout, nowhere)
        assert done.returncode == 1, done.stdout + done.stderr
        assert module.read_text().endswith("\n\nvalue = 1\n")
        done = run(words, checkout, nowhere)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        module.unlink()


def test_pre_commit_checks_what_make_lint_checks() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    lint = run(["make", "--dry-run", "lint"], ROOT).stdout
    program = r"\.venv/bin/(ruff|mypy)(?: (check|format))?"
    assert set(re.findall(f"entry: {program}", hooks)) == set(re.findall(f"(?m)^{program}", lint))
