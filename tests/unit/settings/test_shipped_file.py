"""The config file that comes with phttpd."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from httpd.configuration import (
    KEYS,
    default_config_file,
    load,
)
from httpd.files.media_types import MediaTypes
from httpd.settings.declaration import REQUIRED
from httpd.site.rules import Rules
from httpd.site.site import Site
from tests.unit.gateway.gateways import make_gateway, respond
from tests.unit.protocol.heads import head
from tests.unit.settings.reading import Write
from tests.unit.site.directories import write as write_file

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "etc" / "phttpd.yaml"
SHIPPED_TEXT = SHIPPED.read_text("utf-8")


def shipped_lines() -> dict[str, list[tuple[bool, str]]]:
    """Return for each key in the shipped file whether it is set or commented out, and its value.

    Lines of a value that begin with a blank belong to it.
    """
    found: dict[str, list[tuple[bool, str]]] = {}
    for match in re.finditer(r"^(#?)([a-z_]+):( .+|(?:\n#? .+)+)$", SHIPPED_TEXT, re.MULTILINE):
        value = match[3].replace("\n#", "\n")
        found.setdefault(match[2], []).append((not match[1], value))
    return found


def test_shipped_file_names_every_key_once() -> None:
    assert {name: len(lines) for name, lines in shipped_lines().items()} == dict.fromkeys(KEYS, 1)


@pytest.mark.parametrize("name", KEYS)
def test_shipped_file_has_the_default_of_a_key_that_is_commented_out(name: str) -> None:
    ((is_in_force, text),) = shipped_lines()[name]
    key = KEYS[name]
    read, default = key.kind.read, key.default
    if name in ("user", "group"):
        assert key.default is None
    elif name == "rules":
        assert is_in_force
    elif is_in_force:
        assert key.default in (None, REQUIRED) or read(yaml.safe_load(text)) == read(default)
    elif not key.example:
        value = yaml.safe_load(text)
        assert value == default or read(value) == read(default)


def test_shipped_file_is_used_in_a_checkout_and_loads() -> None:
    assert default_config_file() == str(SHIPPED)
    loaded = load(str(SHIPPED), {})
    assert loaded.site.docroot == str(ROOT / "www")
    assert loaded.process.pidfile == str(ROOT / "logs" / "phttpd.pid")
    assert loaded.log.log_file == str(ROOT / "logs" / "phttpd.log")


def test_shipped_file_has_an_example_of_rules_that_loads(write: Write) -> None:
    ((_, text),) = shipped_lines()["rules"]
    rules = Rules(load(write(f"rules:{text}\n"), {}).site.rules)
    page, asset = rules.find(b"/docs/"), rules.find(b"/assets/site.css")
    assert (page.expires, asset.expires) == (None, 365 * 86400)
    assert dict(page.fields)["Cache-Control"] == "no-cache"
    assert dict(asset.fields)["Cache-Control"] == "public, max-age=31536000, immutable"
    assert dict(page.fields)["X-Frame-Options"] == dict(asset.fields)["X-Frame-Options"] == "DENY"


def installed() -> str:
    """Return the config file that the package installs."""
    sed = ["sed", "-f", str(ROOT / "etc" / "installed.sed"), str(SHIPPED)]
    return subprocess.run(sed, check=True, capture_output=True, text=True).stdout


def in_the_page(name: str) -> str:
    """Return the first config file that a how-to page shows."""
    page = (ROOT / "docs" / "how-to" / name).read_text("utf-8")
    return page.split("```yaml\n")[1].split("```")[0]


def of_the_role() -> str:
    """Return the config file that the Ansible role writes by default."""
    defaults = ROOT / "etc" / "ansible" / "roles" / "phttpd" / "defaults" / "main.yaml"
    return yaml.safe_dump(yaml.safe_load(defaults.read_text("utf-8"))["phttpd_config"])


CONFIGURATIONS: dict[str, Callable[[], str]] = {
    "checkout": lambda: SHIPPED_TEXT,
    "package": installed,
    "role": of_the_role,
    "container": lambda: in_the_page("containers.md"),
    "instance": lambda: in_the_page("several-instances.md"),
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_pages_are_revalidated_and_expire_in_12_hours_with_each_shipped_file(
    tmp_path: Path, configuration: Callable[[], str]
) -> None:
    text = configuration()
    path = tmp_path / "phttpd.yaml"
    path.write_text(re.sub("(?m)^docroot: .*", f"docroot: {tmp_path}", text))
    for name in "index.html", "a.html", "a.css":
        write_file(tmp_path / name, name, age=3600)
    gateway = make_gateway(load(str(path), {}).site)
    site = gateway._sites.only
    assert isinstance(site, Site)
    assert site.quick is not None
    for target, expected in [
        ("/", "no-cache"),
        ("/a.html", "no-cache"),
        ("/a.css", "max-age=43200"),
    ]:
        response = respond(gateway, head(target=target))
        assert f"\r\nCache-Control: {expected}\r\n".encode() in response.head
        assert response.expires == 43200


def test_shipped_file_has_an_example_of_types_that_loads(write: Write) -> None:
    ((_, text),) = shipped_lines()["types"]
    site = load(write(f"types:{text}\n"), {}).site
    types = MediaTypes(site.types, site.default_type)
    assert types.of_name(b"main.rkt") == "text/x-racket"
    assert types.of_name(b"apple-app-site-association") == "application/json"


def test_shipped_file_has_an_example_of_redirects_that_loads(write: Write) -> None:
    ((_, text),) = shipped_lines()["redirects"]
    redirects = load(write(f"redirects:{text}\n"), {}).site.redirects
    assert [redirect.status for redirect in redirects] == [308, 301, 410]


def test_shipped_file_explains_every_key() -> None:
    paragraphs = SHIPPED_TEXT.split("\n\n")
    for name in KEYS:
        (paragraph,) = [p for p in paragraphs if re.search(rf"^#?{name}:", p, re.MULTILINE)]
        assert re.match(r"# [A-Z].*", paragraph), name
