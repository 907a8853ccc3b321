"""The syntax of `redirects` in the config file.

`REDIRECTS` is the kind of the key; `httpd.site.redirects` has the meaning of the redirects.
"""

from __future__ import annotations

import re
from typing import Any

from httpd.settings.errors import ConfigError, refuse
from httpd.settings.kinds import Kind
from httpd.settings.tree import Tree, items_of
from httpd.site import patterns
from httpd.site.patterns import stars_of
from httpd.site.redirect_checks import find_loops
from httpd.site.redirects import GONE, Redirect
from httpd.site.rule_syntax import read_patterns

STATUSES = (301, 302, 303, 307, 308)
"""The statuses of a redirect that leads somewhere (RFC 9110 §15.4)."""
_DEFAULT = 308

_PARTS = {
    "path": "A pattern or a list of patterns for the decoded path of the request, as in `rules`.",
    "to": "Where the response sends the client: a path of this site, or a URL of `http` or `https`."
    " Its stars are what the stars of the path stood for, in order: `*` for `*`, and `**` for `**`."
    " The query of the request is kept, behind that of `to` if it has one.",
    "status": f"301, 302, 303, 307 or 308; {_DEFAULT} by default, which is permanent and keeps the"
    f" method. With {GONE}, the page is gone, and there is no `to`.",
}
_ALLOWED = "a list of redirects, each with path and to, and a status if it is not 308"
_TO = "a path such as /new/**, or a URL such as https://example.com/**"
_STATUS = f"{', '.join(map(str, STATUSES))} or {GONE}"
_STATUS_TEXTS = {str(status): status for status in (*STATUSES, GONE)}

# The characters of RFC 3986 §3.3, percent-encoded ones, and those that phttpd encodes.
_PCHAR = r"(?:[0-9A-Za-z\-._~!$&'()+*,;=:@]|[^\x00-\xa0\ud800-\udfff]|%[0-9A-Fa-f]{2})"
_LABEL = "[0-9A-Za-z_-]{1,63}"
_ORIGIN = rf"https?://(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"
_TARGET = re.compile(
    rf"(?:(?={_ORIGIN}(?:[/?#]|$))https?://[^/?#]+|(?=/(?!/)))"
    rf"(?P<path>(?:{_PCHAR}|/)*)(?P<rest>(?:\?(?:{_PCHAR}|[/?])+)?(?:#(?:{_PCHAR}|[/?])*)?)"
)
_FORBIDDEN = re.compile(r'[\x00-\x20"<>\\^`{|}\x7f-\xa0\ud800-\udfff]|%(?![0-9A-Fa-f]{2})')
_SCHEMA = r"^(https?://[^/?#*@\x00-\x20\\]+(?=[/?#]|$)|/(?!/))[^\x00-\x20\\]*$"


def _read_redirects(tree: Any) -> tuple[Redirect, ...]:
    """Return the redirects in the order of the file, one for each pattern.

    Args:
        tree: a `Tree`; an empty list is the default.

    Raises:
        ConfigError: with all faults of the redirects.
        ValueError: the value is no list; the text says what is allowed.
    """
    problems: list[str] = []
    redirects = tuple(
        redirect for item in items_of(tree, _ALLOWED) for redirect in _read_redirect(item, problems)
    )
    if not problems:
        problems = [
            f"{tree.path}:{loop.line}: {': '.join(tree.keys)}: {loop.describe()}"
            for loop in find_loops(redirects)
        ]
    if problems:
        raise ConfigError(problems)
    return redirects


def _read_redirect(tree: Tree, problems: list[str]) -> list[Redirect]:
    """Return the redirects of an item, which are of no use if a fault was added to `problems`."""
    before = len(problems)
    entries = tree.entries(problems, _PARTS)
    if entries is None:
        problems.append(refuse(tree.place, tree, "path and to, and a status if it is not 308"))
        return []
    status = _read_status(entries["status"], problems) if "status" in entries else _DEFAULT
    if len(problems) == before:  # else the missing key may be misspelt
        if "path" not in entries:
            problems.append(f"{tree.place}: a redirect without path; expected {patterns.ALLOWED}")
        if "to" not in entries and status != GONE:
            problems.append(f"{tree.place}: a redirect without to; expected {_TO}")
        if "to" in entries and status == GONE:
            problems.append(f"{entries['to'].place}: a page that is gone ({GONE}) leads nowhere")
    to = _read_to(entries["to"], problems) if "to" in entries else None
    items = read_patterns(entries["path"], problems) if "path" in entries else {}
    faults = [fault for path in items if to and (fault := _compare_stars(path, to))]
    problems += [f"{entries['to'].place}: {fault}" for fault in faults]
    return [Redirect(path, to, status, item.line) for path, item in items.items()]


def _read_status(tree: Tree, problems: list[str]) -> int:
    status = _STATUS_TEXTS.get(tree.text() or "")
    if status is None:
        problems.append(refuse(tree.place, tree, _STATUS))
        return _DEFAULT
    return status


def _read_to(tree: Tree, problems: list[str]) -> str | None:
    """Return where a redirect leads, or None if that was added to `problems`."""
    text = tree.text()
    fault = refuse(tree.place, tree, _TO) if text is None else _find_fault(tree, text)
    if fault is None:
        return text
    problems.append(fault)
    return None


def _find_fault(tree: Tree, to: str) -> str | None:
    if to.startswith(("//", "/\\")):
        # Clients take what follows for the name of a host (RFC 3986 §4.2).
        return refuse(tree.place, tree, f"{_TO}; what begins so is another host")
    if found := _FORBIDDEN.search(to):
        wrong = "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace"))
        return refuse(tree.place, tree, f"{found[0]!r} as {wrong}")
    match = _TARGET.fullmatch(to)
    if match is None:
        return refuse(tree.place, tree, _TO)
    if "*" in match["rest"]:
        return refuse(tree.place, tree, "stars in the path only; %2A is a star elsewhere")
    if not all(name == "**" or "**" not in name for name in match["path"].split("/")):
        return refuse(tree.place, tree, f"{_TO}; “**” is a whole name")
    return None


def _compare_stars(path: str, to: str) -> str:
    """Return what is wrong with the stars of `to`; empty if nothing."""
    given, wanted = stars_of(path), stars_of(to)
    if len(wanted) > len(given):
        return f"has more stars than the path {path}"
    pairs = zip(given, wanted, strict=False)
    for number, (one, other) in enumerate(pairs, 1):
        if one != other:
            return f"has {other} as star {number}, but the path {path} has {one}"
    return ""


# ---------------------------------------------------------------- the same for editors


def _make_schema() -> dict[str, Any]:
    """Return the JSON Schema of the values that `_read_redirects` accepts."""
    path = {"type": "string", "pattern": patterns.SCHEMA}
    gone = {"enum": [GONE, str(GONE)]}
    redirect = {
        "type": "object",
        "properties": {
            "path": {**path, "type": ["string", "array"], "items": path, "minItems": 1},
            "to": {"type": "string", "pattern": _SCHEMA},
            "status": {"enum": [each for text in _STATUS_TEXTS.items() for each in text[::-1]]},
        },
        "required": ["path"],
        "if": {"properties": {"status": gone}, "required": ["status"]},
        "then": {"not": {"required": ["to"]}},
        "else": {"required": ["to"]},
        "additionalProperties": False,
    }
    return {"type": "array", "items": redirect}


REDIRECTS = Kind(_ALLOWED, _read_redirects, _make_schema(), reads_tree=True, parts=_PARTS)
