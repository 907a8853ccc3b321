"""Several sites in one configuration, as the commands and running servers have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.events import until
from tests.process.launch import Daemon, daemon
from tests.process.load import Load
from tests.support.raw import Client, Response, request

NO_INPUT, CONFIG = 66, 78


@pytest.fixture
def root(site: Path) -> Path:
    """Directories of several sites, beside the one for all other names."""
    for name in "one", "two", "students/alice":
        directory = site.parent / name
        directory.mkdir(parents=True)
        (directory / "index.html").write_text(name)
    return site.parent


def named(root: Path, name: str, docroot: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "docroot": f"{root}/{docroot}", **more}


@pytest.fixture
def server(site: Path, root: Path) -> Iterator[Daemon]:
    sites: Any = [named(root, "one.example", "one"), named(root, "*.students", "students/*")]
    with daemon(site, workers=2, threads=1, sites=sites) as server:
        yield server


def ask(server: Daemon, host: str, target: str = "/") -> Response:
    with Client(server.port) as client:
        client.send(request(target, host=host))
        return client.response()


def configure(server: Daemon, *sites: dict[str, Any]) -> None:
    listed: Any = list(sites)
    server.configure(sites=listed)


def test_each_name_has_its_site(server: Daemon, root: Path) -> None:
    assert ask(server, "localhost").body == b"<p>hello\n"
    assert ask(server, "one.example").body == b"one"
    assert ask(server, "alice.students").body == b"students/alice"
    assert ask(server, "bob.students").status == 404
    (root / "students" / "bob").mkdir()
    (root / "students" / "bob" / "index.html").write_text("bob")
    until(lambda: ask(server, "bob.students").body == b"bob", "a new directory, without a reload")


def test_server_without_a_docroot_refuses_other_names(server: Daemon, root: Path) -> None:
    del server.settings["docroot"]
    configure(server, named(root, "one.example", "one"))
    assert server.run("reload").returncode == 0
    assert ask(server, "one.example").body == b"one"
    response = ask(server, "localhost")
    assert (response.status, response["Connection"]) == (421, "close")
    assert "  docroot      1 named site\n" in server.run("status").stdout
    report = json.loads(server.run("status", "--json").stdout)
    assert (report["docroot"], report["sites"]) == (None, 1)


def test_commands_and_the_log_say_how_many_sites_there_are(server: Daemon) -> None:
    served = f"{server.docroot} and 2 named sites"
    assert f": {served} at " in server.run("--check").stdout
    assert f"  docroot      {served}\n" in server.run("status").stdout
    server.configure(verbose=True)
    assert server.run("reload").returncode == 0
    server.log.wait_for(f"serving {re.escape(served)} at ")


def test_reload_adds_and_removes_a_site_without_a_failed_request(
    server: Daemon, root: Path
) -> None:
    one, two = named(root, "one.example", "one"), named(root, "two.example", "two")
    students = named(root, "*.students", "students/*")
    hosts = ["localhost", "one.example", "alice.students", "two.example"]
    with Load(server.port, 4, retry=True, hosts=hosts) as load:
        for sites, body in [((one, students, two), b"two"), ((two, one), b"two"), ((), None)]:
            configure(server, *sites)
            load.more(50)
            assert server.run("reload").returncode == 0
            assert ask(server, "two.example").body == (body or b"<p>hello\n")
            load.more(50)
    assert load.failed == []
    assert ask(server, "one.example").body == b"<p>hello\n"


def test_site_that_is_moved_serves_no_response_of_before(server: Daemon, root: Path) -> None:
    for docroot in "two", "one", "two":
        for _ in range(3):
            ask(server, "one.example")
        configure(server, named(root, "one.example", docroot))
        assert server.run("reload").returncode == 0
        assert ask(server, "one.example").body == docroot.encode()


def test_reload_without_a_new_docroot_changes_nothing(server: Daemon, root: Path) -> None:
    configure(server, named(root, "one.example", "none"))
    done = server.run("reload")
    assert done.returncode != 0
    assert f"the docroot {root}/none of one.example cannot be read: No such file" in done.stderr
    assert ask(server, "one.example").body == b"one"


def test_docroot_of_a_site_that_is_missing_is_warned_of(site: Path, root: Path) -> None:
    missing: Any = [
        named(root, "one.example", "none"),
        named(root, "*.x", "nothing/*"),
        named(root, "*.students", "students/*"),
    ]
    server = Daemon(site, workers=1, threads=1, sites=missing)
    checked = server.run("--check")
    assert checked.returncode == NO_INPUT
    labels = [f"{root}/none of one.example", f"{root}/nothing/* of *.x"]
    faults = [f"the docroot {label} cannot be read: No such file or directory" for label in labels]
    assert checked.stderr.splitlines() == [f"phttpd: {fault}" for fault in faults]
    done = server.run()
    assert done.returncode == 0
    try:
        for fault in faults:
            assert f"phttpd: warning: {fault}; requests are answered 503" in done.stderr
        for host in "one.example", "alice.x":
            assert ask(server, host).status == 503
        assert ask(server, "alice.students").status == 200
        for label in labels:
            server.log.wait_for(f"warning loop .* {re.escape(label)} cannot be read: ")
        (root / "two").rename(root / "none")
        assert ask(server, "one.example").body == b"two"
    finally:
        assert server.run("stop").returncode == 0


def test_mistakes_in_sites_are_reported_with_their_lines(server: Daemon) -> None:
    server.config.write_text(
        f"docroot: {server.docroot}\nsites:\n- name: a:80\n  docroot: /\n  port: 80\n- name: b\n"
    )
    done = server.run("--check")
    assert done.returncode == CONFIG
    lines = [line.removeprefix(f"phttpd: {server.config}:") for line in done.stderr.splitlines()]
    assert [line.partition(": ")[0] for line in lines] == ["5", "3", "6"]


def test_thousand_sites_are_served(server: Daemon, root: Path) -> None:
    configure(server, *(named(root, f"s{number}.example", "one") for number in range(1000)))
    assert server.run("reload").returncode == 0
    with Client(server.port) as client:
        for number in range(1000):
            client.send(request("/", host=f"s{number}.example"))
            assert client.response().body == b"one"
    assert "1000 named sites" in server.run("status").stdout
