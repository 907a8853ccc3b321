"""Rules of the operator for paths: the lifetime of responses in clients, and header fields.

`httpd.site.rule_syntax` reads a `Rule` from the configuration.  A site asks `Rules` for the policy
of a path when it makes a response.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from httpd.protocol.negotiation import IDENTITY
from httpd.site.patterns import translate

Fields = tuple[tuple[str, str], ...]

_OWN_FIELDS = """
    accept-ranges allow connection content-length content-range date keep-alive location
    proxy-connection retry-after trailer transfer-encoding upgrade vary
"""
OWN_FIELDS = frozenset(_OWN_FIELDS.split())
"""Names of the fields that rules cannot set or remove, in lower case: they frame the message, or
describe what the server did."""
VALIDATORS = frozenset({"etag", "last-modified"})
"""Names of the fields that rules can remove but not set."""
CODINGS = ("br", "compress", "deflate", "gzip", "zstd")
"""The content codings that a rule may set for a file (RFC 9110 §8.4.1)."""
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
    """A rule for the paths that match one of some patterns.

    Args:
        paths: patterns, see `httpd.site.patterns`.
        expires: seconds for which clients may cache the response; None to leave that unchanged.
        fields: names and values; a value of None removes the field.
    """

    paths: tuple[str, ...]
    expires: int | None = None
    fields: tuple[tuple[str, str | None], ...] = ()


class PathPolicy(NamedTuple):
    """The effect of all rules together on one path.

    Args:
        expires: seconds for which clients may cache the response; None for the default.
        fields: to be set, in place of fields of the same name.
        removed: names of the fields to be removed, in lower case.
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
        """The content coding that the rules set, `IDENTITY` for none; None without such a rule."""
        return IDENTITY if "content-encoding" in self.removed else self.get("content-encoding")

    def keep_validators(self, etag: str, modified: int | None) -> tuple[str | None, int | None]:
        """Return the validators that clients know, since the rules do not remove them.

        Args:
            etag: the entity tag of a representation.
            modified: its modification date, if it has one.
        """
        return (
            None if "etag" in self.removed else etag,
            None if "last-modified" in self.removed else modified,
        )

    def without_type(self) -> PathPolicy:
        """Return the policy for several ranges: each has its own Content-Type (RFC 9110 §14.6)."""
        return self._without(frozenset({"content-type"}))

    def for_not_modified(self) -> PathPolicy:
        """Return the policy for a 304, which does not describe a body (RFC 9110 §15.4.5)."""
        return self._without(_BODY_FIELDS)

    def for_page(self) -> PathPolicy:
        """Return the policy for a page of the server's own at the same path, such as an error.

        Rules for a file and its lifetime do not apply to the page, and the page has a
        Content-Security-Policy of its own.
        """
        return self._without(_FILE_FIELDS)._replace(expires=None)

    def for_custom_page(self) -> PathPolicy:
        """Return the policy for a page of the operator's that is sent for an error at the path.

        Unlike the server's own page, it has no Content-Security-Policy but that of the rules.
        """
        return self._without(_FILE_FIELDS - {"content-security-policy"})._replace(expires=None)

    def _without(self, names: frozenset[str]) -> PathPolicy:
        fields = tuple(field for field in self.fields if field[0].lower() not in names)
        return PathPolicy(self.expires, fields, self.removed - names)


NO_POLICY = PathPolicy()


class Rules:
    """All rules, compiled.

    Args:
        rules: in the operator's order; a later rule overrides an earlier one.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = tuple(
            (re.compile("|".join(map(translate, rule.paths)), re.DOTALL), rule) for rule in rules
        )

    def find(self, path: bytes) -> PathPolicy:
        """Return the policy for a path.

        Args:
            path: the result of `decode_path` for the path of the request, so that ``//a`` and
                ``/%61`` cannot evade a rule for ``/a``.
        """
        text = path.decode("utf-8", "surrogateescape")
        expires = None
        fields: dict[str, tuple[str, str | None]] = {}
        for pattern, rule in self._rules:
            if not pattern.fullmatch(text):
                continue
            if rule.expires is not None:
                expires = rule.expires
                for name in _LIFETIME_FIELDS:  # of earlier rules
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
    """Return the fields of a response with the rules applied.

    Args:
        fields: of the response without rules.
        policy: the rules for the path.
    """
    if policy is NO_POLICY:
        return fields
    replaced = policy.removed.union(name.lower() for name, _ in policy.fields)
    unchanged = tuple(field for field in fields if field[0].lower() not in replaced)
    return unchanged + policy.fields
