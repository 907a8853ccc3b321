"""QR codes (ISO/IEC 18004) for short texts, and how a terminal shows them.

Bytes are encoded as they are, with the lowest level of error correction, in versions 1 to 5: at
this level these have one block of data, and one alignment pattern at most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product

_QUIET = 4
"""Modules of the quiet zone around the symbol."""
_CODEWORDS = {1: (19, 7), 2: (34, 10), 3: (55, 15), 4: (80, 20), 5: (108, 26)}
"""Codewords for data and for error correction, by version."""
_MASKS: tuple[Callable[[int, int], int], ...] = (
    lambda x, y: (x + y) % 2,
    lambda x, y: y % 2,  # noqa: ARG005
    lambda x, y: x % 3,  # noqa: ARG005
    lambda x, y: (x + y) % 3,
    lambda x, y: (x // 3 + y // 2) % 2,
    lambda x, y: x * y % 2 + x * y % 3,
    lambda x, y: (x * y % 2 + x * y % 3) % 2,
    lambda x, y: ((x + y) % 2 + x * y % 3) % 2,
)
"""A mask inverts the modules for which it returns 0."""
_LOW = 1
"""The lowest level of error correction, in the format information."""
_BLOCKS = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}

Rows = list[list[bool]]
"""The modules of a symbol: true for a dark one."""
Place = tuple[int, int]
"""Column and row."""


def encode(data: bytes) -> Rows:
    """Return the symbol for some bytes, without its quiet zone.

    Raises:
        ValueError: there are more than 106 bytes.
    """
    for version, (size, checks) in _CODEWORDS.items():
        if len(data) + 2 <= size:
            codewords = _pack(data, size)
            bits = [
                bool(word >> bit & 1)
                for word in codewords + _correct(codewords, checks)
                for bit in reversed(range(8))
            ]
            symbols = [_draw(version, bits, mask) for mask in range(len(_MASKS))]
            return min(symbols, key=_penalty)
    raise ValueError("too long for a QR code of version 5")


def render(rows: Rows) -> list[str]:
    """Return lines of half blocks for a terminal that shows light text on dark ground.

    Light modules and the quiet zone are drawn, and dark ones left out.
    """
    size = len(rows) + 2 * _QUIET
    light = [[True] * size for _ in range(size + size % 2)]
    for y, row in enumerate(rows):
        for x, is_dark in enumerate(row):
            light[y + _QUIET][x + _QUIET] = not is_dark
    pairs = zip(light[::2], light[1::2], strict=True)
    return ["".join(map(_BLOCKS.__getitem__, zip(*pair, strict=True))) for pair in pairs]


def _pack(data: bytes, size: int) -> bytes:
    """Return the data codewords: mode and length, the data, and padding."""
    bits = 0b0100 << 8 | len(data)
    whole = (bits << 8 * len(data) | int.from_bytes(data)) << 4  # with the terminator
    packed = whole.to_bytes(len(data) + 2)
    return packed + (b"\xec\x11" * size)[: size - len(packed)]


def _correct(data: bytes, count: int) -> bytes:
    """Return codewords of Reed and Solomon: the remainder of a division of polynomials."""
    divisor = [1]
    root = 1
    for _ in range(count):
        shifted = [*divisor, 0]
        scaled = [0, *(_multiply(factor, root) for factor in divisor)]
        divisor = [a ^ b for a, b in zip(shifted, scaled, strict=True)]
        root = _multiply(root, 2)
    remainder = [0] * count
    for byte in data:
        factor = byte ^ remainder[0]
        shifted = [*remainder[1:], 0]
        remainder = [a ^ _multiply(b, factor) for a, b in zip(shifted, divisor[1:], strict=True)]
    return bytes(remainder)


def _multiply(a: int, b: int) -> int:
    """Return a product in the field of 256 elements modulo 0x11d."""
    product_ = 0
    for bit in reversed(range(8)):
        product_ = product_ << 1 ^ (product_ >> 7) * 0x11D
        product_ ^= (b >> bit & 1) * a
    return product_


def _draw(version: int, bits: Sequence[bool], mask: int) -> Rows:
    """Return the symbol with one of the masks."""
    size = 17 + 4 * version
    fixed = {**_patterns(version, size), **_format(size, mask)}
    rows = [[False] * size for _ in range(size)]
    stream = iter(bits)
    for x, y in _path(size):
        if (x, y) not in fixed:
            rows[y][x] = next(stream, False) ^ (not _MASKS[mask](x, y))
    for (x, y), is_dark in fixed.items():
        rows[y][x] = is_dark
    return rows


def _patterns(version: int, size: int) -> dict[Place, bool]:
    """Return the modules that every symbol of a version has."""
    fixed = {}
    for i in range(size):
        fixed[i, 6] = fixed[6, i] = i % 2 == 0
    for left, top in ((3, 3), (size - 4, 3), (3, size - 4)):
        for dx, dy in product(range(-4, 5), repeat=2):
            if 0 <= left + dx < size and 0 <= top + dy < size:
                fixed[left + dx, top + dy] = max(abs(dx), abs(dy)) not in (2, 4)
    if version > 1:
        for dx, dy in product(range(-2, 3), repeat=2):
            fixed[size - 7 + dx, size - 7 + dy] = max(abs(dx), abs(dy)) != 1
    return fixed


def _format(size: int, mask: int) -> dict[Place, bool]:
    """Return the modules of the format information: level and mask, twice."""
    data = _LOW << 3 | mask
    rest = data
    for _ in range(10):
        rest = rest << 1 ^ (rest >> 9) * 0x537
    bits = (data << 10 | rest) ^ 0x5412
    first = [*((8, i) for i in (*range(6), 7, 8)), *((i, 8) for i in (7, *reversed(range(6))))]
    second = [*((size - 1 - i, 8) for i in range(8)), *((8, size - 7 + i) for i in range(7))]
    places = {
        place: bool(bits >> i & 1) for half in (first, second) for i, place in enumerate(half)
    }
    return {**places, (8, size - 8): True}


def _path(size: int) -> Iterator[Place]:
    """Yield all places in the order of the data: columns in pairs, up and down in turns."""
    pairs = (*range(size - 1, 6, -2), 5, 3, 1)
    for number, right in enumerate(pairs):
        for y in range(size) if number % 2 else reversed(range(size)):
            yield right, y
            yield right - 1, y


def _penalty(rows: Rows) -> int:
    """Return how hard a symbol is to read: patterns that mislead, and too much of one kind."""
    lines = ["".join(map(str, map(int, row))) for row in (*rows, *zip(*rows, strict=True))]
    runs = sum(len(run[0]) - 2 for line in lines for run in re.finditer("0{5,}|1{5,}", line))
    finders = sum(len(re.findall("(?=10111010000|00001011101)", line)) for line in lines)
    last = len(rows) - 1
    squares = sum(
        rows[y][x] == rows[y][x + 1] == rows[y + 1][x] == rows[y + 1][x + 1]
        for x, y in product(range(last), repeat=2)
    )
    share = sum(map(sum, rows)) * 100 // len(rows) ** 2
    return runs + 40 * finders + 3 * squares + abs(share - 50) // 5 * 10
