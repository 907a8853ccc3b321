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
    assert found.about == key
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
