"""What an explanation says of a request is what a gateway does with it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.gateway.explainer import Explainer
from httpd.gateway.frontend import Frontend
from httpd.gateway.settings import GatewaySettings
from httpd.protocol.messages import HTTPError
from httpd.site.redirects import Redirect
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from httpd.site.sites_syntax import NamedSite
from tests.unit.gateway.gateways import make_gateway, respond
from tests.unit.protocol.heads import head, join
from tests.unit.site.directories import write

REDIRECTS = (Redirect("/old/**", "/new/**", line=5), Redirect("/gone", None, 410, line=7))
RULES = (
    Rule(("*.js",), 60, line=11),
    Rule(("/ruled/**", "/index.html"), None, (("X-Rule", "yes"),), line=13),
    Rule(("/open/**",), cors=frozenset({"http://a.example"}), line=15),
)
HOST = "Host: named.example"
DATES = re.compile(rb"^(Date|Expires): .*\r\n", re.MULTILINE)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> SiteSettings:
    root = tmp_path_factory.mktemp("explainer")
    for name in "a.js", "index.html", "named/b.html", "listed/c.html", "404.html", "ruled/d.html":
        write(root / name, f"content of {name}", age=3600)
    write(root / "a.js.gz", "coded", age=3600)
    (root / "link.html").symlink_to("ruled/d.html")
    return SiteSettings(
        docroot=str(root),
        listing=True,
        fallback="/index.html",
        errors=((404, "/404.html"),),
        redirects=REDIRECTS,
        rules=RULES,
    )


@pytest.fixture(scope="module")
def named(settings: SiteSettings) -> tuple[NamedSite, ...]:
    own = {"docroot": f"{settings.docroot}/named", "fallback": None, "listing": False}
    stars = {"docroot": f"{settings.docroot}/*", "redirects": ()}
    return (
        NamedSite(("named.example",), tuple(own.items()), line=20),
        NamedSite(("*.star.example",), tuple(stars.items()), line=30),
    )


@pytest.fixture(scope="module")
def explainer(settings: SiteSettings, named: tuple[NamedSite, ...]) -> Explainer:
    def fail(text: str) -> None:
        raise AssertionError(text)

    return Explainer(Frontend(settings, GatewaySettings(sites=named)), fail)


@pytest.mark.parametrize(
    ("request_head", "status", "parts", "file", "rules", "cached"),
    [
        (head(target="/a.js"), 200, ["file"], "a.js", [11], "with the file"),
        (head("Accept-Encoding: gzip", target="/a.js"), 200, ["file"], "a.js.gz", [11], "with"),
        (head("If-None-Match: *", target="/a.js"), 304, ["file"], "a.js", [11], "with the file"),
        (head("Range: bytes=0-1", target="/a.js"), 206, ["file"], "a.js", [11], "with the file"),
        (head("Range: bytes=0-1,3-4", target="/a.js"), 206, ["file"], "a.js", [11], "not cached"),
        (head("If-Match: x", target="/a.js"), 412, ["file"], None, [11], "by the bytes"),
        (head(target="/%61.js"), 200, ["file"], "a.js", [11], "with the file"),
        (head(target="/"), 200, ["file"], "index.html", [], "with the file"),
        (head(target="/link.html"), 200, ["file"], "ruled/d.html", [], "with the file"),
        (head(target="/listed"), 301, ["slash redirect"], None, [], "by the bytes"),
        (head(target="/listed/"), 200, ["listing"], None, [], "not cached"),
        (head(target="/old/a.js?x"), 308, ["redirect"], None, [11], "by the bytes"),
        (head(target="/gone"), 410, ["redirect"], None, [], "by the bytes"),
        (head(target="/none"), 200, ["lookup", "fallback"], "index.html", [13], "by the bytes"),
        (
            head(target="/none.js"),
            404,
            ["lookup", "page for the error"],
            "404.html",
            [11],
            "by the bytes",
        ),
        (head(target="/%zz"), 400, ["malformed path"], None, [], "by the bytes"),
        (join("GET / HTTP/1.1", HOST), 403, ["directory without an index"], None, [], "by"),
        (head(target="/a.js", method="POST"), 405, ["method"], None, [11], "by the bytes"),
        (head(target="*", method="OPTIONS"), 200, ["method"], None, [], "by the bytes"),
        (
            head(
                "Origin: http://a.example",
                "Access-Control-Request-Method: GET",
                target="/open/x",
                method="OPTIONS",
            ),
            204,
            ["preflight"],
            None,
            [15],
            "by the bytes",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", 400, [], None, [], "not cached"),
    ],
    ids=lambda value: value.split(b"\r\n")[0].decode() if isinstance(value, bytes) else None,
)
def test_explanation_says_who_decided_and_of_what_the_response_is_made(
    explainer: Explainer,
    settings: SiteSettings,
    request_head: bytes,
    status: int,
    parts: list[str],
    file: str | None,
    rules: list[int],
    cached: str,
) -> None:
    made = explainer.explain(request_head)
    assert (made.status, list(made.parts)) == (status, parts)
    assert made.file == (file and f"{os.path.realpath(settings.docroot)}/{file}")
    assert [rule.line for rule in made.rules] == rules
    assert made.cached.startswith(cached)
    assert (made.redirect is not None) is (parts == ["redirect"])


def test_step_that_a_setting_enables_has_a_name(settings: SiteSettings) -> None:
    clean = replace(settings, clean_urls=True, redirects=())
    made = Explainer(Frontend(clean, GatewaySettings()), print).explain(head(target="/link.html"))
    assert (made.status, made.parts) == (301, ("clean redirect",))


def test_explanation_has_the_redirect_with_its_line(explainer: Explainer) -> None:
    redirect = explainer.explain(head(target="/gone")).redirect
    assert redirect is not None
    assert (redirect.path, redirect.line) == ("/gone", 7)


@pytest.mark.parametrize(
    ("host", "site", "line"),
    [
        ("any.example", "", None),
        ("named.example", "named.example", 20),
        ("NAMED.example.:80", "named.example", 20),
        ("listed.star.example", "listed.star.example", 30),
    ],
)
def test_explanation_has_the_site_with_its_line(
    explainer: Explainer, host: str, site: str, line: int | None
) -> None:
    made = explainer.explain(join("GET / HTTP/1.1", f"Host: {host}"))
    assert made.site == site
    assert (made.named and made.named.line) == line


def test_name_without_a_site_has_none(named: tuple[NamedSite, ...]) -> None:
    frontend = Frontend(SiteSettings(docroot=""), GatewaySettings(sites=named))
    made = Explainer(frontend, print).explain(join("GET / HTTP/1.1", "Host: other"))
    assert (made.site, made.status, made.parts) == (None, 421, ("no site of this name",))


@given(
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    st.sampled_from(["/a.js", "/", "/none", "/old/x", "/gone", "/listed/", "/%zz", "/open/x"]),
    st.lists(
        st.sampled_from(
            ["Accept-Encoding: gzip", "Range: bytes=0-1", "If-None-Match: *", "Connection: close"]
        ),
        unique=True,
    ),
    st.booleans(),
)
def test_explanation_has_the_head_that_a_gateway_sends(
    settings: SiteSettings,
    named: tuple[NamedSite, ...],
    explainer: Explainer,
    method: str,
    target: str,
    lines: list[str],
    is_named: bool,
) -> None:
    host = [HOST] if is_named else ["Host: a"]
    data = join(f"{method} {target} HTTP/1.1", *host, *lines)
    gateway = make_gateway(settings, sites=named)
    for _ in range(3):  # also once the response is cached
        try:
            response = respond(gateway, data)
        except HTTPError as error:
            response = gateway.refuse(error, head_only=method == "HEAD")
        sent = response.head.partition(b"\r\n\r\n")[0] + b"\r\n"
        explained = "".join(f"{line}\r\n" for line in explainer.explain(data).head).encode()
        assert DATES.sub(b"", explained) == DATES.sub(b"", sent)


def test_explaining_leaves_no_descriptor_open(explainer: Explainer, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for target in "/a.js", "/listed/", "/none":
        explainer.explain(head(target=target))
    assert len(os.listdir("/proc/self/fd")) == before


def test_docroot_that_is_not_there_is_explained(tmp_path: Path) -> None:
    settings = SiteSettings(docroot=str(tmp_path / "none"))
    made = Explainer(Frontend(settings, GatewaySettings()), print).explain(head())
    assert (made.status, made.parts, made.file) == (503, ("lookup",), None)
