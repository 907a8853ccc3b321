"""Error pages, as a person with a browser sees and uses them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser

OUTSIDE = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (walker.nextNode()) {
  const node = walker.currentNode;
  if (node.data.trim() && !node.parentElement.closest("main, footer")) found.push(node.data);
}
return found;
"""
CONTRAST = """
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((c) => c / 255).map(
    (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const paint = (...layers) => {
  for (const [color, alpha] of layers) {
    canvas.globalAlpha = alpha;
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
  }
  return luminance([...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3));
};
const probe = document.body.appendChild(document.createElement("i"));
probe.style.setProperty("color", "Canvas");
const back = getComputedStyle(probe).color;
probe.remove();
return [...document.querySelectorAll("h1, b, p, a, footer")].map((element) => {
  const style = getComputedStyle(element);
  const [a, b] = [paint([back, 1], [style.color, Number(style.opacity)]), paint([back, 1])];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
});
"""
AA = 4.5
"""The least contrast of a text (WCAG 2.2, 1.4.3)."""


@pytest.fixture
def lost(shared: Browser) -> Iterator[Browser]:
    """A browser that complains about the errors that it is sent to."""
    shared.forget()
    yield shared
    shared.forget()


@pytest.mark.parametrize(
    "path", ["missing", "a/b/missing", "a/", "a//b///c", "a%2Fb/c", "missing?/x/y", "a:b/c"]
)
def test_the_link_leads_home(lost: Browser, path: str) -> None:
    lost.open(path)
    assert lost.text("h1").startswith("404")
    lost.click("nav a")
    lost.wait("location.pathname === '/' && document.readyState === 'complete'")
    assert lost.run("return location.href") == f"{lost.origin}/"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(lost: Browser, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    lost.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        lost.open("missing")
        assert lost.run("return document.querySelectorAll('main').length") == 1
        assert lost.run("return document.querySelectorAll('main h1').length") == 1
        assert lost.run(OUTSIDE) == []
        contrasts = lost.run(CONTRAST)
        assert len(contrasts) == 5
        assert min(contrasts) >= AA
    finally:
        lost.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
