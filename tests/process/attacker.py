"""An attacker who may write in a docroot: pairs of names change places without pause.

    python -m tests.process.attacker NAME...

NAME and NAME~ are exchanged at once, so that there is always something with that name.  Prints 1
after the first round.  Ends when its standard input does, and prints how often it went round.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import PIPE, Popen

from tests.process.launch import ROOT
from tests.support.server import DEADLINE

AT_FDCWD = -100
RENAME_EXCHANGE = 2

LIBC = ctypes.CDLL(None, use_errno=True)


def exchange(one: bytes, other: bytes) -> None:
    """Let two names change places in no time (renameat2(2))."""
    if LIBC.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2", one, None, other)


def main(names: Sequence[bytes]) -> None:
    rounds = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for name in names:
            exchange(name, name + b"~")
        rounds += 1
        if rounds == 1:
            print(rounds, flush=True)
    print(rounds)


@contextmanager
def attack(names: Sequence[str]) -> Iterator[None]:
    """Let the names change places during a `with` block, in a process of its own."""
    command = [sys.executable, "-m", "tests.process.attacker", *names]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        try:
            process.stdout.readline()
            yield
            rounds, _ = process.communicate(timeout=DEADLINE)
            assert process.returncode == 0
            assert int(rounds) > 1  # how many more is up to the load of the machine
        finally:
            process.kill()


if __name__ == "__main__":
    main([os.fsencode(name) for name in sys.argv[1:]])
