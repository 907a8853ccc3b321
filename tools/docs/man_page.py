"""The keys in the manual page of the config file, docs/man/phttpd.yaml.5; the rest is written by
hand.
"""

from __future__ import annotations

from httpd.configuration import GROUPS, KEYS
from httpd.settings.declaration import Key
from tools.docs.text import escape_mdoc, has_default, limits_of, mdoc, scalar

_BEGIN = '.\\" “make docs” writes what follows from httpd/*/settings.py.\n'
_END = '.\\" End of what “make docs” writes.\n'


def replace_keys(page: str) -> str:
    """Return the page with the keys as they are declared."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {_BEGIN!r} and {_END!r}")
    return before + begin + _keys() + end + after


def _keys() -> str:
    lines = []
    for group in GROUPS:
        lines += [f".Ss {group.title}", ".Bl -tag -width Ds"]
        for key in group.keys.values():
            lines += _describe(key)
        lines.append(".El")
    return "".join(f"{line}\n" for line in lines)


def _describe(key: Key) -> list[str]:
    default = escape_mdoc(scalar(key.default)).replace('"', r"\(dq") if has_default(key) else ""
    suffix = f" No (default: Ql {default} )" if default else ""
    lines = [f".It Cm {key.name}{suffix}", mdoc(key.help, KEYS)]
    if key.kind.parts:
        lines.append(".Bl -tag -width Ds")
        for name, text in key.kind.parts.items():
            lines += [f".It Cm {name}", mdoc(text, KEYS)]
        lines.append(".El")
    if key.details:
        lines.append(mdoc(key.details, KEYS))
    return [*lines, *limits_of(key)]
