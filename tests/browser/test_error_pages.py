"""Error pages, as a person with a browser sees and uses them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser


@pytest.fixture
def lost(shared: Browser) -> Iterator[Browser]:
    """A browser that complains about the errors that it is sent to."""
    shared.forget()
    yield shared
    shared.forget()


@pytest.mark.parametrize(
    "path", ["missing", "a/b/missing", "a/", "a//b///c", "a%2Fb/c", "missing?/x/y", "a:b/c"]
)
def test_error_page_has_a_link_that_leads_home(lost: Browser, path: str) -> None:
    lost.open(path)
    assert lost.text("h1").startswith("404")
    lost.click("nav a")
    lost.wait("location.pathname === '/' && document.readyState === 'complete'")
    assert lost.run("return location.href") == f"{lost.origin}/"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_error_page_has_nothing_that_axe_finds(lost: Browser, scheme: str) -> None:
    lost.prefer(scheme)
    lost.open("missing")
    assert lost.inaccessible() == []
