"""What of a machine keeps a configuration from working, by the unit that starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from httpd import findings
from httpd.configuration import Settings, load
from httpd.findings import Finding
from httpd.process.unit import Unit
from tests.process.launch import Setting, free_port, write_config
from tests.unit.site.directories import open_directory, write

CONFIG = "/etc/phttpd/phttpd.yaml"
SETTINGS = {
    "ExecStart": [f"/bin/sh --foreground --config {CONFIG}"],
    "Type": ["notify"],
    "RuntimeDirectory": ["phttpd"],
    "LogsDirectory": ["phttpd"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "PrivateTmp": ["no"],
    "LimitNOFILE": ["65536"],
}


def unit(name: str = "phttpd.service", **settings: str) -> Unit:
    """Return a unit with these settings changed."""
    changed = {key: [value] for key, value in settings.items()}
    return Unit(name, "/lib/systemd/system/phttpd.service", {**SETTINGS, **changed})


def settings(tmp_path: Path, **more: Setting) -> Settings:
    config = tmp_path / "a.yaml"
    values: dict[str, Setting] = {"docroot": "/", "host": "127.0.0.1", "port": free_port()}
    return load(str(write_config(config, **{**values, **more})), {})


def find(tmp_path: Path, unit: Unit | None, **more: Setting) -> list[Finding]:
    pidfile = str(tmp_path / "phttpd.pid")
    return findings.find(settings(tmp_path, **more), CONFIG, pidfile, unit)


@pytest.fixture(autouse=True)
def _no_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(findings, "_SHIPPED", str(tmp_path))


def test_findings_of_a_unit_that_fits_are_none(tmp_path: Path) -> None:
    files: dict[str, Setting] = {
        "pidfile": "/run/phttpd/phttpd.pid",
        "access_log": "/var/log/phttpd/access.log",
        "log_file": "/nowhere/phttpd.log",  # without effect under systemd
    }
    assert find(tmp_path, unit(), **files) == []
    assert find(tmp_path, unit(LimitNOFILE="infinity"), access_log="journal") == []


@pytest.mark.parametrize(
    ("stop", "delay", "is_found"),
    [
        *(("30s", "31s", True), ("30s", "29s", False), ("30", "31s", True), ("", "2min", True)),
        *(("", "80s", False), ("infinity", "1h", False), ("5min", "6min", True)),
        ("1s", "0", False),
    ],
)
def test_findings_have_a_delay_that_systemd_does_not_wait_for(
    tmp_path: Path, stop: str, delay: str, is_found: bool
) -> None:
    kept = unit(TimeoutStopSec=stop)
    assert find(tmp_path, kept, drain_delay=delay) == []  # it asks for more time
    found = find(tmp_path, unit(TimeoutStopSec=stop, Type="simple"), drain_delay=delay)
    assert [finding.about for finding in found] == ["drain_delay"] * is_found


@pytest.mark.parametrize("limit", ["1000", "5000:1000"])
def test_findings_have_a_limit_of_descriptors(tmp_path: Path, limit: str) -> None:
    (found,) = find(tmp_path, unit(LimitNOFILE=limit), max_connections=1001)
    assert found.about == "max_connections"
    assert found.text == (
        "1001, but LimitNOFILE=1000 of phttpd.service lets a process open fewer files"
    )
    assert find(tmp_path, unit(LimitNOFILE=limit), max_connections=1000) == []


@pytest.mark.parametrize("key", ["access_log", "pidfile"])
def test_findings_have_a_file_that_the_unit_protects(tmp_path: Path, key: str) -> None:
    (found,) = find(tmp_path, unit(), **{key: "/srv/logs/a"})
    assert found.about.endswith(key)
    assert found.text == "phttpd.service does not let the service write /srv/logs/a"
    assert found.remedy.startswith("choose a path below /var/log/phttpd, or add its directory")
    assert find(tmp_path, unit(ReadWritePaths="/srv/logs"), **{key: "/srv/logs/a"}) == []


@pytest.mark.parametrize(("setting", "docroot"), [("ProtectHome", "/root"), ("PrivateTmp", "/tmp")])
def test_findings_have_a_docroot_that_the_unit_hides(
    tmp_path: Path, setting: str, docroot: str
) -> None:
    (found,) = find(tmp_path, unit(**{setting: "yes"}), docroot=docroot)
    assert found.about == "docroot"
    assert found.text == f"phttpd.service hides {docroot} from the service, by {setting}="
    assert find(tmp_path, unit(**{setting: "no"}), docroot=docroot) == []


@pytest.mark.root
def test_findings_have_a_docroot_that_the_user_of_the_unit_cannot_read(tmp_path: Path) -> None:
    docroot = tmp_path / "site"
    docroot.mkdir(mode=0o700)
    (found,) = find(tmp_path, unit(User="nobody"), docroot=str(docroot))
    assert found.about == "docroot"
    assert found.text.startswith(f"as the user nobody: the docroot {docroot} cannot be read")
    assert found.remedy == "let nobody read it, and enter each directory above it"


@pytest.mark.root
def test_findings_have_a_file_that_the_user_of_the_unit_cannot_write(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    open_unit = unit(User="daemon", ProtectSystem="no")
    path = str(Path("/usr/share/doc/access.log"))
    (found,) = find(tmp_path, open_unit, access_log=path)
    assert found.text == (
        f"{path} cannot be written by daemon: no write permission in /usr/share/doc"
    )


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A docroot with pages of every kind."""
    docroot = tmp_path / "site"
    (docroot / "directory").mkdir(parents=True)
    (docroot / "page.html").touch()
    (docroot / "out.html").symlink_to("../a.yaml")
    with (docroot / "large.html").open("wb") as file:
        file.truncate(128 * 1024 + 1)
    return docroot


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/none.html", "does not exist"),
        ("/out.html", "does not exist"),
        ("/directory", "is a directory"),
        ("/large.html", "is larger than 128 KiB"),
        ("/page.html", ""),
    ],
)
@pytest.mark.parametrize("has_unit", [True, False])
def test_findings_have_a_page_that_is_not_sent(
    tmp_path: Path, pages: Path, name: str, text: str, has_unit: bool
) -> None:
    more: dict[str, Setting] = {
        "docroot": str(pages),
        "pidfile": str(tmp_path / "pid"),
        "log_file": str(tmp_path / "log"),
    }
    for key, value, instead in (
        ("errors", {"404": name}, "phttpd's own page is sent"),
        ("fallback", name, "requests get 404"),
    ):
        found = find(
            tmp_path, unit(ProtectSystem="no") if has_unit else None, **more, **{key: value}
        )
        if not text or (key, name) == ("fallback", "/large.html"):
            assert found == []
        else:
            assert found == [
                Finding(
                    key,
                    f"{name} in {pages} {text}, so {instead}",
                    "put it there, or name another file",
                )
            ]


def test_findings_have_pages_of_named_sites(tmp_path: Path, pages: Path) -> None:
    more: dict[str, Setting] = {
        "docroot": str(tmp_path / "none"),
        "fallback": "/none.html",
        "pidfile": str(tmp_path / "pid"),
        "log_file": str(tmp_path / "log"),
        "sites": [
            {"name": "a.example", "docroot": str(pages)},
            {"name": "b.example", "docroot": str(pages), "fallback": "/page.html"},
            {"name": "c.example", "docroot": str(pages), "fallback": None},  # type: ignore[dict-item]
            {"name": "*.example", "docroot": f"{pages}/*"},
        ],
    }
    (tmp_path / "none").mkdir()
    first, second = find(tmp_path, None, **more)
    assert (first.about, second.about) == ("fallback", "sites")
    assert second.text.startswith(f"/none.html in {pages} of a.example does not exist")
    (tmp_path / "none").rmdir()
    more["docroot"] = str(pages)
    more["fallback"] = "/page.html"
    assert find(tmp_path, None, **more) == []


@pytest.mark.root
def test_findings_have_a_page_that_the_user_of_the_unit_cannot_read(tmp_path: Path) -> None:
    with open_directory() as docroot:
        write(docroot / "page.html").chmod(0o600)
        changed: dict[str, Setting] = {"docroot": str(docroot), "fallback": "/page.html"}
        found = find(tmp_path, unit(User="nobody"), **changed)
    assert [one.text for one in found if one.about == "fallback"] == [
        f"/page.html in {docroot} cannot be read, so requests get 404"
    ]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("/no/phttpd --foreground", "starts /no/phttpd, which is not there"),
        ("", "starts nothing, which is not there"),
        (
            "/bin/sh --foreground --config /etc/other.yaml",
            f"starts phttpd with /etc/other.yaml, not with {CONFIG}",
        ),
        (
            f"/bin/sh --config {CONFIG}",
            "starts phttpd without --foreground, but waits for it as Type=notify",
        ),
    ],
)
def test_findings_have_a_unit_that_starts_something_else(
    tmp_path: Path, command: str, text: str
) -> None:
    found = find(tmp_path, unit(ExecStart=command))
    assert {finding.about for finding in found} == {"unit"}
    assert found[0].text == f"/lib/systemd/system/phttpd.service {text}"


@pytest.mark.parametrize(
    ("name", "shipped"),
    [("phttpd.service", "phttpd.service"), ("phttpd@lab.service", "phttpd@.service")],
)
def test_findings_have_a_unit_of_another_version(tmp_path: Path, name: str, shipped: str) -> None:
    shared = "RuntimeDirectory=phttpd\nExecStart=/usr/local/bin/phttpd\n"
    (tmp_path / shipped).write_text(f"[Service]\n{shared}LimitNOFILE=65536\nUMask=0077\n")
    installed = tmp_path / "installed.service"
    installed.write_text("[Service]\nRuntimeDirectory=phttpd\nLimitNOFILE=1024\nExecStart=/x\n")
    (found,) = find(tmp_path, unit(name)._replace(file=str(installed)))
    assert found.about == "unit"
    assert found.text == (
        f"{installed} differs from the one of this version in LimitNOFILE=, UMask="
    )
    installed.write_text((tmp_path / shipped).read_text().replace("/usr/local", "/usr"))
    assert find(tmp_path, unit(name)._replace(file=str(installed))) == []


def test_findings_are_said_with_the_line_of_the_key_and_a_remedy(tmp_path: Path) -> None:
    loaded = settings(tmp_path)
    finding = Finding("port", "it is taken", "take another")
    place = f"{tmp_path}/a.yaml:3: port"
    assert finding.describe(loaded.places) == f"{place}: it is taken; take another"
    assert Finding("unit", "a", "b").describe(loaded.places) == "unit: a; b"


def test_findings_without_a_unit_are_those_of_the_user(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    found = find(tmp_path, None, log_file=f"{file}/a.log", pidfile=f"{tmp_path}/new/a.pid")
    assert [finding.about for finding in found] == ["log_file"]
    assert found[0].text.endswith(f"{file} is not a directory")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("served", [True, False, [".git"]])
def test_findings_have_secrets_that_are_served(tmp_path: Path, *, served: Setting) -> None:
    for site in "top", "one":
        (tmp_path / site / ".git").mkdir(parents=True)
        (tmp_path / site / ".index").touch()
    top, one = str(tmp_path / "top"), {"name": "one", "docroot": str(tmp_path / "one")}
    own: Any = [{**one, "serve_hidden": served}]
    found = find(tmp_path, None, docroot=top, serve_hidden=served, sites=[one])
    found += find(tmp_path, None, docroot=top, sites=own)
    labels = [top, f"{tmp_path}/one of one", f"{tmp_path}/one of one"] if served is True else []
    assert [(one.about, one.text) for one in found] == [
        ("sites" if " of " in label else "serve_hidden", f".git in the docroot {label} is served")
        for label in labels
    ]


def test_findings_have_directories_that_no_link_can_lead_to(tmp_path: Path) -> None:
    missing, there = f"{tmp_path}/missing", str(tmp_path)
    sites: Any = [{"name": "one", "docroot": "/", "symlinks": [missing, f"{missing}2", there]}]
    found = find(tmp_path, None, symlinks=[there, missing], sites=sites)
    text = "symbolic links may lead to {}, which cannot be entered: No such file or directory"
    assert [(one.about, one.text) for one in found] == [
        ("symlinks", text.format(missing)),
        ("sites", text.format(f"{missing}2")),
    ]
    assert found[0].remedy == "make it, or let links lead elsewhere"
    assert find(tmp_path, unit(PrivateTmp="no"), symlinks=there) == []


@pytest.mark.parametrize("setting", ["ProtectHome", "PrivateTmp"])
def test_findings_have_a_directory_for_links_that_the_unit_hides(
    tmp_path: Path, setting: str
) -> None:
    directory = {"ProtectHome": "/home", "PrivateTmp": "/tmp"}[setting]
    (found,) = find(tmp_path, unit(**{setting: "yes"}), symlinks=directory)
    assert found.about == "symlinks"
    assert found.text == f"phttpd.service hides {directory} from the service, by {setting}="
