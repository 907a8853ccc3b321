"""The site that is raced on: the same files for every server, old enough to be settled."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Container
from pathlib import Path

from benchmarks.environment import write_sparse

KB = 1000
MB = 1000 * KB
GB = 1000 * MB

SIZES = {"1k.txt": KB, "4k.txt": 4096, "100k.bin": 100 * KB, "1m.bin": MB}

LARGE = "1g.bin"

MIX = "mix/00/0000.html"
"""The first one of many."""

COLD = "cold/abcdefghijklmnopqrstuvwx.txt"

FIRST = "first/00/000000.txt"
"""The first one of very many."""

FIRST_FILES = 150_000
"""More than any server sends in a round: none is asked for twice."""

MIX_FILES = 10_000
MIX_MEDIAN = 8 * KB
MIX_SIGMA = 1.4
MIX_MOST = 2 * MB

AGE = 86400
"""Seconds since the files were last changed."""


def write(docroot: Path, paths: Container[str]) -> None:
    """Write the files into an empty directory; the mix and the large one only if they are asked
    for.

    The file of 1 GB is sparse but for its two ends, so it is quickly there.
    """
    chance = random.Random(1)
    for name, size in SIZES.items():
        (docroot / name).write_bytes(chance.randbytes(size))
    (docroot / COLD).parent.mkdir()
    (docroot / COLD).write_bytes(chance.randbytes(4096))
    if f"/{FIRST}" in paths:
        write_first(docroot / "first", chance)
    if f"/{MIX}" in paths:
        write_mix(docroot / "mix", chance)
    if f"/{LARGE}" in paths:
        write_large(docroot / LARGE, chance)
    then = time.time() - AGE
    for directory, _, names in os.walk(docroot):
        # So many names in a directory are those of one file.
        for name in [*(names if len(names) < FIRST_FILES // 100 else names[:1]), "."]:
            os.utime(Path(directory, name), (then, then))


def read(docroot: Path, path: str) -> None:
    """Have a file in the page cache, and all that are asked for with it.

    The kernel may have let go of it while other files were raced, and the first server would wait
    for the disk.
    """
    place = docroot / path.split("/")[1]
    known: set[int] = set()
    for file in [place, *place.rglob("*")]:
        if file.is_file() and (inode := file.stat().st_ino) not in known:
            known.add(inode)
            with file.open("rb") as opened:
                while opened.read(MB):
                    pass


def write_first(directory: Path, chance: random.Random) -> None:
    """Write one file of 4 kB in each of 100 directories, and give it very many names there."""
    for number in range(100):
        (directory / f"{number:02}").mkdir(parents=True)
    for number in range(FIRST_FILES):
        name = directory / f"{number % 100:02}" / f"{number:06}.txt"
        if number < 100:
            name.write_bytes(chance.randbytes(4096))
        else:
            os.link(directory / f"{number % 100:02}" / f"{number % 100:06}.txt", name)


def write_mix(directory: Path, chance: random.Random) -> None:
    """Write files whose sizes are log-normal, as those of the web are: most are small."""
    for number in range(100):
        (directory / f"{number:02}").mkdir(parents=True)
    text = chance.randbytes(2 * MIX_MOST)
    for number in range(MIX_FILES):
        size = min(MIX_MOST, int(chance.lognormvariate(0, MIX_SIGMA) * MIX_MEDIAN))
        start = chance.randrange(MIX_MOST)
        (directory / mix_name(number)).write_bytes(text[start : start + size])


def mix_name(number: int) -> str:
    """Return the name of a file of the mix; mix.lua knows it as well."""
    return f"{number % 100:02}/{number:04}.html"


def write_large(path: Path, chance: random.Random) -> None:
    write_sparse(path, GB)
    with path.open("r+b") as file:
        file.write(chance.randbytes(4096))
        file.seek(-4096, os.SEEK_END)
        file.write(chance.randbytes(4096))
