"""The Python that runs phttpd in a race: the one that users of the package get.

phttpd runs from a copy of this checkout, installed as `make install` does it: isolated, so that no
other phttpd is imported, and compiled, so that nothing is written while it runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import UnavailableError

PROJECT = Path(__file__).parents[2]

DISTRIBUTION = "/usr/bin/python3"

OLDEST = (3, 11)

PACKAGES = {"daemon": "python3-daemon", "yaml": "python3-yaml"}
"""Modules that phttpd needs, and the Debian packages that have them."""

INSTALLED = "/usr/share/phttpd"
"""Where the installed command finds its modules."""

TIMEOUT = 60

PROBE = f"""
import importlib.util, json, os, platform, sys, sysconfig
get = sysconfig.get_config_var
print(json.dumps({{
    "version": platform.python_version(),
    "numbers": sys.version_info[:2],
    "missing": [name for name in {list(PACKAGES)} if not importlib.util.find_spec(name)],
    "program": os.path.realpath(sys.executable),
    "compiler": platform.python_compiler(),
    "configured": get("CONFIG_ARGS") or "",
    "flags": get("PY_CFLAGS") or "",
}}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run phttpd.

    Args:
        path: of the program, as it was named.
        why: this one runs phttpd.
        version: as in “3.11.2”.
        compiler: with its version.
        package: the Debian package that has the program, with its version, or an empty string.
        configured: the arguments of its `configure`.
        flags: of its compiler.
    """

    path: str
    why: str
    version: str
    compiler: str
    package: str
    configured: str
    flags: str


def choose(wanted: str | None) -> Interpreter:
    """Return the Python that is to run phttpd.

    Args:
        wanted: its path; None for the distribution's or, where that cannot run phttpd, the one that
            runs this.

    Raises:
        UnavailableError: the wanted one cannot run phttpd.
    """
    if wanted is not None:
        return examine(wanted, "was asked for")
    try:
        return examine(DISTRIBUTION, "is the distribution's, as users of the package have it")
    except UnavailableError as reason:
        return examine(sys.executable, f"runs the race: {reason}")


def examine(path: str, why: str) -> Interpreter:
    """Ask a Python what it is.

    Raises:
        UnavailableError: it cannot run phttpd.
    """
    found = json.loads(_run(path, "-I", "-c", PROBE))
    if tuple(found["numbers"]) < OLDEST:
        raise UnavailableError(f"{path} is Python {found['version']}, and phttpd needs 3.11")
    if found["missing"]:
        names = " ".join(PACKAGES[name] for name in found["missing"])
        modules = " and ".join(found["missing"])
        raise UnavailableError(f"{path} has no module {modules}; apt-get install {names}")
    return Interpreter(
        path=path,
        why=why,
        version=found["version"],
        compiler=found["compiler"],
        package=_package_of(found["program"]),
        configured=found["configured"],
        flags=found["flags"],
    )


def _package_of(program: str) -> str:
    """Return the Debian package that a program is of, and its version."""
    try:
        owner = _run("dpkg", "-S", program).partition(":")[0]
        version = _run("dpkg-query", "-W", "-f", "${Version}", owner)
    except UnavailableError:
        return ""
    return f"{owner} {version}"


def optimisation(configured: str, flags: str, package: str) -> str:
    """Return what the build of a Python says of its optimisation, in words.

    Debian's rules for python3 build it with both on all of its large architectures, and then take
    the flags out of what sysconfig tells, so that extensions are not built with them.
    """
    pgo = "--enable-optimizations" in configured or "-fprofile-use" in flags
    lto = "--with-lto" in configured or "-flto" in flags
    if package and not (pgo or lto):
        return "with PGO and LTO by Debian's rules, which leave no trace of them in sysconfig"
    names = [name for name, is_there in (("PGO", pgo), ("LTO", lto)) if is_there]
    absent = [name for name, is_there in (("PGO", pgo), ("LTO", lto)) if not is_there]
    parts = [f"with {' and '.join(names)}"] if names else []
    return ", ".join([*parts, *([f"without {' and '.join(absent)}"] if absent else [])])


@dataclass(frozen=True)
class Installation:
    """The words that run phttpd, with compiled bytecode and without."""

    command: tuple[str, ...]
    uncompiled: tuple[str, ...]


def install(interpreter: Interpreter, directory: Path) -> Installation:
    """Install this checkout twice into an empty directory, once without compiled bytecode.

    Raises:
        UnavailableError: the interpreter cannot compile or start it.
    """
    compiled = _copy(directory / "compiled")
    _run(interpreter.path, "-I", "-m", "compileall", "-q", str(compiled.parent / "share"))
    command = (interpreter.path, "-I", str(compiled))
    _run(*command, "--version")
    return Installation(command, (interpreter.path, "-IB", str(_copy(directory / "uncompiled"))))


def _copy(directory: Path) -> Path:
    """Copy the modules and the command of the checkout into a directory; return the command."""
    share = directory / "share"
    shutil.copytree(
        PROJECT / "httpd", share / "httpd", ignore=shutil.ignore_patterns("__pycache__")
    )
    text = (PROJECT / "etc" / "phttpd.py").read_text("utf-8")
    assert INSTALLED in text
    command = directory / "phttpd"
    command.write_text(text.replace(INSTALLED, str(share)), "utf-8")
    return command


def _run(*command: str) -> str:
    try:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=TIMEOUT, cwd="/"
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(str(error)) from None
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{command[0]} failed: {error.stderr.strip()}") from None
