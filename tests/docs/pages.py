r"""Reads the documentation: its fenced blocks, their commands, and the files that they show.

The blocks of a page follow these rules, so that a test can run what a reader would type:

* A ``console`` block is a transcript. A line that begins with ``$ `` is a command of an ordinary
  user in an empty directory. A line that begins with ``# `` is a command of root on a machine with
  systemd and the Debian package. Other lines are the output of the command before; ``…`` stands for
  any text. No output shown means that the output does not matter.
* ``^C`` in a ``console`` block is Ctrl-C for the server in the foreground of that page.
* A block of another language whose first line is a comment with a path (``# site/lab.yaml``) is
  that file, and is written before the commands that follow it.
* A ``yaml`` block without such a line is a part of a config file.
* ``text`` blocks are illustrations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
USER, SUPERUSER = "$ ", "# "
INTERRUPT = "^C"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"# ((?:[\w.@-]*/)*[\w.@-]+)\n")


class Block(NamedTuple):
    """A fenced block: its language, and the text between the fences."""

    language: str
    text: str

    @property
    def path(self) -> str | None:
        """The file that this block shows, if it is one."""
        match = _PATH.match(self.text)
        return match[1] if match and self.language != "console" else None


class Command(NamedTuple):
    """A command of a transcript, and the lines that it is shown to print."""

    prompt: str
    text: str
    output: list[str]


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    return [Block(*match.groups()) for match in _FENCE.finditer(page.read_text("utf-8"))]


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a transcript; Ctrl-C is a command without a prompt."""
    command: Command | None = None
    for line in block.text.splitlines():
        if line.startswith((USER, SUPERUSER)) or line == INTERRUPT:
            if command:
                yield command
            prompt = "" if line == INTERRUPT else line[:2]
            command = Command(prompt, line.removeprefix(prompt), [])
        else:
            assert command, f"output without a command: {line}"
            command.output.append(line)
    if command:
        yield command


def transcripts(page: Path) -> list[Command]:
    """Return all commands of a page, in their order."""
    found = [block for block in blocks(page) if block.language == "console"]
    return [command for block in found for command in commands(block)]


def matches(lines: list[str], text: str) -> bool:
    """Tell whether a text is what a page shows: “…” is anything, and alone any lines."""
    parts = [re.escape(line).replace("…", ".*") if line != "…" else "(?s:.*)" for line in lines]
    return bool(re.fullmatch("\n".join(parts), text.replace("\r", "").rstrip("\n")))


def pages() -> list[Path]:
    """Return every page for readers: the README, and those below docs/."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
