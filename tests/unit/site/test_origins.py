"""Origins in the configuration: which are right, and what a browser sends for them."""

from __future__ import annotations

import pytest

from httpd.site.origins import read_origin


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.Example", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("https://xn--mller-kva.example", "https://xn--mller-kva.example"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ],
)
def test_origin_is_read_as_browsers_send_it(written: str, sent: str) -> None:
    assert read_origin(written) == sent


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://a.example/", "https://a.example"),
        ("https://a.example/path?query", "https://a.example"),
        ("https://a.example.", "https://a.example"),
        ("https://A.example:8443/", "https://a.example:8443"),
        ("a.example", "https://a.example"),
        ("a.example:8080", "https://a.example:8080"),
        ("a.example/fonts", "https://a.example"),
        ("https://user@a.example", None),
        ("https://*.example", None),
        ("https://a.example:99999", None),
        ("https://a.example:0", None),
        ("https://a.example:08", None),
        ("https://a.example:", None),
        ("https://[::g]", None),
        ("https://[1:2]", None),
        ("https://a..example", None),
        ("https://müller.example", None),
        ("https://a.example, https://b.example", None),
        ("https://", None),
        ("//a.example", None),
        ("example", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_no_origin_is_refused_with_the_nearest_one(
    written: object, meant: str | None
) -> None:
    with pytest.raises(ValueError, match="an origin such as") as error:
        read_origin(written)
    hint = f"; did you mean {meant}?" if meant else "or a list of these"
    assert str(error.value).endswith(hint)


def test_star_in_a_list_is_refused() -> None:
    with pytest.raises(ValueError, match="stands alone and not in a list"):
        read_origin("*")


def test_origin_of_sandboxed_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="every sandboxed page"):
        read_origin("null")
