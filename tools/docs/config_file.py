"""The commented config file of a checkout, etc/phttpd.yaml: every key with its default."""

from __future__ import annotations

import textwrap

from httpd.configuration import GROUPS
from httpd.settings.declaration import Key
from tools.docs.text import comment, limits_of, scalar

WIDTH = 100
IN_FORCE = {
    "port": "8080",
    "docroot": "../www",
    "pidfile": "../logs/phttpd.pid",
    "log_file": "../logs/phttpd.log",
}
"""What the config file of a checkout sets; etc/installed.sed has the values of an installed one."""
FIRST_IN_FORCE = {
    "rules": "The first rule is in force: browsers ask again for each page, so that a change of the"
    " site is seen at once. The others are examples.",
}
"""The lists of which the first item of the example is in force in either file, and why."""

_HEAD = """\
# yaml-language-server: $schema=phttpd.schema.json
#
# Written by “make docs” from httpd/*/settings.py.
#
# The configuration of phttpd. Every key is here. A line that begins with “#” has the default of its
# key, but types, rules, sites, user and group are examples.
# An option on the command line beats this file. Relative paths are relative to this file.
# Numbers are decimal, also with a zero in front.
# Check it with: phttpd --config FILE --check
"""


def generate() -> str:
    """Return the text of etc/phttpd.yaml."""
    paragraphs = [_HEAD]
    for group in GROUPS:
        paragraphs.append(f"# ---------------------------- {group.title}\n")
        paragraphs += [f"{_explain(key)}\n{_set(key)}\n" for key in group.keys.values()]
    return "\n".join(paragraphs)


def _explain(key: Key) -> str:
    lines = [comment(" ".join([key.help, *limits_of(key)]), WIDTH)]
    width = max(map(len, key.kind.parts), default=0)
    for name, text in key.kind.parts.items():
        lines.append(comment(text, WIDTH, f"#   {name:{width}}  ", f"#   {'':{width}}  "))
    if key.name in FIRST_IN_FORCE:
        lines.append(comment(FIRST_IN_FORCE[key.name], WIDTH))
    return "\n".join(lines)


def _set(key: Key) -> str:
    if key.name in IN_FORCE:
        return f"{key.name}: {IN_FORCE[key.name]}"
    if key.name in FIRST_IN_FORCE:
        first, rest = key.example.split("\n- ", 1)
        examples = textwrap.indent(f"- {rest}", "#  ")
        return "\n".join([f"{key.name}:", textwrap.indent(first, "  "), examples])
    if "\n" in key.example:
        return f"#{key.name}:\n" + textwrap.indent(key.example, "#  ")
    return f"#{key.name}: {key.example or scalar(key.default)}"
