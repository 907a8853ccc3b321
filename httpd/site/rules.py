"""Rules of the operator for paths: the lifetime of responses in clients, and header fields.

`httpd.site.rule_syntax` reads a `Rule` from the configuration.  A site asks `Rules` for the policy
of a path when it makes a response.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from httpd.protocol.negotiation import IDENTITY
from httpd.site.origins import ANY, ANY_ORIGIN, Origins
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
_CORS_FIELDS = "access-control-"
_EXPOSED = (
    "Access-Control-Expose-Headers",
    "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag",
)
"""What pages may read of a response beside the safelisted fields (Fetch §2.2.2).  Content-Length is
one of these, but not for older browsers."""
_MAX_POLICIES = 256
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
        cors: the origins whose pages may read the response, `ANY_ORIGIN` for all; None to leave
            that unchanged.
        line: of the config file.
    """

    paths: tuple[str, ...]
    expires: int | None = None
    fields: tuple[tuple[str, str | None], ...] = ()
    cors: Origins | None = None
    line: int = field(default=0, compare=False)


class PathPolicy(NamedTuple):
    """The effect of all rules together on one path.

    Args:
        expires: seconds for which clients may cache the response; None for the default.
        fields: to be set, in place of fields of the same name.
        removed: names of the fields to be removed, in lower case.
        cors: the origins whose pages may read the response.
    """

    expires: int | None = None
    fields: Fields = ()
    removed: frozenset[str] = frozenset()
    cors: Origins = frozenset()

    def get(self, name: str) -> str | None:
        """Return the value of a field that is to be set; `name` is in lower case."""
        if not self.fields:
            return None
        return next((value for key, value in self.fields if key.lower() == name), None)

    @property
    def coding(self) -> str | None:
        """The content coding that the rules set, `IDENTITY` for none; None without such a rule."""
        return IDENTITY if "content-encoding" in self.removed else self.get("content-encoding")

    def is_open_to(self, origin: str | None) -> bool:
        """Tell whether pages of an origin may read the response.

        Args:
            origin: the value of the field Origin of the request.
        """
        return origin is not None and (origin in self.cors or ANY in self.cors)

    @property
    def varies_by_origin(self) -> bool:
        """Whether the response depends on the field Origin, be it there or not."""
        return bool(self.cors) and ANY not in self.cors

    def for_origin(self, origin: str | None) -> PathPolicy:
        """Return the policy with the fields for pages of an origin, if they may read the response.

        Fields that a rule sets or removes stay as they are.

        Args:
            origin: the value of the field Origin of the request.
        """
        if origin is None or origin not in self.cors:
            return self
        own = (("Access-Control-Allow-Origin", origin), _EXPOSED)
        return self._replace(fields=_override(own, self))

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
        return PathPolicy(self.expires, fields, self.removed - names, self.cors)


NO_POLICY = PathPolicy()


class Rules:
    """All rules, compiled.

    Args:
        rules: in the operator's order; a later rule overrides an earlier one.

    Attributes:
        reads: the request header fields that a policy may depend on, in lower case.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._patterns = tuple(
            (re.compile("|".join(map(translate, rule.paths)), re.DOTALL).fullmatch, 1 << number)
            for number, rule in enumerate(rules)
        )
        self._policies: dict[int, PathPolicy] = {}  # by the set of the rules that match
        has_list = any(rule.cors and ANY not in rule.cors for rule in rules)
        self.reads = frozenset({"origin"} if has_list else ())

    def find(self, path: bytes) -> PathPolicy:
        """Return the policy for a path, before `PathPolicy.for_origin`.

        Args:
            path: the result of `decode_path` for the path of the request, so that ``//a`` and
                ``/%61`` cannot evade a rule for ``/a``.

        Returns:
            As a rule, the same object for all paths that the same rules match.
        """
        text = path.decode("utf-8", "surrogateescape")
        matching = 0
        for fullmatch, bit in self._patterns:
            if fullmatch(text):
                matching |= bit
        if not matching:
            return NO_POLICY
        return self._policies.get(matching) or self._combine(matching)

    def matching(self, path: bytes) -> tuple[Rule, ...]:
        """Return the rules for a path, in the operator's order; `path` is as for `find`."""
        text = path.decode("utf-8", "surrogateescape")
        pairs = zip(self._rules, self._patterns, strict=True)
        return tuple(rule for rule, (fullmatch, _) in pairs if fullmatch(text))

    def _combine(self, matching: int) -> PathPolicy:
        """Return the policy of some rules, and remember it.

        Args:
            matching: the sum of the bits of the rules.
        """
        expires = None
        cors: Origins = frozenset()
        fields: dict[str, tuple[str, str | None]] = {}
        for number, rule in enumerate(self._rules):
            if not matching & 1 << number:
                continue
            if rule.expires is not None:
                expires = rule.expires
                for name in _LIFETIME_FIELDS:  # of earlier rules
                    fields.pop(name, None)
            if rule.cors is not None:
                cors = rule.cors
                for name in [name for name in fields if name.startswith(_CORS_FIELDS)]:
                    del fields[name]
            fields |= _fields_of(rule)
        policy = PathPolicy(
            expires,
            tuple((name, value) for name, value in fields.values() if value is not None),
            frozenset(name for name, (_, value) in fields.items() if value is None),
            cors,
        )
        if policy == NO_POLICY:
            policy = NO_POLICY
        if len(self._policies) < _MAX_POLICIES:  # clients can choose paths for many sets
            self._policies[matching] = policy
        return policy


def _fields_of(rule: Rule) -> dict[str, tuple[str, str | None]]:
    """Return the names and values of the fields that a rule sets or removes, by lower-case name."""
    fields = rule.fields
    if rule.cors == ANY_ORIGIN:
        fields = (("Access-Control-Allow-Origin", ANY), _EXPOSED, *fields)
    return {name.lower(): (name, value) for name, value in fields}


def merge(fields: Fields, policy: PathPolicy) -> Fields:
    """Return the fields of a response with the rules applied.

    Args:
        fields: of the response without rules.
        policy: the rules for the path.
    """
    if policy is NO_POLICY:
        return fields
    merged = _override(fields, policy)
    return _vary(merged, "Origin") if policy.varies_by_origin else merged


def _override(fields: Fields, policy: PathPolicy) -> Fields:
    replaced = policy.removed.union(name.lower() for name, _ in policy.fields)
    unchanged = tuple(field for field in fields if field[0].lower() not in replaced)
    return unchanged + policy.fields


def _vary(fields: Fields, name: str) -> Fields:
    """Return fields with one more name in Vary, of which there is one at the most."""
    names = [value for key, value in fields if key.lower() == "vary"]
    others = tuple(field for field in fields if field[0].lower() != "vary")
    return (*others, ("Vary", ", ".join([*names, name])))
