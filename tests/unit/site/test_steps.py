"""The steps of a site read no other request fields than those that they declare.

A cached response is found by the fields that its steps declare.  One that a step reads undeclared
would be told to clients that sent something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.files.file_cache import FileCache
from httpd.files.open_file import SMALL_FILE
from httpd.protocol.messages import HTTPError, Request
from httpd.protocol.parser import _NOT_PLAIN, parse_head
from httpd.protocol.response import Cacheability
from httpd.protocol.tally import Tallies
from httpd.site.builder import PendingBuilder, ResponseBuilder, page_builder
from httpd.site.changes import Changes
from httpd.site.redirects import Redirect
from httpd.site.rules import NO_POLICY, PathPolicy, Rule, Rules
from httpd.site.settings import SiteSettings
from httpd.site.site import Compiled, Site, find_policy
from httpd.site.sites import Sites
from httpd.site.steps import EarlyStep, Found, Step
from tests.unit.protocol.heads import head
from tests.unit.site.directories import write, write_sparse

VALUES = {
    "Accept": ["application/json", "text/html"],
    "Accept-Encoding": ["gzip", "br;q=0.5, *;q=0", "identity;q=0"],
    "Accept-Language": ["de"],
    "Authorization": ["Basic YTpi"],
    "Cookie": ["a=b"],
    "If-Match": ["*", '"x"'],
    "If-Modified-Since": ["Fri, 01 Jan 2100 00:00:00 GMT"],
    "If-None-Match": ["*", 'W/"x"'],
    "If-Range": ['"x"', "Sun, 09 Sep 2001 01:46:40 GMT"],
    "If-Unmodified-Since": ["Sun, 09 Sep 2001 01:46:40 GMT"],
    "Origin": ["http://localhost"],
    "Range": ["bytes=0-1", "bytes=0-1,3-4", "bytes=999999-"],
    "Referer": ["http://localhost/"],
    "User-Agent": ["x"],
}
TARGETS = ["/a.js", "/large.bin", "/folder", "/folder/", "/folder/?sort=size", "/ruled.gz", "/none"]
TARGETS += ["/moved/a", "/gone"]
TARGETS += ["/a.html", "/.phttpd/reload", "/.phttpd/reload.js"]


FIELD = (("X-Field", "x"),)
REDIRECTS = (Redirect("/moved/*", "/*"), Redirect("/gone", None, 410))
RULES = (
    Rule(("*.gz",), 60, (("Content-Encoding", "gzip"), ("ETag", None))),
    Rule(("*.js", "/folder/"), cors=frozenset({"http://localhost"})),
)


class RecordingMapping(Mapping[str, str]):
    """The fields of a request; notes what is read of them."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        self.read |= {"every name"}
        return iter(self._fields)

    def __len__(self) -> int:
        self.read |= {"the number of fields"}
        return len(self._fields)


class Early:
    """An early step for one method, which responds with an error where the path is /error."""

    reads: frozenset[str] = frozenset()

    def __init__(self, method: str, status: int) -> None:
        self._method = method
        self._status = status

    def concerns(self, path: bytes) -> bool:
        """Tell that this step responds to no GET."""
        return False

    def handle(self, request: Request, policy: PathPolicy) -> ResponseBuilder | None:
        """Respond to the method, and to no other."""
        if request.method != self._method:
            return None
        if request.path == b"/error":
            raise HTTPError(400, "This path is wrong.")
        return page_builder(self._status, "Early.", (), policy, request.path)


def undeclared(
    step: Step | EarlyStep, request: Request, policy: PathPolicy, found: Found | None = None
) -> set[str]:
    """Run a step to its end, and return the fields that it reads without saying so.

    An early step is run where nothing was found.
    """
    fields = RecordingMapping(request.header.fields)
    recording = request._replace(header=request.header._replace(fields=fields))
    arguments = (policy,) if found is None else (found, policy)
    handle: Callable[..., ResponseBuilder | PendingBuilder | None] = step.handle
    try:
        made = handle(recording, *arguments)
        if made is not None and not isinstance(made, ResponseBuilder):
            for _ in made:
                pass
    except HTTPError:
        pass
    return fields.read - step.reads


def make_site(settings: SiteSettings) -> Site:
    site = Sites(settings, (), FileCache(1 << 20), 0, Tallies()).only
    assert isinstance(site, Site)
    return site


def make_filled_site(root: Path, changes: Changes | None = None) -> Site:
    for name in "a.js", "a.js.gz", "a.js.br", "a.html", "ruled.gz", "folder/b.txt":
        write(root / name, "content", age=3600)
    write_sparse(root / "large.bin", SMALL_FILE + 1)
    settings = SiteSettings(docroot=str(root), listing=True, rules=RULES, redirects=REDIRECTS)
    return make_site(replace(settings, changes=changes))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_filled_site(tmp_path_factory.mktemp("steps"))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_filled_site(tmp_path_factory.mktemp("watched"), Changes())


GIVEN_A_REQUEST = given(
    st.sampled_from(["GET", "HEAD"]),
    st.sampled_from(TARGETS),
    st.lists(
        st.sampled_from([(name, value) for name, values in VALUES.items() for value in values]),
        max_size=6,
        unique_by=lambda field: field[0],
    ),
)
"""Method, target and header fields."""


@GIVEN_A_REQUEST
@settings(max_examples=500)
def test_step_reads_no_field_that_it_does_not_declare(
    site: Site, watched: Site, method: str, target: str, fields: list[tuple[str, str]]
) -> None:
    lines = [f"{name}: {value}" for name, value in fields]
    request = parse_head(head(*lines, method=method, target=target))
    policy = find_policy(Rules(RULES), request.path)
    for each in (site, watched):
        for early_step in each.early_steps:
            assert undeclared(early_step, request, policy) == set(), type(early_step).__name__
        try:
            found = each.find(request.path)
        except HTTPError:
            continue
        for step in each.steps:
            assert undeclared(step, request, policy, found) == set(), type(step).__name__


@GIVEN_A_REQUEST
@settings(max_examples=500)
def test_response_that_is_cached_with_a_file_depends_on_the_variant_key_alone(
    site: Site, method: str, target: str, fields: list[tuple[str, str]]
) -> None:
    """Whatever reads the fields: a step, or the rules."""
    lines = [f"{name}: {value}" for name, value in fields]
    request = parse_head(head(*lines, method=method, target=target))
    recording = RecordingMapping(request.header.fields)
    made = site.respond(request._replace(header=request.header._replace(fields=recording)))
    if isinstance(made, ResponseBuilder) and made.cacheability is Cacheability.FILE:
        assert recording.read <= {*site.variant_fields}
        assert ("origin" in recording.read) is target.endswith(".js")


class Undeclared:
    """A step as it must not be."""

    reads = frozenset({"range"})

    def __init__(self, how: str) -> None:
        self._how = how

    def handle(
        self,
        request: Request,
        found: Found,
        policy: PathPolicy,
    ) -> ResponseBuilder | PendingBuilder | None:
        """Read Cookie in one of several ways."""
        fields = request.header.fields
        if self._how == "get":
            fields.get("cookie")
        elif self._how == "in":
            assert "cookie" not in fields
        elif self._how == "all":
            dict(fields)
        elif self._how == "later":
            return self._later(fields)
        return None

    def _later(self, fields: Mapping[str, str]) -> PendingBuilder:
        fields.get("cookie")
        yield None
        raise HTTPError(404, "Nothing is here.")


@pytest.mark.parametrize("how", ["get", "in", "all", "later"])
def test_step_that_reads_an_undeclared_field_is_caught(site: Site, how: str) -> None:
    request = parse_head(head(target="/a.js"))
    found = site.lookup.find(request.path)
    assert undeclared(Undeclared(how), request, NO_POLICY, found)
    assert not undeclared(Undeclared("not at all"), request, NO_POLICY, found)


def test_variant_key_is_made_of_the_fields_that_steps_declare(site: Site) -> None:
    """Up to the step that serves files: what later steps make is cached with no file."""
    handler = site.steps[0]
    assert list(site.variant_fields) == sorted(handler.reads | {"origin"})
    assert {"accept-encoding", "range", "if-none-match"} <= {*site.variant_fields}
    assert handler.reads >= _NOT_PLAIN, "the handler relies on `Header.is_plain`"


def test_step_that_no_setting_enables_does_not_exist(tmp_path: Path) -> None:
    with_listing, without = (
        make_site(SiteSettings(docroot=str(tmp_path), listing=listing)) for listing in (True, False)
    )
    names = [type(step).__name__ for step in with_listing.steps]
    assert names == ["FileHandler", "SlashRedirect", "ListingHandler"]
    assert [type(step).__name__ for step in without.steps] == names[:-1]
    assert without.find == without.lookup.find
    watched = make_site(SiteSettings(docroot=str(tmp_path), changes=Changes()))
    assert [type(step).__name__ for step in watched.steps] == ["LiveReload", *names[:-1]]
    assert all(each.early_steps == [] for each in (with_listing, without, watched))
    moved = make_site(SiteSettings(docroot=str(tmp_path), redirects=REDIRECTS))
    assert [type(step).__name__ for step in moved.early_steps] == ["RedirectStep"]


def test_early_step_is_asked_for_every_method_before_the_path_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that responds decides; where none does, the request is as without early steps."""
    write(tmp_path / "a", "content", age=3600)
    early: list[EarlyStep] = [Early("POST", 403), Early("POST", 404), Early("HEAD", 404)]
    with monkeypatch.context() as patch:
        patch.setattr(
            "httpd.site.sites.compile_settings",
            lambda settings: Compiled(Rules(settings.rules), early),
        )
        site = make_site(SiteSettings(docroot=str(tmp_path), rules=(Rule(("a",), None, FIELD),)))
    expected = {
        ("POST", "/a"): 403,
        ("POST", "/error"): 400,
        ("HEAD", "/a"): 404,
        ("GET", "/a"): 200,
        ("GET", "/error"): 404,
        ("PUT", "/a"): 405,
        ("OPTIONS", "*"): 200,
        ("BREW", "/a"): 501,
    }
    for (method, target), status in expected.items():
        made = site.respond(parse_head(head(method=method, target=target)))
        assert isinstance(made, ResponseBuilder)
        assert made.status == status, (method, target)
        assert made.policy.fields == (FIELD if target == "/a" else ()), "the rules for the path"
