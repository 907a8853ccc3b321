"""An interpreter that is too old is reported in one line."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.process.launch import ROOT, environment
from tests.support.server import DEADLINE

MESSAGE = "Error: need Python 3.11 or newer to run phttpd\n"


def old_interpreters() -> list[str]:
    """Return the interpreters before 3.11 on this machine: on the path, and those of pyenv."""
    names = ["python2", "python2.7", *(f"python3.{minor}" for minor in range(4, 11))]
    found = {path for name in names if (path := shutil.which(name))}
    found |= {str(path) for path in Path.home().glob(".pyenv/versions/*/bin/python")}
    return sorted(path for path in found if is_old(path))


def is_old(path: str) -> bool:
    program = "import sys; print(sys.version_info[:2] < (3, 11))"
    done = subprocess.run([path, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout == "True\n"


@pytest.mark.parametrize("python", old_interpreters() or [None])
@pytest.mark.parametrize("words", [[], ["--version"]], ids=repr)
def test_interpreter_that_is_too_old_is_named(python: str | None, words: list[str]) -> None:
    if python is None:
        pytest.skip("every Python here is new enough")
    done = subprocess.run(
        [python, "-m", "httpd", *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=ROOT,
        env=environment({"PYTHONDONTWRITEBYTECODE": "1"}),
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", MESSAGE)


def test_interpreter_of_the_message_is_that_of_the_metadata() -> None:
    metadata = ROOT / "pyproject.toml"
    if metadata.exists():
        assert re.search(r'requires-python = ">= ?3\.11"', metadata.read_text())
