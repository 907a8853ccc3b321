"""The process that the fuzzer owns: ``python -m tests.fuzz.harness TARGET DIRECTORY [OPTION…]``.

Started by `campaign.run` only.  The options are those of libFuzzer.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["httpd"]):
    from tests.fuzz.check import check, make_target

if __name__ == "__main__":
    program, name, directory, *options = sys.argv
    atheris.Setup([program, *options], partial(check, make_target(name, Path(directory))))
    atheris.Fuzz()
