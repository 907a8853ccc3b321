"""The targets and examples in the head of the Makefile exist."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.pages import ROOT
from tests.support.server import DEADLINE

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
HEAD = re.match(r"(?:#.*\n)+", MAKEFILE)
assert HEAD
TEXT = re.sub(r"^# ?", "", HEAD[0], flags=re.MULTILINE)
TARGETS = re.findall(r"^(?:sudo )?make ([\w-]+)", TEXT, re.MULTILINE)


def make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_make_help_prints_the_head_of_the_makefile() -> None:
    done = make("help")
    assert (done.returncode, done.stdout, done.stderr) == (0, TEXT, "")


@pytest.mark.parametrize("target", TARGETS)
def test_makefile_target_of_its_head_can_be_made(target: str) -> None:
    done = make("--dry-run", target, "DESTDIR=/nowhere")
    assert done.returncode == 0, done.stderr


def test_makefile_head_names_every_target_that_users_type() -> None:
    phony = set(" ".join(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)).split())
    assert phony - set(TARGETS) == {"install-files", "test-python"}


def test_makefile_examples_name_what_there_is() -> None:
    examples = dict(re.findall(r"\b(TESTS|MATRIX|TARGET)=(\S+?)[;,]? ", TEXT))
    assert (ROOT / examples["TESTS"]).is_dir()
    assert (ROOT / examples["MATRIX"]).is_dir()
    targets = (ROOT / "tests/fuzz/pure_targets.py").read_text("utf-8")
    assert f'    "{examples["TARGET"]}": ' in targets
    names = re.search(r"BENCH=([\w, ]+) or (\w+)", TEXT)
    assert names
    for name in [*names[1].split(", "), names[2]]:
        path = ROOT / "benchmarks" / name
        assert path.with_suffix(".py").exists() or (path / "command.py").exists()
