"""Responses to pages of other origins, by the key `cors` of rules, and that no cache mixes them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.gateway.gateway import Gateway
from httpd.protocol.response import Response
from httpd.site.origins import ANY_ORIGIN
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from tests.unit.gateway.gateways import done, make_gateway
from tests.unit.protocol.heads import head
from tests.unit.site.directories import write, write_sparse

A, B = "https://a.example", "http://b.example:8080"
EXPOSED = "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag"
RULES = (
    Rule(("/open/**",), cors=ANY_ORIGIN),
    Rule(("/listed/**",), cors=frozenset({A, B})),
    Rule(("/listed/closed/**",), cors=frozenset()),
    Rule(("/listed/b/**",), cors=frozenset({B})),
    Rule(("hand.js",), None, (("Access-Control-Allow-Origin", "https://hand.example"),)),
    Rule(("unexposed.js",), None, (("Access-Control-Expose-Headers", None),)),
)
NAMES = ["a.js", "coded.js", "hand.js", "unexposed.js", "large.bin", "directory/b.txt"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cors")
    for directory in "open", "listed", "listed/closed", "listed/b", "closed":
        for name in NAMES:
            write(root / directory / name, f"content of {name}", age=3600)
        write(root / directory / "coded.js.gz", "coded", age=3600)
        write_sparse(root / directory / "large.bin", 200_000)
    return root


def make(root: Path) -> Gateway:
    return make_gateway(SiteSettings(docroot=str(root), rules=RULES, listing=True))


@pytest.fixture(autouse=True)
def one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


@pytest.fixture
def gateway(root: Path) -> Gateway:
    return make(root)


def ask(gateway: Gateway, data: bytes) -> Response:
    made = gateway.exact(data) or gateway.respond(data)
    return done(made or gateway.respond_to(data, gateway.parse(data)))


def fields_of(response: Response) -> Mapping[str, str]:
    _, *lines = response.head.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
    fields = [line.partition(": ") for line in lines]
    assert len({name.lower() for name, _, _ in fields}) == len(fields), "each field once"
    return {name: value for name, _, value in fields}


def cors_of(
    gateway: Gateway, path: str, origin: str | None, *lines: str, method: str = "GET"
) -> tuple[int, str | None, str | None]:
    """Return the status, who may read the response, and what it depends on."""
    own = [] if origin is None else [f"Origin: {origin}"]
    response = ask(gateway, head(*own, *lines, target=path, method=method))
    fields = fields_of(response)
    allowed = fields.get("Access-Control-Allow-Origin")
    assert fields.get("Access-Control-Expose-Headers") == (EXPOSED if allowed else None)
    return response.status, allowed, fields.get("Vary")


TAG = ["If-None-Match: *"]
RANGE = ["Range: bytes=0-1"]
CODED = ["Accept-Encoding: gzip"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "lines", "status", "vary"),
    [
        ("a.js", [], 200, ""),
        ("a.js", TAG, 304, ""),
        ("a.js", RANGE, 206, ""),
        ("a.js", ["Range: bytes=0-0,2-2"], 206, ""),
        ("a.js", ["Range: bytes=99999-"], 416, ""),
        ("a.js", ['If-Match: "x"'], 412, ""),
        ("coded.js", CODED, 200, "Accept-Encoding"),
        ("coded.js", [*CODED, *TAG], 304, "Accept-Encoding"),
        ("coded.js", ["Accept-Encoding: *;q=0"], 406, "Accept-Encoding"),
        ("large.bin", [], 200, ""),
        ("directory", [], 301, ""),
        ("directory/", [], 200, "Accept"),
        ("none", [], 404, ""),
        ("%", [], 400, None),
    ],
)
def test_response_of_every_status_is_open_to_the_origins_of_its_path(
    gateway: Gateway, method: str, path: str, lines: list[str], status: int, vary: str | None
) -> None:
    if method == "HEAD" and status in (206, 416):
        status = 200  # only GET has ranges
    if vary is None:  # no rule knows a path that cannot be decoded
        assert cors_of(gateway, f"/listed/{path}", A, method=method) == (status, None, None)
        return
    by_origin = ", ".join(filter(None, [vary, "Origin"]))
    for second in range(1, 4):
        gateway.begin_second(second)
        for directory, origin, expected in [
            ("closed", A, (status, None, vary or None)),
            ("open", None, (status, "*", vary or None)),
            ("open", A, (status, "*", vary or None)),
            ("open", "null", (status, "*", vary or None)),
            ("listed", A, (status, A, by_origin)),
            ("listed", B, (status, B, by_origin)),
            ("listed", None, (status, None, by_origin)),
            ("listed", "https://c.example", (status, None, by_origin)),
            ("listed/b", A, (status, None, by_origin)),
            ("listed/b", B, (status, B, by_origin)),
            ("listed/closed", A, (status, None, vary or None)),
        ]:
            found = cors_of(gateway, f"/{directory}/{path}", origin, *lines, method=method)
            assert found == expected, (directory, origin)


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "*", "", "https", "https://", "a.example", "//a.example"),
        *("http://a.example", "ftp://a.example", "https://a.example:443", "https://a.example:8080"),
        *("http://b.example", "http://b.example:80", "http://b.example:80800", "http://b.example:"),
        *("https://a.example/", "https://a.example.", "https://a.example?", "https://a.example#x"),
        *("https://evil-a.example", "https://evil.a.example", "https://xa.example"),
        *("https://a.example.evil.example", "https://a.examplex", "https://a.example@evil.example"),
        *("https://evil.example/https://a.example", "https://evil.example#https://a.example"),
        *("https://a_example", "https://axexample", "https://a%2eexample", "https://a.e"),
        *("https://a.example, https://evil.example", "https://a.example https://evil.example"),
        *("https://a.example,", "HTTPS://A.EXAMPLE", "https://A.example", "https://a.example\xa0"),
        "https://[::1]",
    ],
)
def test_origin_that_only_looks_like_a_listed_one_gets_nothing(
    gateway: Gateway, origin: str
) -> None:
    for second in range(1, 4):
        gateway.begin_second(second)
        assert cors_of(gateway, "/listed/a.js", A)[:2] == (200, A)
        assert cors_of(gateway, "/listed/a.js", origin) == (200, None, "Origin")
        preflight = "Access-Control-Request-Method: GET"
        found = cors_of(gateway, "/listed/a.js", origin, preflight, method="OPTIONS")
        assert found == (200, None, "Origin")


def test_repeated_origin_gets_nothing(gateway: Gateway) -> None:
    data = head(f"Origin: {A}", f"Origin: {B}", target="/listed/a.js")
    assert "Access-Control-Allow-Origin" not in fields_of(ask(gateway, data))


@pytest.mark.parametrize(
    ("path", "origin", "allowed", "vary"),
    [
        ("/open/a.js", A, "*", None),
        ("/open/none", "null", "*", None),
        ("/listed/a.js", A, A, "Origin"),
        ("/listed/directory", B, B, "Origin"),
        ("/listed/b/a.js", B, B, "Origin"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_preflight_request_of_an_origin_is_allowed(
    gateway: Gateway, path: str, origin: str, allowed: str, vary: str | None, method: str
) -> None:
    lines = (f"Origin: {origin}", f"Access-Control-Request-Method: {method}")
    response = ask(gateway, head(*lines, target=path, method="OPTIONS"))
    fields = fields_of(response)
    assert (response.status, response.keep_alive) == (204, True)
    assert response.body.content == b""
    assert "Content-Length" not in fields
    assert fields["Access-Control-Allow-Origin"] == allowed
    assert fields["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert {"Range", "If-Range", "If-None-Match"} <= {
        *fields["Access-Control-Allow-Headers"].split(", ")
    }
    assert fields["Access-Control-Max-Age"] == "86400"
    assert fields.get("Vary") == vary


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/closed/a.js", [f"Origin: {A}", "Access-Control-Request-Method: GET"]),
        ("/listed/closed/a.js", [f"Origin: {A}", "Access-Control-Request-Method: GET"]),
        ("/listed/b/a.js", [f"Origin: {A}", "Access-Control-Request-Method: GET"]),
        ("/listed/a.js", [f"Origin: {A}"]),
        ("/open/a.js", ["Access-Control-Request-Method: GET"]),
        ("/open/a.js", []),
    ],
)
def test_other_options_request_gets_the_allowed_methods(
    gateway: Gateway, path: str, lines: list[str]
) -> None:
    response = ask(gateway, head(*lines, target=path, method="OPTIONS"))
    assert response.status == 200
    fields = fields_of(response)
    assert fields["Allow"] == "GET, HEAD, OPTIONS"
    assert "Access-Control-Allow-Methods" not in fields


def test_field_of_a_later_rule_beats_that_of_cors(gateway: Gateway) -> None:
    for directory in "open", "listed":
        found = cors_of(gateway, f"/{directory}/hand.js", A)
        assert found[1] == "https://hand.example"
        data = head(f"Origin: {A}", target=f"/{directory}/unexposed.js")
        fields = fields_of(ask(gateway, data))
        assert "Access-Control-Expose-Headers" not in fields
        assert fields["Access-Control-Allow-Origin"] == ("*" if directory == "open" else A)


def test_cors_of_a_later_rule_beats_fields_of_earlier_ones(root: Path) -> None:
    fields = (("access-control-allow-origin", "https://x"), ("Access-Control-Max-Age", "5"))
    for cors, expected in (ANY_ORIGIN, "*"), (frozenset({A}), A), (frozenset[str](), None):
        rules = (Rule(("*",), None, (*fields, ("X-Other", "1"))), Rule(("*",), cors=cors))
        gateway = make_gateway(SiteSettings(docroot=str(root), rules=rules))
        found = fields_of(ask(gateway, head(f"Origin: {A}", target="/open/a.js")))
        assert found.get("Access-Control-Allow-Origin") == expected
        assert found["X-Other"] == "1"
        assert not {"access-control-allow-origin", "Access-Control-Max-Age"} & {*found}


def test_fallback_is_open_to_the_origins_of_its_file(root: Path) -> None:
    for name, found in [
        ("/listed/a.js", (200, A, "Origin")),
        ("/listed/b/a.js", (200, None, "Origin")),
        ("/open/a.js", (200, "*", None)),
        ("/closed/a.js", (200, None, None)),
    ]:
        gateway = make_gateway(SiteSettings(docroot=str(root), rules=RULES, fallback=name))
        for _ in range(3):
            assert cors_of(gateway, "/listed/none", A) == found
            assert cors_of(gateway, "/listed/none", "https://c.example")[1] in (None, "*")


def test_error_page_of_the_operator_is_open_to_the_origins_of_the_path(root: Path) -> None:
    settings = SiteSettings(docroot=str(root), rules=RULES, errors=((404, "/closed/a.js"),))
    gateway = make_gateway(settings)
    for _ in range(3):
        assert cors_of(gateway, "/listed/none", A) == (404, A, "Origin")
        assert cors_of(gateway, "/listed/none", None) == (404, None, "Origin")
        assert cors_of(gateway, "/open/none", None) == (404, "*", None)


def test_response_of_a_paused_server_is_open_to_the_origins_of_the_path(gateway: Gateway) -> None:
    gateway.set_paused(True)
    gateway.begin_second(2)
    assert cors_of(gateway, "/listed/a.js", A) == (503, A, "Origin")
    assert cors_of(gateway, "/listed/a.js", "https://c.example") == (503, None, "Origin")
    assert cors_of(gateway, "/open/a.js", None) == (503, "*", None)
    assert cors_of(gateway, "/closed/a.js", A) == (503, None, None)


request_heads = st.builds(
    lambda method, directory, name, origin, lines: head(
        *origin, *lines, method=method, target=f"/{directory}/{name}"
    ),
    st.sampled_from(["GET", "GET", "HEAD", "OPTIONS"]),
    st.sampled_from(["open", "listed", "listed/closed", "listed/b", "closed"]),
    st.sampled_from([*NAMES, "a.js?x", "%61.js", "directory", "directory/", "none"]),
    st.sampled_from([A, B, "https://c.example", "null", "*", None]).map(
        lambda origin: [] if origin is None else [f"Origin: {origin}"]
    ),
    st.sampled_from([[], TAG, RANGE, CODED, ["Access-Control-Request-Method: GET"]]),
)


@given(st.lists(st.tuples(st.booleans(), request_heads), min_size=1, max_size=12))
@settings(deadline=None)
def test_response_is_that_of_cold_caches(root: Path, steps: Sequence[tuple[bool, bytes]]) -> None:
    warm = make(root)
    second = 1
    for is_new_second, data in steps:
        second += is_new_second
        warm.begin_second(second)
        for _ in range(3):  # the third one is that of a file that is cached
            response, cold = ask(warm, data), ask(make(root), data)
            assert response.status == cold.status
            assert response.head == cold.head
            assert response.body.content == cold.body.content


def test_responses_of_a_file_are_found_by_origin_only_where_a_list_asks_for_it(root: Path) -> None:
    for rules, expected in [
        ((), False),
        ((Rule(("*",), cors=ANY_ORIGIN),), False),
        ((Rule(("*",), cors=frozenset()),), False),
        ((Rule(("/never",), cors=frozenset({A})),), True),
    ]:
        gateway = make_gateway(SiteSettings(docroot=str(root), rules=rules))
        site = gateway._sites.only
        assert site is not None
        assert ("origin" in site.variant_fields) is expected


def test_exposed_fields_are_those_that_responses_have(gateway: Gateway) -> None:
    data = head(*CODED, target="/open/coded.js")
    found = {*fields_of(ask(gateway, data))}
    data = head(*RANGE, target="/open/a.js")
    found |= {*fields_of(ask(gateway, data))}
    assert {*EXPOSED.split(", ")} <= found
