"""The files of the repository are as .editorconfig tells editors to write them."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from editorconfig import get_properties

from tests.support.require import command

# The package editorconfig calls it, which Python 3.14 deprecates.
pytestmark = pytest.mark.filterwarnings(r"ignore:codecs\.open\(\):DeprecationWarning")

ROOT = Path(__file__).parents[2]
INDENT = {"space": rb"^\t", "tab": rb"^ {2,}\S"}
"""What no line of a file begins with, by its style; one blank may align the lines of a comment."""


def tracked() -> Iterator[Path]:
    """Yield the text files that are in the repository, or would be with the next commit."""
    git = command("git", "git")
    words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run([git, *words], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is no checkout")
    for name in done.stdout.split(b"\0")[:-1]:
        path = ROOT / os.fsdecode(name)
        if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes():
            yield path


def faults(path: Path, content: bytes) -> Iterator[str]:
    """Yield what about a file is not as its properties demand."""
    properties = get_properties(str(path))
    if properties.get("charset") == "utf-8":
        try:
            content.decode()
        except UnicodeDecodeError:
            yield "charset"
    if properties.get("end_of_line") == "lf" and b"\r" in content:
        yield "end_of_line"
    if properties.get("insert_final_newline") == "true" and not content.endswith(b"\n"):
        yield "insert_final_newline"
    if properties.get("trim_trailing_whitespace") == "true" and re.search(rb"(?m)[\t ]$", content):
        yield "trim_trailing_whitespace"
    style = properties.get("indent_style", "unset")
    if style != "unset" and re.search(rb"(?m)" + INDENT[style], content):
        yield "indent_style"


@pytest.mark.debian("git")
def test_file_of_the_repository_agrees_with_editorconfig() -> None:
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in tracked()
        if (content := path.read_bytes()) and (found := list(faults(path, content)))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("new.py", b"\xff\n", "charset"),
        ("new.py", b"a\r\n", "end_of_line"),
        ("new.md", b"a", "insert_final_newline"),
        ("new.md", b"a \n", "trim_trailing_whitespace"),
        ("new.py", b"if a:\n\tb\n", "indent_style"),
        ("Makefile", b"a:\n    b\n", "indent_style"),
    ],
)
def test_file_that_disagrees_with_editorconfig_is_found(
    name: str, content: bytes, fault: str
) -> None:
    assert fault in list(faults(ROOT / name, content))


def test_editorconfig_and_ruff_agree_on_the_length_of_a_line() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
    assert get_properties(str(ROOT / "httpd" / "cli.py"))["max_line_length"] == str(
        ruff["line-length"]
    )
