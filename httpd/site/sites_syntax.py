"""The syntax of `sites` in the config file: the sites that have names, each with settings.

A site has the keys of `SiteSettings`, and `access_log`.  Those that it leaves out are as at the top
of the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from httpd.settings.declaration import Key, keys_of
from httpd.settings.errors import refuse
from httpd.settings.kinds import Kind
from httpd.settings.loader import Problems, Value, read_value, schema_of, take_values
from httpd.settings.log_target import LOG_TARGET
from httpd.settings.system_kinds import PATH
from httpd.settings.tree import Tree, items_of, read_each
from httpd.site.names import MAX_NAME, NAME, NAMES_ALLOWED, read_name
from httpd.site.settings import SiteSettings

STAR = "*"
"""As the last name of a docroot: what the star of the site's name stands for."""
_ALLOWED = "a list of sites, each with name and docroot"
_SITE_ALLOWED = "name, docroot and other keys of a site"
_DOCROOT_ALLOWED = "a path, in which a star can only be the whole last name: /srv/students/*"


@dataclass(frozen=True, slots=True)
class OwnLog:
    """The access log of a site that is not that at the top of the file.

    Args:
        target: where it leads; None for nowhere.
        place: where that stands: the start of an error message.
    """

    target: str | None
    place: str = field(default="access_log", compare=False)


@dataclass(frozen=True, slots=True)
class NamedSite:
    """A site that has names.

    Args:
        names: as `read_name` returns them.
        own: the settings that are not those at the top of the file, by key.
        access_log: None for that at the top of the file.
        line: of the config file.
    """

    names: tuple[str, ...]
    own: tuple[tuple[str, Any], ...]
    access_log: OwnLog | None = None
    line: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """What the access log and the counters call the site."""
        return self.names[0]

    @property
    def docroot(self) -> str:
        """The directory to serve; its last name may be `STAR`."""
        return str(dict(self.own)["docroot"])

    @property
    def label(self) -> str:
        """What messages call the docroot."""
        return f"{self.docroot} of {self.names[0]}"

    def settings(self, top: SiteSettings) -> SiteSettings:
        """Return the settings of the site, given those at the top of the file."""
        return replace(top, **dict(self.own))


# ---------------------------------------------------------------- the keys of a site


def _read_names(tree: Any) -> list[tuple[str, Tree]]:
    """Return the names, each with the part of the file that has it."""
    if tree.items() == []:
        raise ValueError(NAMES_ALLOWED)
    return read_each(tree, read_name)


def _read_docroot(value: Any) -> str:
    path: str = PATH.read(value)
    if STAR in path.removesuffix(f"/{STAR}"):
        raise ValueError(_DOCROOT_ALLOWED)
    return path


def _read_own_log(tree: Tree) -> OwnLog:
    """Return the access log of a site; a written ``null`` is that of nowhere, as is ``false``."""
    if tree.is_null:
        return OwnLog(None, tree.place)
    problems = Problems()
    directory = os.path.dirname(os.path.abspath(tree.path))
    target = read_value(_LOG_KEY, Value(tree.value(), tree.place, directory), problems)
    problems.throw()
    return OwnLog(target, tree.place)


_NAME_SCHEMA = {"type": "string", "pattern": f"^({NAME})$", "maxLength": MAX_NAME}
_NAMES = Kind(
    NAMES_ALLOWED,
    _read_names,
    {**_NAME_SCHEMA, "type": ["string", "array"], "items": _NAME_SCHEMA, "minItems": 1},
    reads_tree=True,
)
_DOCROOT = Kind(
    _DOCROOT_ALLOWED,
    _read_docroot,
    {"type": "string", "pattern": r"^([^*]+|[^*]*/\*)$"},
    is_path=True,
)
_LOG_KEY = Key("access_log", LOG_TARGET, None, "")
_OWN_LOG = Kind(LOG_TARGET.allowed, _read_own_log, LOG_TARGET.schema, reads_tree=True)
_OWN_KEYS = (
    Key(
        "name",
        _NAMES,
        None,
        "The name that clients ask for, or a list of names. `*.example.com` is every name"
        " that ends so, with one label or more for the star; it is not `example.com`. An exact name"
        " comes first, then the longest one with a star. Case, a port, and a dot at the end make no"
        " difference. An international name is in its ASCII form, `xn--…`.",
    ),
    Key(
        "docroot",
        _DOCROOT,
        None,
        "The directory to serve. In `/srv/students/*` the star is what the star of the name stands"
        " for, if that is one label of lower-case letters, digits and hyphens. A directory that is"
        " made later needs no reload. A name without a directory is answered with 404.",
    ),
)
_ACCESS_LOG = Key(
    "access_log",
    _OWN_LOG,
    None,
    "Where to log the requests to this site, in place of the `access_log` at the top of the file.",
)
KEYS: Mapping[str, Key] = {
    **{key.name: key for key in _OWN_KEYS[:1]},
    **{name: replace(key, default=None) for name, key in keys_of(SiteSettings).items()},
    **{key.name: key for key in _OWN_KEYS[1:]},
    _ACCESS_LOG.name: _ACCESS_LOG,
}
"""The keys of a site: a field of `SiteSettings` is one of them."""
REQUIRED_KEYS = tuple(key.name for key in _OWN_KEYS)
OTHER_KEYS = tuple(name for name in KEYS if name not in REQUIRED_KEYS)
"""The keys that are as at the top of the file where a site leaves them out."""


# ---------------------------------------------------------------- the list


def _read_sites(tree: Any) -> tuple[NamedSite, ...]:
    """Return the sites in the order of the file.

    Args:
        tree: a `Tree`; an empty list is the default.

    Raises:
        ConfigError: with all faults of the sites.
        ValueError: the value is no list; the text says what is allowed.
    """
    problems = Problems()
    lines: dict[str, int] = {}
    sites = tuple(_read_site(item, lines, problems) for item in items_of(tree, _ALLOWED))
    problems.throw()
    return sites


def _read_site(tree: Tree, lines: dict[str, int], problems: Problems) -> NamedSite:
    """Return a site, which is of no use if something was added to `problems`.

    Args:
        tree: the mapping.
        lines: those of the names before, to which the names of this site are added.
        problems: what is wrong is added here.
    """
    before = len(problems.lines)
    values = take_values(tree, KEYS, problems)
    if values is None:
        problems.lines.append(refuse(tree.place, tree, _SITE_ALLOWED))
        return NamedSite((), ())
    own = {
        name: read_value(KEYS[name], value, problems)
        for name, value in values.items()
        if not _is_left_out(value)
    }
    if len(problems.lines) == before:  # else the missing key may be misspelt
        problems.lines += [
            f"{tree.place}: a site without {name}" for name in REQUIRED_KEYS if name not in own
        ]
    names: list[tuple[str, Tree]] = own.pop("name", None) or []
    for name, item in names:
        if name in lines:
            text = f"{name} is the name of a site already, in line {lines[name]}"
            problems.lines.append(f"{item.place}: {text}")
        lines.setdefault(name, item.line)
    without_star = [name for name, _ in names if not name.startswith(STAR)]
    if without_star and (own.get("docroot") or "").endswith(f"/{STAR}"):
        text = f"the star stands for that of the name, and {without_star[0]} has none"
        problems.lines.append(f"{values['docroot'].place}: {text}")
    access_log = own.pop("access_log", None)
    texts = tuple(name for name, _ in names)
    return NamedSite(texts, tuple(own.items()), access_log, tree.line)


def _is_left_out(value: Value) -> bool:
    """Tell whether a key has no value, so that it is as at the top of the file."""
    raw = value.raw
    return raw is None or (isinstance(raw, Tree) and raw.is_null and not raw.is_written)


def _make_schema() -> dict[str, Any]:
    """Return the JSON Schema of the values that `_read_sites` accepts."""
    properties = {name: schema_of(key) for name, key in KEYS.items()}
    for name in REQUIRED_KEYS:
        properties[name] = {**properties[name], "anyOf": [KEYS[name].kind.schema]}
    site = {
        "type": "object",
        "properties": properties,
        "required": list(REQUIRED_KEYS),
        "additionalProperties": False,
    }
    return {"type": "array", "items": site}


SITES = Kind(
    _ALLOWED,
    _read_sites,
    _make_schema(),
    reads_tree=True,
    parts={key.name: key.help for key in _OWN_KEYS},
)
