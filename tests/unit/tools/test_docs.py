"""The generated files are those of the present declarations, and their languages are right."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import require
from tools.docs import text
from tools.docs.__main__ import FILES, ROOT, run
from tools.docs.man_page import replace_keys
from tools.docs.race import replace_readme, replace_summary

MADE = (
    "Threads in each worker.",
    "The ratios are those of CPU time",
    "kinds of requests of the race",
    "| 4 kB, 64 connections |",
)
"""What the generated files have; each has one of these texts."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The generated files, in a directory of their own."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_generated_files_are_what_they_are_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", FILES)
def test_generated_file_that_was_edited_is_named_with_the_command_to_run(
    copy: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = (copy / name).read_text()
    made = next(text for text in MADE if text in before)
    edited = before.replace(made, "Something else")
    (copy / name).write_text(edited)
    assert run(["--check"], copy) == 1
    assert capsys.readouterr().err == (f"{name} is not what it is made of; run: make docs\n")
    assert (copy / name).read_text() == edited, "--check writes nothing"
    assert run([], copy) == 0
    assert (copy / name).read_text() == before


def test_generated_file_that_is_missing_is_written(copy: Path) -> None:
    path = copy / "docs/reference/settings.md"
    before = path.read_text()
    path.unlink()
    assert run([], copy) == 0
    assert path.read_text() == before


@pytest.mark.parametrize("replace", [replace_keys, replace_readme, replace_summary])
def test_page_without_the_marks_is_refused(replace: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="the page has no lines"):
        replace(".Sh NAME\n")


@pytest.mark.debian("groff-base")
@pytest.mark.parametrize("page", ["phttpd.8", "phttpd.yaml.5"])
def test_manual_page_has_no_warnings_of_groff(page: str) -> None:
    groff = require.command("groff", "groff-base")
    done = subprocess.run(
        [groff, "-mdoc", "-ww", "-K", "utf8", "-T", "utf8", "-z", ROOT / "docs/man" / page],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("help_text", "lines"),
    [
        (
            "One thing. `send_timeout` is another.",
            ["One thing.", ".Cm send_timeout", "is another."],
        ),
        ("See `/run/a.pid`, or recv(2).", ["See", ".Pa /run/a.pid ,", "or", ".Xr recv 2 ."]),
        ("With `--log-file`.", ["With", ".Fl Fl log-file ."]),
        ("Fields (`Expires`, `Date`).", ["Fields", ".Ql ( Expires ,", ".Ql Date ) ."]),
        ('`"*"`, `?` and `**`', [r".Ql \(dq*\(dq ,", r".Ql \&?", "and", ".Ql **"]),
        (r"A \ and `\n`", [r"A \e and", r".Ql \en"]),
    ],
)
def test_help_text_becomes_macros_of_mdoc(help_text: str, lines: list[str]) -> None:
    assert text.mdoc(help_text, {"send_timeout"}).split("\n") == lines


def test_help_text_becomes_a_comment() -> None:
    help_text = "`*` is any part of `a-name`."
    assert text.comment(help_text, 20, "# a  ", "#    ") == "# a  “*” is any part\n#    of a-name."


@pytest.mark.parametrize(
    ("value", "written"),
    [("*", '"*"'), ("64KiB", "64KiB"), (8080, "8080"), (True, "true"), (None, "null"), ([], "[]")],
)
def test_default_is_written_as_yaml(value: object, written: str) -> None:
    assert text.scalar(value) == written
