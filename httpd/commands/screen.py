"""The screen of a terminal: raw keys and an alternate screen, both undone at the end.

Called by `httpd.commands.top`.
"""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Sequence
from typing import Self

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""Alternate screen, no cursor, no wrapping of long lines, clear (xterm control sequences)."""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_REST = "\x1b[H", "\x1b[J"


class Screen:
    """A terminal that shows full pictures, for a `with` block.

    Args:
        keyboard: descriptor of the terminal to read keys from, or None.
        output: descriptor of the terminal.
        encoding: of the terminal.
    """

    def __init__(self, keyboard: int | None, output: int, encoding: str) -> None:
        self._keyboard = keyboard
        self._output = output
        self._encoding = encoding
        self._before = None if keyboard is None else termios.tcgetattr(keyboard)

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def enter(self) -> None:
        """Take the terminal."""
        if self._keyboard is not None:
            tty.setcbreak(self._keyboard)  # Ctrl-C and Ctrl-Z remain signals
        self._write(_ENTER)

    def leave(self) -> None:
        """Give the terminal back as it was; a terminal that is gone is left alone."""
        try:
            self._write(_LEAVE)
            if self._keyboard is not None and self._before is not None:
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)
        except (OSError, termios.error):
            pass

    def size(self) -> tuple[int, int]:
        """Return columns and lines."""
        columns, lines = os.get_terminal_size(self._output)
        return (columns or 80, lines or 24)  # 0 on a serial line

    def show(self, lines: Sequence[str]) -> None:
        """Show lines, from the first line of the screen on."""
        self._write(_HOME + "\r\n".join(lines) + _CLEAR_REST)

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data:
            data = data[os.write(self._output, data) :]
