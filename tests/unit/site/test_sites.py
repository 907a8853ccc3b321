"""The sites of a gateway: which objects there are, how long, and what they hold."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from pathlib import Path

import pytest

from httpd.files.file_cache import CachedFile, FileCache
from httpd.protocol.parser import parse_head
from httpd.protocol.tally import Tallies
from httpd.site.builder import ResponseBuilder
from httpd.site.settings import SiteSettings
from httpd.site.site import Site
from httpd.site.sites import Sites
from httpd.site.sites_syntax import NamedSite
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.protocol.heads import head
from tests.unit.site.directories import write

COUNT = 1000


def named(*names: str, docroot: Path | str, **own: object) -> NamedSite:
    return NamedSite(names, (("docroot", str(docroot)), *own.items()))


def make(top: Path | None, *sites: NamedSite) -> Sites:
    settings = SiteSettings(docroot=str(top) if top else "")
    return Sites(settings, sites, FileCache(1 << 20), 1 << 16, Tallies())


def make_three(root: Path) -> Sites:
    stars = named("*.s", docroot=f"{root}/s/*")
    return make(root / "top", named("one", docroot=root / "one"), stars)


def status_of(sites: Sites, host: str, target: str = "/a") -> int:
    made = sites.find(host).respond(parse_head(head(target=target)))
    assert isinstance(made, ResponseBuilder)
    return made.status


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in "top", "one", "s/alice", "s/bob":
        write(tmp_path / name / "a", name, age=3600)
    return tmp_path


def test_site_without_names_is_the_only_one(root: Path) -> None:
    sites = make(root / "top")
    assert sites.only is sites.find("any") is sites.find(None) is sites.find("")
    several = make(root / "top", named("one", docroot=root / "one"))
    assert several.only is None
    assert several.find("any") is several.find(None)


def test_site_at_the_top_may_respond_to_its_own_names_alone(root: Path) -> None:
    settings = SiteSettings(docroot=str(root / "top"), own_names=frozenset({"box"}))
    one = named("one", docroot=root / "one")
    for several in (), (one,):
        sites = Sites(settings, several, FileCache(1 << 20), 1 << 16, Tallies())
        assert sites.only is None
        own = sites.find("Box.:80")
        assert isinstance(own, Site)
        assert own is sites.find(None) is sites.find("") is sites.find("[::1]:80")
        for host in "other", ".", "box.other":
            assert status_of(sites, host) == 421
    assert status_of(sites, "one") == 200


def test_site_has_hidden_names_of_its_own(root: Path) -> None:
    for name in "top", "one", "s/alice":
        write(root / name / ".index", name)
        write(root / name / ".git", name)
    sites = make(
        root / "top",
        named("one", docroot=root / "one", serve_hidden=(".index",)),
        named("*.s", docroot=f"{root}/s/*", serve_hidden=True),
    )
    hosts = "other", "one", "alice.s"
    assert [status_of(sites, host, "/.index") for host in hosts] == [404, 200, 200]
    assert [status_of(sites, host, "/.git") for host in hosts] == [404, 404, 200]


def test_site_follows_links_into_its_own_directories(root: Path) -> None:
    for name in "data", "home/alice":
        write(root / name / "a", name)
    for name in "top", "one", "s/alice":
        for link in "data", "home":
            (root / name / link).symlink_to(root / link)
    (root / "s" / "carol").symlink_to(root / "home" / "alice")
    sites = make(
        root / "top",
        named("one", docroot=root / "one", symlinks=(f"{root}/data",)),
        named("*.s", docroot=f"{root}/s/*", symlinks=(f"{root}/home", f"{root}/data")),
        named("*.t", docroot=f"{root}/s/*"),
    )
    before = open_descriptors()
    for _ in range(2):
        for host, data, home in [
            ("other", 404, 404),
            ("one", 200, 404),
            ("alice.s", 200, 200),
            ("alice.t", 404, 404),
        ]:
            assert status_of(sites, host, "/data/a") == data
            assert status_of(sites, host, "/home/alice/a") == home
        assert status_of(sites, "carol.s") == 200, "the directory of a site may be a link, too"
        assert status_of(sites, "carol.t") == 404
        sites.invalidate_roots()
        sites.begin_second(1, 1)
        assert opened_since(before) == []


def test_site_is_the_same_whatever_name_leads_to_it(root: Path) -> None:
    sites = make(root / "top", named("a", "b", "*.c", docroot=root / "one"))
    assert sites.find("a") is sites.find("B.") is sites.find("x.c") is sites.find("a:80")
    assert sites.find("a") is not sites.find("c")


def test_directory_has_one_site_as_long_as_anything_refers_to_it(root: Path) -> None:
    sites = make(None, named("*.s", "*.t", docroot=f"{root}/s/*"))
    alice = sites.find("alice.s")
    assert sites.find("ALICE.s.:80") is alice
    assert sites.find("bob.s") is not alice
    gone = weakref.ref(alice)
    del alice
    assert gone() is None, "a name that nobody uses takes memory, and no cycle keeps it"


def test_key_of_a_site_is_that_of_no_other(root: Path) -> None:
    stars = named("*.s", docroot=f"{root}/s/*")
    others = [named(f"n{number}", docroot=root / "one") for number in range(20)]
    sites = make(root / "top", *others[:3], stars, *others[3:])
    hosts = ["any", *(f"n{number}" for number in range(20)), *(f"{n}.s" for n in range(20))]
    made = [sites.find(host) for host in hosts]
    keys = {site.key for site in made}
    assert len(keys) == len(made)
    assert not any(b"/" in key for key in keys)


def test_each_site_is_of_the_present_second(root: Path) -> None:
    """Also one that is made in the middle of it, and one that is not asked for."""
    sites = make(
        root / "top", named("one", docroot=root / "one"), named("*.s", docroot=f"{root}/s/*")
    )
    sites.begin_second(5, 1000)
    made = [sites.find(host) for host in ("any", "one", "alice.s")]
    for second in 5, 6, 7:
        if second > 5:
            sites.begin_second(second, 1000 + second)
        for site in made:
            assert isinstance(site, Site)
            for _ in range(2):
                found = site.lookup.find(b"/a")
            assert isinstance(found, CachedFile)
            assert found.validated_at == second


def test_descriptors_are_released_with_the_second(root: Path) -> None:
    sites = make(
        root / "top", named("one", docroot=root / "one"), named("*.s", docroot=f"{root}/s/*")
    )
    before = open_descriptors()
    hosts = ["any", "one", "alice.s", "bob.s"]
    made = [sites.find(host) for host in hosts]
    assert opened_since(before) == []
    for host in hosts:
        assert status_of(sites, host) == 200
    assert len(opened_since(before)) >= len(hosts)
    sites.begin_second(1, 1)
    assert opened_since(before) == []
    assert made


def test_faults_are_told_once_by_docroot(root: Path) -> None:
    sites = make(
        root / "no", named("a", docroot=root / "none"), named("*.s", docroot=f"{root}/n/*")
    )
    for host in "x", "y", "a", "alice.s", "bob.s":
        assert status_of(sites, host) == 503
    labels = {f"{root}/no", f"{root}/none of a", f"{root}/n/* of *.s"}
    assert sites.take_faults().keys() == labels
    assert sites.take_faults() == {}


def test_unused_site_takes_little_memory_and_no_descriptor(root: Path) -> None:
    gc.collect()
    before = open_descriptors()
    tracemalloc.start()
    try:
        several = [
            named(f"n{number}.example", docroot=root / "one", expires=number)
            for number in range(COUNT)
        ]
        sites = make(root / "top", *several)
        unused = tracemalloc.get_traced_memory()[0] / COUNT
        for number in range(COUNT):
            assert status_of(sites, f"n{number}.example") == 200
        sites.begin_second(1, 1)
        used = tracemalloc.get_traced_memory()[0] / COUNT
    finally:
        tracemalloc.stop()
    assert unused < 2000
    assert used < 20_000
    assert opened_since(before) == []
