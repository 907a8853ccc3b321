"""The reference page of the settings, docs/reference/settings.md."""

from __future__ import annotations

import textwrap

from httpd.configuration import GROUPS
from httpd.settings.declaration import Key
from tools.docs.text import has_default, limits_of, scalar

WIDTH = 100

_HEAD = """\
<!-- Written by “make docs” from httpd/*/settings.py. -->

# Settings

The config file is a YAML mapping of these keys. Every key may be left out, but either `docroot` or
`sites` must be there. An option on the command line beats the config file. Relative paths are
relative to the config file; those of options are relative to the working directory. `phttpd
--check` says what is wrong in the file, and where. `phttpd reload` applies every change without a
failed request, except where a key says otherwise.

Sizes are bytes, or a number with `B`, `KB`, `KiB`, `MB`, `MiB`, `GB` or `GiB`. Times are seconds,
or a number with `ms`, `s`, `min`, `h` or `d`. Numbers are decimal, also with a zero in front.
"""


def generate() -> str:
    """Return the text of docs/reference/settings.md."""
    blocks = [_HEAD]
    for group in GROUPS:
        blocks.append(f"## {group.title}\n")
        for key in group.keys.values():
            blocks += _describe(key)
    return "\n".join(blocks)


def _describe(key: Key) -> list[str]:
    text = f"{key.help} {key.details}".strip()
    blocks = [f"### {key.name}\n", _fill(text)]
    if key.kind.parts:
        items = [_fill(f"`{name}`: {text}", "- ") for name, text in key.kind.parts.items()]
        blocks.append("".join(items))
    if "\n" in key.example:
        example = textwrap.indent(key.example, "  ")
        blocks.append(f"```yaml\n{key.name}:\n{example}\n```\n")
    facts = [_fill(f"Allowed: {_literal_marks(key.kind.allowed)}.", "- ")]
    if has_default(key):
        facts.append(f"- Default: `{scalar(key.default)}`\n")
    elif key.example and "\n" not in key.example:
        facts.append(f"- Example: `{key.name}: {key.example}`\n")
    if key.is_required:
        unless = f", unless `{key.instead}` is" if key.instead else ""
        facts.append(f"- The key must be set, here or by the option{unless}.\n")
    if key.option:
        names = [name for name in (key.option_name, key.option.alias) if name]
        facts.append(f"- Option: {' or '.join(f'`{name}`' for name in names)}\n")
    facts += [f"- {sentence}\n" for sentence in limits_of(key)]
    blocks.append("".join(facts))
    return blocks


def _literal_marks(text: str) -> str:
    """Keep asterisks from being taken for emphasis."""
    return text.replace("*", r"\*")


def _fill(text: str, first: str = "") -> str:
    return (
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )
