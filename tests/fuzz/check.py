"""Puts an input to a target, and now and then a long form of it, which must not take long."""

from __future__ import annotations

import random
import time
from pathlib import Path
from zlib import crc32

from tests.fuzz.pure_targets import PURE, Target
from tests.fuzz.site_targets import make_site_targets

NAMES = (*PURE, "path", "answer", "pages")

STRETCHED = 32 * 1024
"""Bytes of the long form: all that a head may have."""
BUDGET = 3.0
"""Seconds of this thread's processor time for the long form; the right code takes a thirtieth."""
_ONE_IN = 16


def make_target(name: str, directory: Path) -> Target:
    """Return what takes an input; `directory` is empty, and the target's own."""
    return PURE.get(name) or make_site_targets(directory)[name]


def check(target: Target, data: bytes) -> None:
    """Put an input to a target; whether also in its long form depends on the input alone."""
    target(data)
    if crc32(data) % _ONE_IN == 0:
        check_speed(target, data)


def check_speed(target: Target, data: bytes) -> None:
    """Put the long form of an input to a target."""
    long = stretch(data)
    began = time.thread_time()
    target(long)
    took = time.thread_time() - began
    assert took < BUDGET, f"{took:.1f} s for {len(long)} bytes: {long[:200]!r}…{long[-200:]!r}"


def stretch(data: bytes) -> bytes:
    """Repeat a piece of an input, always the same one, until the whole is long.

    It rather begins with a separator than with a letter or digit: those can often be taken in more
    than one way.
    """
    dice = random.Random(crc32(data))
    places = [place for place, byte in enumerate(data) if not chr(byte).isalnum()]
    if not places or dice.random() < 0.3:
        places = list(range(len(data))) or [0]
    start = dice.choice(places)
    piece = data[start : start + dice.choice((1, 1, 2, 4, len(data)))] or b"\0"
    return data[:start] + piece * (STRETCHED // len(piece)) + data[start + len(piece) :]
