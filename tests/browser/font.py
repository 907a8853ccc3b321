"""A TrueType font with one letter, as small as a browser accepts (OpenType 1.9)."""

from __future__ import annotations

from struct import pack, unpack

_EM = 1000
_ONE = 0x00010000  # as a Fixed, 1.0


def make_font() -> bytes:
    """Return a font in which “A” is a triangle."""
    # one contour, its box, the last point, no instructions, three points on the curve
    glyph = pack(">5hHH3B6h", 1, 0, 0, 500, 500, 2, 0, 1, 1, 1, 0, 500, -250, 0, 0, 500) + bytes(3)
    size = len(glyph)
    segments = (4, 4, 1, 0, 0x41, 0xFFFF, 0, 0x41, 0xFFFF, -64 & 0xFFFF, 1, 0, 0)
    tables = {
        b"OS/2": pack(
            ">HhHHH10hh10s4I4sHHHhhhHH",
            *(0, 500, 400, 5, 0),
            *(500, 500, 0, 0, 500, 500, 0, 500, 50, 250, 0),
            *(bytes(10), 0, 0, 0, 0, b"test", 0x40, 0x41, 0x41, 800, -200, 0, 800, 200),
        ),
        b"cmap": pack(">HHHHI16H", 0, 1, 3, 1, 12, 4, 32, 0, *segments),
        b"glyf": glyph * 2,
        b"head": pack(
            ">IIIIHHqqhhhhHHhhh",
            *(_ONE, _ONE, 0, 0x5F0F3CF5, 0, _EM, 0, 0, 0, 0, 500, 500, 0, 8, 2, 1, 0),
        ),
        b"hhea": pack(">IhhhH11hH", _ONE, 800, -200, 0, 500, 0, 0, 500, 1, *[0] * 7, 2),
        b"hmtx": pack(">HhHh", 500, 0, 500, 0),
        b"loca": pack(">III", 0, size, 2 * size),
        b"maxp": pack(">I14H", _ONE, 2, 3, 1, 0, 0, 1, *[0] * 8),
        b"name": pack(">HHH", 0, 0, 6),
        b"post": pack(">IIhhIIIII", 3 * _ONE, *[0] * 8),
    }
    head, body = pack(">IHHHH", _ONE, len(tables), 128, 3, len(tables) * 16 - 128), b""
    for tag, table in tables.items():
        padded = table + bytes(-len(table) % 4)
        total = sum(unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        head += tag + pack(">III", total, 12 + 16 * len(tables) + len(body), len(table))
        body += padded
    return head + body
