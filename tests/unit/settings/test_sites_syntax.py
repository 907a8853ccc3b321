"""Sites in the config file: what is read, and what is said about mistakes inside of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.configuration import GROUPS, KEYS, Settings, load
from httpd.settings.errors import ConfigError
from httpd.site.rules import Rule
from httpd.site.settings import SiteSettings
from httpd.site.sites_syntax import KEYS as SITE_KEYS
from httpd.site.sites_syntax import NamedSite


def sites_of(tmp_path: Path, text: str) -> tuple[NamedSite, ...]:
    return loaded(tmp_path, text).gateway.sites


def loaded(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "phttpd.yaml"
    path.write_text(text)
    return load(str(path), {})


def problems_of(tmp_path: Path, text: str) -> list[str]:
    """Return what is wrong, without the name of the file."""
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/phttpd.yaml:") for line in error.value.problems]


def test_site_has_the_settings_at_the_top_where_it_leaves_them_out(tmp_path: Path) -> None:
    text = """\
docroot: /
index: top.html
expires: 5
rules:
- {path: /a, expires: 1}
sites:
- name: [Www.Example, example.]
  docroot: site
  listing: true
- name: "*.b"
  docroot: /srv/*
  index: b.html
  charset: null
  expires:
  rules: []
"""
    settings = loaded(tmp_path, text)
    first, second = settings.gateway.sites
    assert first.names == ("www.example", "example")
    assert first.settings(settings.site) == SiteSettings(
        docroot=f"{tmp_path}/site",
        index=("top.html",),
        expires=5,
        rules=(Rule(("/a",), 1),),
        listing=True,
    )
    assert second.names == ("*.b",)
    assert second.settings(settings.site) == SiteSettings(
        docroot="/srv/*", index=("b.html",), charset=None, expires=5
    )


def test_every_key_of_a_site_is_one_at_the_top_but_name() -> None:
    (group,) = (group for group in GROUPS if group.settings is SiteSettings)
    assert SITE_KEYS.keys() - {"name", "access_log"} == {*group.keys}
    assert "access_log" in KEYS


def test_docroot_at_the_top_may_be_left_out_where_there_are_sites(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "sites: [{name: a, docroot: /}]")
    assert settings.site.docroot == ""
    assert "docroot" in problems_of(tmp_path, "sites: []")[0]
    assert "docroot" in problems_of(tmp_path, "sites:")[0]


def test_docroot_of_a_site_need_not_exist_yet(tmp_path: Path) -> None:
    (site,) = sites_of(tmp_path, "sites: [{name: a, docroot: none}]")
    assert site.docroot == f"{tmp_path}/none"


def test_site_may_have_an_access_log_of_its_own(tmp_path: Path) -> None:
    text = """\
docroot: /
access_log: top.log
sites:
- {name: a, docroot: /}
- {name: b, docroot: /, access_log: }
- {name: c, docroot: /, access_log: null}
- {name: d, docroot: /, access_log: off}
- {name: e, docroot: /, access_log: logs/e.log}
- {name: f, docroot: /, access_log: top.log}
- {name: g, docroot: /, access_log: stdout}
"""
    settings = loaded(tmp_path, text)
    top, own = f"{tmp_path}/top.log", f"{tmp_path}/logs/e.log"
    assert [site.access_log and site.access_log.target for site in settings.gateway.sites] == [
        *(None, None, None, None, own, top, "stdout")
    ]
    assert [site.access_log is None for site in settings.gateway.sites] == [
        *(True, True, False, False, False, False, False)
    ]
    file = f"{tmp_path}/phttpd.yaml"
    assert settings.log_targets == {
        top: f"{file}:2: access_log",
        own: f"{file}:8: sites: access_log",
        "stdout": f"{file}:10: sites: access_log",
    }


TOP = "docroot: /\nsites:\n"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "- name: a.example\n  docroot: /\n- name: [b.example, A.example.]\n  docroot: /\n",
            ["5: sites: name: a.example is the name of a site already, in line 3"],
        ),
        (
            "- name:\n  - a\n  - b\n  - a\n  docroot: /\n",
            ["6: sites: name: a is the name of a site already, in line 4"],
        ),
        (
            "- name: [a, 'b*.c', 'c:80']\n  docroot: /\n",
            [
                "3: sites: name: 'b*.c' is not allowed here; expected no star but in “*.” at the"
                " beginning, for one or more labels",
                "3: sites: name: 'c:80' is not allowed here; expected a name without a port, since"
                " a site is served at every port",
            ],
        ),
        (
            "- name: []\n  docroot: /\n",
            ["3: sites: name: an empty list is not allowed here; expected a host name such as"],
        ),
        ("- name: 5\n  docroot: /\n", ["3: sites: name: 5 is not allowed here; expected a host"]),
        (
            "- name: 例。Example\n  docroot: /\n",
            [
                "3: sites: name: '例。Example' is not allowed here; expected its ASCII form,"
                " xn--fsq.example"
            ],
        ),
        (
            "- &a {name: 'a:1', docroot: /}\n- *a\n",
            ["3: sites: name: 'a:1' is not allowed here; expected a name without a port"],
        ),
        ("- name: a\n", ["3: sites: a site without docroot"]),
        ("- docroot: /\n", ["3: sites: a site without name"]),
        ("- {}\n", ["3: sites: a site without name", "3: sites: a site without docroot"]),
        ("- name:\n  docroot: /\n", ["3: sites: a site without name"]),
        ("- name: a\n  docrot: /\n", ["4: sites: docrot: unknown key; did you mean docroot?"]),
        (
            "- name: a\n  docroot: /\n  workers: 2\n",
            [
                "5: sites: workers: is no key of sites; set it at the top of the file, for the"
                " whole server"
            ],
        ),
        (
            "- name: [a.x, '*.x']\n  docroot: /srv/*\n",
            ["4: sites: docroot: the star stands for that of the name, and a.x has none"],
        ),
        (
            "- name: '*.x'\n  docroot: /srv/*/public\n",
            [
                "4: sites: docroot: '/srv/*/public' is not allowed here; expected a path, in which"
                " a star can only be the whole last name: /srv/students/*"
            ],
        ),
        (
            "- name: a\n  docroot: /\n  expires: never\n  rules: [{path: a/b, expires: 0}]\n",
            [
                "5: sites: expires: 'never' is not allowed here; expected a time such as 500ms,"
                " 30s, 5min or 12h, from 0 to 315360000 seconds",
                "6: sites: rules: path: 'a/b' is not allowed here; expected a pattern such as",
            ],
        ),
        (
            "- name: a\n  docroot: /\n  serve_hidden:\n  - .a\n  - b\n  - .c/d\n",
            [
                "7: sites: serve_hidden: 'b' is not allowed here; expected true, false, or",
                "8: sites: serve_hidden: '.c/d' is not allowed here; expected true, false, or",
            ],
        ),
        (
            "- name: a\n  docroot: /\n  access_log: true\n",
            [
                "5: sites: access_log: True is not allowed here; expected a path, journal, stdout,"
                " or false for none"
            ],
        ),
        ("- 5\n", ["3: sites: '5' is not allowed here; expected name, docroot and other keys"]),
        ("  a: b\n", ["2: sites: a mapping is not allowed here; expected a list of sites"]),
        ("- name: a\n  name: b\n  docroot: /\n", ["4: sites: name: is set a second time"]),
    ],
)
def test_mistake_in_a_site_is_reported_with_its_line(
    tmp_path: Path, text: str, problems: list[str]
) -> None:
    found = problems_of(tmp_path, TOP + text)
    assert len(found) == len(problems), found
    for line, start in zip(found, problems, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize("key", sorted(KEYS.keys() - SITE_KEYS.keys()))
def test_key_of_the_whole_server_is_refused_in_a_site(tmp_path: Path, key: str) -> None:
    (problem,) = problems_of(tmp_path, f"{TOP}- {{name: a, docroot: /, {key}: 1}}")
    assert problem.startswith(f"3: sites: {key}: is no key of sites; set it at the top of the file")


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = "- name: a\n- name: 'a:1'\n  docroot: /\n- nme: c\n  docroot: /\nprt: 80\n"
    assert [line.partition(":")[0] for line in problems_of(tmp_path, TOP + text)] == [
        *("8", "3", "4", "6"),
    ]
