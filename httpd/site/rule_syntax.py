"""The syntax of `rules` in the config file: lifetimes, header fields and origins by path.

`RULES` is the kind of the key; `httpd.site.rules` has the meaning of the rules.
"""

from __future__ import annotations

from typing import Any

from httpd.protocol.grammar import FIELD_NAME, FIELD_VALUE
from httpd.settings.errors import ConfigError, refuse
from httpd.settings.kinds import Kind, any_case, whole_seconds
from httpd.settings.tree import Tree, items_of
from httpd.site import origins, patterns
from httpd.site.rules import CODINGS, OWN_FIELDS, VALIDATORS, Rule

EXPIRES = whole_seconds(0, 10 * 365 * 86400)
"""The kind of a lifetime, of the whole site or of a rule."""

_PARTS = {
    "path": "A pattern or a list of patterns for the decoded path of the request. `*` is any part"
    " of a name, `?` one character, `**` any number of names. A pattern without a slash is for the"
    " last name, in whatever directory; `/**/` is every directory's own page. A pattern that begins"
    " with `*` must be quoted.",
    "expires": "How long clients may use a response without asking again, as above.",
    "headers": "Fields of the response. They replace the default ones, also the `Cache-Control`"
    " that `expires` makes; `null` removes a field. `Content-Encoding` says that a file is coded"
    " already, such as an `.svgz` file; the file is sent as it is to all clients. `ETag` and"
    " `Last-Modified` can only be removed. Fields that frame a response or tell what phttpd did"
    " (`Content-Length`, `Vary` and the like) cannot be set.",
    "cors": "The origins whose pages may read the response (CORS): one such as `https://a.example`,"
    ' or a list of them, or `"*"` in quotes for all; `null` for none, after an earlier rule.',
}
_SAYS = "expires, headers or cors"
_ALLOWED = f"a list of rules, each with a path and {_SAYS}"
_CODING = f"{', '.join(CODINGS)}, or null to send the file as it is"
_VALUE = "one line of printable ASCII, or null to take the field away"


def _read_rules(tree: Any) -> tuple[Rule, ...]:
    """Return the rules in the order of the file.

    Args:
        tree: a `Tree`; an empty list is the default.

    Raises:
        ConfigError: with all faults of the rules.
        ValueError: the value is no list; the text says what is allowed.
    """
    problems: list[str] = []
    rules = tuple(_read_rule(item, problems) for item in items_of(tree, _ALLOWED))
    if problems:
        raise ConfigError(problems)
    return rules


def _read_rule(tree: Tree, problems: list[str]) -> Rule:
    """Return a rule, which is incomplete if a fault was added to `problems`."""
    before = len(problems)
    entries = tree.entries(problems, _PARTS)
    if entries is None:
        problems.append(refuse(tree.place, tree, f"a path and {_SAYS}"))
        return Rule(())
    if len(problems) == before:  # else the missing key may be misspelt
        if "path" not in entries:
            problems.append(f"{tree.place}: a rule without path; expected {patterns.ALLOWED}")
        if entries.keys() <= {"path"}:
            problems.append(f"{tree.place}: a rule that says nothing; expected {_SAYS}")
    return Rule(
        tuple(read_patterns(entries["path"], problems)) if "path" in entries else (),
        _read_expires(entries["expires"], problems) if "expires" in entries else None,
        _read_fields(entries["headers"], problems) if "headers" in entries else (),
        _read_origins(entries["cors"], problems) if "cors" in entries else None,
        tree.line,
    )


def read_patterns(tree: Tree, problems: list[str]) -> dict[str, Tree]:
    """Return the patterns of a pattern or a list of patterns, each with the part that has it.

    Args:
        tree: the value.
        problems: what is wrong is added here.
    """
    items = tree.items()
    found = {}
    for item in [tree] if items is None else items:
        text = item.text()
        if text is not None and patterns.check_pattern(text):
            found[text] = item
        else:
            problems.append(refuse(item.place, item, patterns.ALLOWED))
    if items == []:
        problems.append(refuse(tree.place, tree, patterns.ALLOWED))
    return found


def _read_expires(tree: Tree, problems: list[str]) -> int | None:
    try:
        return int(EXPIRES.read(tree.text()))
    except ValueError as allowed:
        problems.append(refuse(tree.place, tree, allowed))
        return None


def _read_origins(tree: Tree, problems: list[str]) -> origins.Origins:
    """Return the origins of `cors`; none for null, but not where nothing is written."""
    if (tree.is_null and tree.is_written) or tree.text() == origins.ANY:
        return frozenset() if tree.is_null else origins.ANY_ORIGIN
    items = tree.items()
    found = set()
    for item in [tree] if items is None else items:
        try:
            found.add(origins.read_origin(item.text()))
        except ValueError as allowed:
            problems.append(refuse(item.place, item, allowed))
    if items == []:
        problems.append(refuse(tree.place, tree, origins.ALLOWED))
    return frozenset(found)


def _read_fields(tree: Tree, problems: list[str]) -> tuple[tuple[str, str | None], ...]:
    before = len(problems)
    entries = tree.entries(problems)
    if not entries and len(problems) == before:
        problems.append(refuse(tree.place, tree, "lines of the form “Name: value”"))
    fields = []
    for name, value in (entries or {}).items():
        if problem := _find_fault(name, value):
            problems.append(problem)
        text = value.text()
        if text is not None and name.lower() == "content-encoding":
            text = text.lower()
        fields.append((name, text))
    return tuple(fields)


def _find_fault(name: str, value: Tree) -> str | None:
    place, text = value.place, value.text()
    if not FIELD_NAME.fullmatch(name):
        return f"{place}: is not the name of a field; expected letters, digits and hyphens"
    if name.lower() in OWN_FIELDS:
        return f"{place}: is up to phttpd; a rule has no say in it"
    if name.lower() == "expires" and not value.is_null:
        return refuse(place, value, "null to take the field away; its time is that of “expires:”")
    if name.lower() in VALIDATORS and not value.is_null:
        return refuse(place, value, "null to take the field away; its value is up to phttpd")
    if name.lower() == "content-encoding":
        is_good = value.is_null or (text is not None and text.lower() in CODINGS)
        return None if is_good else refuse(place, value, _CODING)
    if name.lower() == "content-type" and value.is_null:
        return refuse(place, value, "a media type")
    if not value.is_null and (text is None or not FIELD_VALUE.fullmatch(text)):
        return refuse(place, value, _VALUE)
    return None


# ---------------------------------------------------------------- the same for editors


def _make_schema() -> dict[str, Any]:
    """Return the JSON Schema of the values that `_read_rules` accepts."""
    path = {"type": "string", "pattern": patterns.SCHEMA}
    value = {"type": ["string", "number", "boolean"], "pattern": f"^{FIELD_VALUE.pattern}$"}
    headers = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {
            "pattern": f"^{FIELD_NAME.pattern}$",
            "not": {"pattern": f"^({'|'.join(map(any_case, sorted(OWN_FIELDS)))})$"},
        },
        "patternProperties": {
            f"^({'|'.join(map(any_case, ('expires', *sorted(VALIDATORS))))})$": {"type": "null"},
            f"^{any_case('content-encoding')}$": {
                "type": ["string", "null"],
                "pattern": f"^({'|'.join(map(any_case, CODINGS))})$",
            },
            f"^{any_case('content-type')}$": value,
        },
        "additionalProperties": {**value, "type": [*value["type"], "null"]},
    }
    origin = {"type": "string", "pattern": f"^({origins.ORIGIN})$"}
    cors = {
        "anyOf": [
            {"enum": [None, origins.ANY]},
            origin,
            {"type": "array", "items": origin, "minItems": 1},
        ]
    }
    rule = {
        "type": "object",
        "properties": {
            "path": {**path, "type": ["string", "array"], "items": path, "minItems": 1},
            "expires": EXPIRES.schema,
            "headers": headers,
            "cors": cors,
        },
        "required": ["path"],
        "anyOf": [{"required": [name]} for name in ("expires", "headers", "cors")],
        "additionalProperties": False,
    }
    return {"type": "array", "items": rule}


RULES = Kind(_ALLOWED, _read_rules, _make_schema(), reads_tree=True, parts=_PARTS)
