"""Help texts in the languages of the generated files.

A help text is plain sentences with literal texts in backticks, and manual pages as ``recv(2)``.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Collection
from typing import Any

import yaml

from httpd.settings.declaration import Key

_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z`])")
_LITERAL = re.compile(r"`([^`]+)`")
_WORD = re.compile(r'[\w"]')
_MARKED = re.compile(r"(\(?)(?:`([^`]+)`|\b([a-z]+)\(([1-9])\))([.,;:?!)]*)")


def plain(text: str) -> str:
    """Return a help text without backticks; a literal that is no word is in quotes instead."""
    return _LITERAL.sub(lambda match: match[1] if _WORD.search(match[1]) else f"“{match[1]}”", text)


def comment(text: str, width: int, first: str = "# ", others: str = "# ") -> str:
    """Return a help text as lines of a comment.

    Args:
        text: the help text.
        width: of the lines.
        first: begins the first line.
        others: begins the other lines.
    """
    return textwrap.fill(
        plain(text),
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def scalar(value: Any) -> str:
    """Return a default as it is written in YAML."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        return value if yaml.safe_load(value) == value else f'"{value}"'
    except yaml.YAMLError:
        return f'"{value}"'


def has_default(key: Key) -> bool:
    """Tell whether a key has a default that is worth a word."""
    return not key.is_required and key.default not in (None, [], {})


def limits_of(key: Key) -> list[str]:
    """Return a sentence for each case in which a key or its change has no effect."""
    sentences = []
    if key.own_sockets:
        sentences.append("The key has no effect on sockets that a service manager passes.")
    if key.restart:
        sentences.append("A change takes effect at the next start, not with a reload.")
    return sentences


# ---------------------------------------------------------------- mdoc(7)


def mdoc(text: str, keys: Collection[str]) -> str:
    """Return a help text as lines of mdoc, a sentence each at least.

    Args:
        text: the help text.
        keys: names of keys, which have a macro of their own.
    """
    return "\n".join(
        line for sentence in _SENTENCE_END.split(text) for line in _mdoc_lines(sentence, keys)
    )


def _mdoc_lines(sentence: str, keys: Collection[str]) -> list[str]:
    lines = []
    end = 0
    for match in _MARKED.finditer(sentence):
        lines.append(_mdoc_text(sentence[end : match.start()]))
        opening, literal, page, section, closing = match.groups()
        words = [f"Xr {page} {section}"] if page else [_mdoc_literal(literal, keys)]
        if opening:
            macro, _, argument = words[0].partition(" ")
            words = [macro, "(", argument]
        lines.append("." + " ".join([*words, *closing]))
        end = match.end()
    lines.append(_mdoc_text(sentence[end:]))
    return [line for line in lines if line]


def _mdoc_text(text: str) -> str:
    text = escape_mdoc(text.strip())
    return rf"\&{text}" if text.startswith((".", "'")) else text


def _mdoc_literal(literal: str, keys: Collection[str]) -> str:
    if literal.startswith("--"):
        return f"Fl Fl {literal[2:]}"
    text = escape_mdoc(literal).replace('"', r"\(dq")
    if literal in keys:
        return f"Cm {text}"
    if "*" not in literal and literal.startswith(("/", "~", ".")):
        return f"Pa {text}"
    return rf"Ql \&{text}" if literal in ".,;:?!()[]|" else f"Ql {text}"


def escape_mdoc(text: str) -> str:
    r"""Return a text in which a backslash stands for itself."""
    return text.replace("\\", r"\e")
