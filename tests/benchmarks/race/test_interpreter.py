"""Which Python runs phttpd in the race, what is said of it, and that it runs this checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.environment import UnavailableError
from benchmarks.race import interpreter
from benchmarks.race.interpreter import choose, examine, install, optimisation

CHECKOUT = Path(__file__).parents[3]

FIT = {
    "version": "3.12.1",
    "numbers": [3, 12],
    "missing": [],
    "program": "/nowhere/python",
    "compiler": "GCC 99",
    "configured": "",
    "flags": "-O9",
}


def python(path: Path, **what: object) -> str:
    """Write a program that says of itself what a Python says."""
    path.write_text(f"#!/bin/sh\necho '{json.dumps({**FIT, **what})}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("configured", "flags", "package", "text"),
    [
        ("'--enable-optimizations' '--with-lto'", "", "", "with PGO and LTO"),
        ("'--enable-optimizations'", "-O3", "", "with PGO, without LTO"),
        ("'--with-lto'", "", "python3-minimal 1", "with LTO, without PGO"),
        ("", "-O3 -flto -fprofile-use", "", "with PGO and LTO"),
        ("'--enable-shared'", "-O3", "", "without PGO and LTO"),
    ],
)
def test_optimisation_is_what_the_build_says(
    configured: str, flags: str, package: str, text: str
) -> None:
    assert optimisation(configured, flags, package) == text


def test_optimisation_of_a_debian_package_is_by_the_rules_of_debian() -> None:
    assert "Debian's rules" in optimisation("'--enable-shared'", "-O2", "python3.11-minimal 1")


def test_distribution_runs_phttpd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "DISTRIBUTION", python(tmp_path / "python3"))
    chosen = choose(None)
    assert (chosen.path, chosen.version, chosen.package) == (
        str(tmp_path / "python3"),
        "3.12.1",
        "",
    )
    assert (chosen.compiler, chosen.flags) == ("GCC 99", "-O9")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (None, "No such file"),
        ({"version": "3.10.4", "numbers": [3, 10]}, "is Python 3.10.4, and phttpd needs 3.11"),
        ({"missing": ["yaml"]}, "has no module yaml; apt-get install python3-yaml"),
        (
            {"missing": ["daemon", "yaml"]},
            "has no module daemon and yaml; apt-get install python3-daemon python3-yaml",
        ),
    ],
)
def test_distribution_that_cannot_run_phttpd_is_replaced_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: dict[str, object] | None, reason: str
) -> None:
    path = str(tmp_path / "python3")
    if what is not None:
        python(tmp_path / "python3", **what)
    monkeypatch.setattr(interpreter, "DISTRIBUTION", path)
    chosen = choose(None)
    assert (chosen.path, reason in chosen.why) == (sys.executable, True), chosen.why
    with pytest.raises(UnavailableError, match=reason):
        choose(path)


def test_installed_command_runs_this_checkout_and_writes_nothing(tmp_path: Path) -> None:
    """Although this environment has a phttpd of its own."""
    installed = install(examine(sys.executable, "is here"), tmp_path)
    for name, command in (("compiled", installed.command), ("uncompiled", installed.uncompiled)):
        script = (
            "import runpy, sys; runpy.run_path(sys.argv[1]); print(sys.modules['httpd'].__file__)"
        )
        done = subprocess.run(
            [*command[:-1], "-c", script, command[-1]], check=True, capture_output=True, text=True
        )
        share = tmp_path / name / "share"
        assert done.stdout.strip() == str(share / "httpd" / "__init__.py")
        assert bool(list(share.rglob("*.pyc"))) is (name == "compiled")
        assert subprocess.run([*command, "--version"], check=False).returncode == 0
    modules = [path.relative_to(CHECKOUT) for path in (CHECKOUT / "httpd").rglob("*.py")]
    assert all((share / path).read_bytes() == (CHECKOUT / path).read_bytes() for path in modules)


def test_interpreter_that_cannot_compile_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    python(broken)
    found = examine(str(broken), "is broken")
    broken.write_text("#!/bin/sh\necho no >&2; exit 1\n")
    with pytest.raises(UnavailableError, match="failed: no"):
        install(found, tmp_path / "copy")
