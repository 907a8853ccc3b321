"""Sites as common tools build them: an application with routes, pages of MkDocs, a Unity player."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, chromium
from tests.functional.configured import serve_with
from tests.support import require

IMMUTABLE = "public, max-age=31536000, immutable"

# ---------------------------------------------------------------- an application

APPLICATION = {
    "index.html": """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>Application</title>
    <link rel="icon" href="data:,">
    <script type="module" crossorigin src="/assets/index-Bz4tGx1q.js"></script>
    <link rel="modulepreload" crossorigin href="/assets/vendor-C0ffee42.js">
    <link rel="stylesheet" crossorigin href="/assets/index-D4fk2ab9.css">
  </head>
  <body><main></main></body>
</html>
""",
    "assets/index-D4fk2ab9.css": "main { width: 321px; }",
    "assets/vendor-C0ffee42.js": "export const title = (path) => { document.title = path; };",
    "assets/User-9a8b7c6d.js": "export const show = (name) => `User ${name}`;",
    "assets/index-Bz4tGx1q.js": """\
import { title } from "./vendor-C0ffee42.js";
const main = document.querySelector("main");
const render = async () => {
  const [, page, name] = location.pathname.split("/");
  const { show } = page === "user" ? await import("./User-9a8b7c6d.js") : { show: () => "Home" };
  main.innerHTML = `<h1>${show(name)}</h1><a href="/user/6/">next</a>`;
  main.querySelector("a").addEventListener("click", (event) => {
    event.preventDefault();
    history.pushState(null, "", event.target.href);
    render();
  });
  title(location.pathname);
};
addEventListener("popstate", render);
render();
""",
}
"""As Vite builds it: modules with a hash in their names, one of which is loaded late."""


def write_site(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    site = write_site(tmp_path_factory.mktemp("application") / "site", APPLICATION)
    rules = [{"path": "/assets/**", "headers": {"Cache-Control": IMMUTABLE}}]
    with (
        serve_with(site, fallback="/index.html", rules=rules) as server,
        chromium(server.url) as browser,
    ):
        yield browser


@pytest.mark.parametrize("path", ["/user/5", "/user/5/", "/user/5?tab=1#top"])
def test_route_of_an_application_is_opened_and_loaded_again(
    application: Browser, path: str
) -> None:
    application.open(path)
    assert application.wait("document.querySelector('h1')?.textContent") == "User 5"
    assert application.run("return document.querySelector('main').offsetWidth") == 321
    application.driver.refresh()
    assert application.wait("document.querySelector('h1')?.textContent") == "User 5"
    application.check()


def test_routes_of_an_application_are_walked_forth_and_back(application: Browser) -> None:
    application.open("/")
    assert application.wait("document.querySelector('h1')?.textContent") == "Home"
    application.click("main a")
    assert application.wait("document.title === '/user/6/' && document.title")
    application.driver.refresh()
    assert application.wait("document.querySelector('h1')?.textContent") == "User 6"
    application.driver.back()
    assert application.wait("document.querySelector('h1')?.textContent === 'Home' && 'Home'")
    application.check()


def test_module_of_an_older_build_is_not_the_page(application: Browser) -> None:
    """It is a 404, not HTML that the browser refuses to take for a script."""
    application.open("/user/5")
    (response,) = application.fetch(["/assets/User-00000000.js"])
    assert response["status"] == 404
    application.complaints()


# ---------------------------------------------------------------- MkDocs

MKDOCS = {
    "mkdocs.yml": """\
site_name: Pages
use_directory_urls: false
theme: {name: readthedocs, highlightjs: false}
plugins: []
nav: [index.md, about.md, {Guide: [guide/first.md, guide/index.md]}]
""",
    "docs/index.md": "# Home\n\n[about](about.md) and [first](guide/first.md)\n",
    "docs/about.md": "# About\n\n[home](index.md)\n",
    "docs/guide/index.md": "# Guide\n\n[first](first.md)\n",
    "docs/guide/first.md": "# First\n\n[guide](index.md), [about](../about.md)\n",
}


@pytest.fixture(scope="module")
def mkdocs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    require.module("mkdocs", "docs")
    source = write_site(tmp_path_factory.mktemp("mkdocs"), MKDOCS)
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    settings = {"clean_urls": True, "errors": {404: "/404.html"}}
    with serve_with(source / "site", **settings) as server, chromium(server.url) as browser:
        yield browser


@pytest.mark.parametrize(
    ("path", "links"),
    [
        ("/", [("about", "/about", "About"), ("first", "/guide/first", "First")]),
        ("/about", [("home", "/", "Home")]),
        ("/guide/", [("first", "/guide/first", "First")]),
        ("/guide/first", [("guide", "/guide/", "Guide"), ("about", "/about", "About")]),
    ],
)
def test_link_between_pages_of_mkdocs_leads_to_a_clean_address(
    mkdocs: Browser, path: str, links: list[tuple[str, str, str]]
) -> None:
    for text, address, heading in links:
        mkdocs.open(path)
        link = "[...document.querySelectorAll('.section a')].find((a) => a.textContent === "
        href = mkdocs.run(f"return {link} arguments[0]).href", text)
        mkdocs.open(href.removeprefix(mkdocs.origin))
        assert mkdocs.run("return location.pathname") == address
        assert mkdocs.text("h1") == heading
        mkdocs.check()


def test_missing_page_of_mkdocs_is_its_own_error_page(mkdocs: Browser) -> None:
    """With its style, although it is deeper in the tree of addresses."""
    mkdocs.open("/guide/none")
    assert mkdocs.text("h1") == "404"
    assert mkdocs.run("return document.styleSheets.length") > 0
    complaints = mkdocs.complaints()
    assert all("/guide/none" in complaint for complaint in complaints), complaints


# ---------------------------------------------------------------- Unity

MODULE_BR = bytes.fromhex("8f0380 0061736d01000000 03")
"""The shortest WebAssembly there is, by `brotli`."""
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>'
UNITY: Mapping[str, str | bytes] = {
    "index.html": """\
<!doctype html>
<title>Player</title>
<link rel="icon" href="TemplateData/logo.svg">
<img src="TemplateData/logo.svg" alt="">
<script>
  addEventListener("load", async () => {
    const module = await WebAssembly.compileStreaming(fetch("Build/game.wasm.br"));
    document.title = module instanceof WebAssembly.Module ? "Running" : "Broken";
  });
</script>
""",
    "TemplateData/logo.svg": DRAWING,
    "Build/game.wasm.br": MODULE_BR,
}


def test_player_of_unity_compiles_its_module(tmp_path: Path) -> None:
    """The form in brotli is the only one there is."""
    site = write_site(tmp_path / "site", UNITY)
    rules = [{"path": "*.br", "headers": {"Content-Encoding": "br"}}]
    with serve_with(site, rules=rules) as server, chromium(server.url) as browser:
        browser.open("/")
        assert browser.wait("document.title !== 'Player' && document.title") == "Running"
        assert browser.run("return document.images[0].naturalWidth") == 30
