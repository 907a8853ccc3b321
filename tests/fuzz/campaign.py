"""Runs the fuzzer on one target, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.seeds import write_seeds

ROOT = Path(__file__).parents[2]
FOUND = Path(__file__).parent / "found"
"""Inputs that once broke something, in a directory for each target; they are tried in every
test.
"""
TOKENS = Path(__file__).parent / "tokens.dict"
SLOW_SECONDS = 20
"""What takes this long has not ended."""
MAX_INPUT = 4096


def run(
    name: str, corpus: Path, found: Path, *options: str, quiet: bool
) -> subprocess.CompletedProcess[str]:
    """Fuzz a target, until the options say that it is enough or something breaks.

    Args:
        name: of the target.
        corpus: the inputs to begin with, where new ones are added.
        found: where to put the input that breaks something.
        options: libFuzzer's.
        quiet: whether to keep what the fuzzer says, instead of showing it.
    """
    write_seeds(name, corpus)
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="phttpd-fuzz-") as directory:
        command = [sys.executable, "-m", "tests.fuzz.harness", name, directory]
        command += [f"-artifact_prefix={found}/", f"-timeout={SLOW_SECONDS}"]
        command += [f"-max_len={MAX_INPUT}", f"-dict={TOKENS}", *options, str(corpus)]
        return subprocess.run(command, check=False, cwd=ROOT, text=True, capture_output=quiet)
