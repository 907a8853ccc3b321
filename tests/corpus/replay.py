"""The ways in which the bytes of a request can arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.corpus import (
    conditions,
    connections,
    field_lines,
    limits,
    ranges,
    request_lines,
    targets,
    traversal,
)
from tests.corpus.case import Case

RECV_SIZES = (65536, 100, 3, 2, 1)

TABLES = {
    module.__name__.rpartition(".")[2]: module.CASES
    for module in (
        request_lines,
        field_lines,
        targets,
        traversal,
        connections,
        ranges,
        conditions,
        limits,
    )
}

CASES: dict[str, Case] = {
    f"{table}/{case.name}": case for table, cases in TABLES.items() for case in cases
}

LONG = 1000
"""Size of a request that is too long to be sent in every way."""

EDGE = 60
"""How many bytes at either end of a long request are sent one by one."""


def byte_by_byte(data: bytes) -> list[bytes]:
    """Cut after every byte; in the middle of a long request only now and then."""
    if len(data) <= LONG:
        return [bytes([byte]) for byte in data]
    middle = data[EDGE:-EDGE]
    return [
        *byte_by_byte(data[:EDGE]),
        *(middle[start : start + 999] for start in range(0, len(middle), 999)),
        *byte_by_byte(data[-EDGE:]),
    ]


def at_random(data: bytes, dice: random.Random) -> list[bytes]:
    """Cut at a few places."""
    cuts = sorted(dice.sample(range(1, len(data)), min(dice.randint(1, 6), len(data) - 1)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def ways(data: bytes, recv: int, dice: random.Random) -> Iterator[list[bytes]]:
    """Yield the pieces in which a request is sent, for every way to send it.

    A server with a tiny recv size cuts the request itself, so there a few ways are enough.
    """
    yield [data]
    if recv >= RECV_SIZES[1]:
        yield [data]  # now the server may remember the response
        yield data.splitlines(keepends=True)
        yield byte_by_byte(data)
        yield at_random(data, dice)
    if len(data) <= LONG:
        yield at_random(data, dice)
