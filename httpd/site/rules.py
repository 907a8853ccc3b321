"""What the operator's rules say about a path: how long clients may keep it, and its fields.

Pure; the configuration makes `Rule`s, and the responder asks `Rules` once per distinct request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from httpd.protocol.negotiation import IDENTITY

Fields = tuple[tuple[str, str], ...]

_OWN_FIELDS = """
    accept-ranges allow connection content-length content-range date keep-alive location
    proxy-connection retry-after trailer transfer-encoding upgrade vary
"""
OWN_FIELDS = frozenset(_OWN_FIELDS.split())
"""Names of the fields that rules have no say in, in lower case: they frame the message, or tell
what the server itself has done."""
VALIDATORS = frozenset({"etag", "last-modified"})
"""Names of the fields that rules can take away, and not set."""
CODINGS = ("br", "compress", "deflate", "gzip", "zstd")
"""What a rule may say of the content coding of a file (RFC 9110 §8.4.1)."""
_LIFETIME_FIELDS = ("cache-control", "expires")
_BODY_FIELDS = frozenset(
    {"content-disposition", "content-encoding", "content-language", "content-type"}
)
_FILE_FIELDS = (
    _BODY_FIELDS
    | VALIDATORS
    | {
        "cache-control",
        "cdn-cache-control",
        "content-location",
        "content-security-policy",
        "expires",
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What applies to the paths that match one of some patterns.

    Args:
        paths: patterns, see `check_pattern`.
        expires: seconds from now that clients may keep what they got, or None to leave that as it
            is.
        fields: names and values; None for a value takes the field away.
    """

    paths: tuple[str, ...]
    expires: int | None = None
    fields: tuple[tuple[str, str | None], ...] = ()


class PathPolicy(NamedTuple):
    """What all the rules together say about one path.

    Args:
        expires: seconds from now that clients may keep what they got, or None for the default.
        fields: to be set, in place of fields of the same name.
        removed: names of fields to be left out, in lower case.
    """

    expires: int | None = None
    fields: Fields = ()
    removed: frozenset[str] = frozenset()

    def get(self, name: str) -> str | None:
        """Return the value of a field that is to be set; `name` is in lower case."""
        if not self.fields:
            return None
        return next((value for key, value in self.fields if key.lower() == name), None)

    @property
    def coding(self) -> str | None:
        """The content coding that a file is said to have, `IDENTITY` for none; None where no rule
        has a say in it.
        """
        return IDENTITY if "content-encoding" in self.removed else self.get("content-encoding")

    def keep_validators(self, etag: str, modified: int | None) -> tuple[str | None, int | None]:
        """Return what conditions can be about: a client cannot know what is taken away.

        Args:
            etag: the entity tag of a representation.
            modified: its modification date, if it has one.
        """
        return (
            None if "etag" in self.removed else etag,
            None if "last-modified" in self.removed else modified,
        )

    def without_type(self) -> PathPolicy:
        """Return what applies to several ranges, whose type each of them has (RFC 9110 §14.6)."""
        return self._without(frozenset({"content-type"}))

    def for_not_modified(self) -> PathPolicy:
        """Return what applies to a 304, which does not describe a body (RFC 9110 §15.4.5)."""
        return self._without(_BODY_FIELDS)

    def for_page(self) -> PathPolicy:
        """Return what applies to a page of the server's own at the same path, such as an error.

        What a rule says of a file and its lifetime is wrong for it, and it has a policy of its own.
        """
        return self._without(_FILE_FIELDS)._replace(expires=None)

    def _without(self, names: frozenset[str]) -> PathPolicy:
        fields = tuple(field for field in self.fields if field[0].lower() not in names)
        return PathPolicy(self.expires, fields, self.removed - names)


NO_POLICY = PathPolicy()


class Rules:
    """All rules, ready to be asked.

    Args:
        rules: in the operator's order; what a later one says beats what an earlier one said.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = tuple(
            (re.compile("|".join(map(_translate, rule.paths)), re.DOTALL), rule) for rule in rules
        )

    def find(self, path: bytes) -> PathPolicy:
        """Return how a path is to be treated.

        Args:
            path: what `decode_path` made of the path of the request, so that ``//a`` and ``/%61``
                cannot get around a rule for ``/a``.
        """
        text = path.decode("utf-8", "surrogateescape")
        expires = None
        fields: dict[str, tuple[str, str | None]] = {}
        for pattern, rule in self._rules:
            if not pattern.fullmatch(text):
                continue
            if rule.expires is not None:
                expires = rule.expires
                for name in _LIFETIME_FIELDS:  # an earlier rule's are beaten, too
                    fields.pop(name, None)
            fields |= {name.lower(): (name, value) for name, value in rule.fields}
        if expires is None and not fields:
            return NO_POLICY
        return PathPolicy(
            expires,
            tuple((name, value) for name, value in fields.values() if value is not None),
            frozenset(name for name, (_, value) in fields.items() if value is None),
        )


def merge(fields: Fields, policy: PathPolicy) -> Fields:
    """Return the fields of an answer as the rules want them.

    Args:
        fields: what the answer would have without rules.
        policy: what the rules say.
    """
    if policy is NO_POLICY:
        return fields
    replaced = policy.removed.union(name.lower() for name, _ in policy.fields)
    kept = tuple(field for field in fields if field[0].lower() not in replaced)
    return kept + policy.fields


# ---------------------------------------------------------------- patterns


def check_pattern(pattern: str) -> bool:
    """Tell whether a text is a pattern for paths.

    ``*`` stands for any characters of a name, ``?`` for one, and ``**`` in place of a name for any
    number of names: ``/a/**`` is all that is below ``/a/``.  A pattern without a slash is for the
    last name of a path, which is empty for a directory's own page; else it begins with one.
    """
    first, *names = pattern.split("/")
    if names and (first or "" in names[:-1]):
        return False
    return pattern != "" and all(name == "**" or "**" not in name for name in (first, *names))


def _translate(pattern: str) -> str:
    """Return the regular expression for a pattern; it takes time linear in the length of a path.

    The shortest match of what stands between two wildcards leaves the most to what follows.  So it
    is never reconsidered, which is what the atomic groups say.
    """
    if "/" not in pattern:
        pattern = f"/**/{pattern}"
    first, *others = f"{pattern[1:]}/".split("**/")
    if not others:
        return "/" + _translate_names(first[:-1])
    between = "".join(f"(?>(?:.*?/)??{_translate_names(run)})" for run in others[:-1] if run)
    end = f"(?:.*/)?{_translate_names(others[-1][:-1])}" if others[-1] else ".*"
    return "/" + _translate_names(first) + between + end


def _translate_names(names: str) -> str:
    return "/".join(map(_translate_name, names.split("/")))


def _translate_name(name: str) -> str:
    first, *others = ("[^/]".join(map(re.escape, part.split("?"))) for part in name.split("*"))
    if not others:
        return first
    return first + "".join(f"(?>[^/]*?{part})" for part in others[:-1]) + f"[^/]*{others[-1]}"
