"""QR codes: another encoder makes the same ones, and a decoder reads what a terminal shows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from httpd.observe.qr_code import Rows, encode, render
from tests.support import require

URL = b"http://192.168.178.23:8080/"
SIZES = {1: 17, 2: 32, 3: 53, 4: 78, 5: 106}
"""The most bytes of each version, ISO/IEC 18004 table 7."""
HALVES = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def made_by_others(data: bytes, mask: int) -> Rows:
    qrcode = pytest.importorskip("qrcode")
    low = qrcode.constants.ERROR_CORRECT_L
    other = qrcode.QRCode(error_correction=low, border=0, mask_pattern=mask)
    other.add_data(qrcode.util.QRData(data, mode=qrcode.util.MODE_8BIT_BYTE))
    other.make(fit=True)
    return [list(map(bool, row)) for row in other.modules]


@pytest.mark.parametrize("version", SIZES)
def test_symbol_is_that_of_another_encoder(version: int) -> None:
    for length in (SIZES.get(version - 1, 0) + 1, SIZES[version]):
        data = (URL * 4)[:length]
        symbol = encode(data)
        assert len(symbol) == 17 + 4 * version
        assert symbol in [made_by_others(data, mask) for mask in range(8)]


def test_text_that_is_too_long_has_no_symbol() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode(bytes(107))


def test_light_modules_are_drawn_with_a_quiet_zone() -> None:
    symbol = encode(URL)
    drawn = [half for line in render(symbol) for half in zip(*map(HALVES.get, line), strict=True)]
    quiet = (1,) * (len(symbol) + 8)
    assert drawn[:4] == [quiet] * 4
    for row, modules in zip(drawn[4:], symbol, strict=False):
        assert row == (1, 1, 1, 1, *(int(not is_dark) for is_dark in modules), 1, 1, 1, 1)
    assert drawn[4 + len(symbol) :] == [quiet] * 5


@pytest.mark.debian("zbar-tools")
@pytest.mark.parametrize(
    "data", [URL, b"a", b"http://[2001:db8:1234:5678:9abc:def0:1234:5678]:65535/"]
)
def test_picture_on_the_terminal_is_read_by_a_scanner(data: bytes, tmp_path: Path) -> None:
    scan = require.command("zbarimg", "zbar-tools")
    rows = [
        half for line in render(encode(data)) for half in zip(*map(HALVES.get, line), strict=True)
    ]
    pixels = [[dot * 255 for dot in row for _ in range(4)] for row in rows for _ in range(4)]
    image = tmp_path / "a.pgm"
    image.write_bytes(
        b"P5 %d %d 255\n" % (len(pixels[0]), len(pixels))
        + bytes(dot for row in pixels for dot in row)
    )
    done = subprocess.run([scan, "--quiet", "--raw", image], capture_output=True, check=True)
    assert done.stdout == data + b"\n"
