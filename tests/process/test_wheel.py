"""The wheel that `pip wheel .` builds: its files and its metadata."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import HeaderParser

import pytest

from httpd import __version__
from tests.process.launch import ROOT
from tests.unit.network.test_bytecodes import BOUNDS

pytestmark = pytest.mark.network
"""Building installs hatchling."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """Build from a copy, since building writes into the tree."""
    top = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "httpd", top / "tree" / "httpd", ignore=left_out)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, top / "tree")
    words = ["-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(top), "."]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=top / "tree",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return zipfile.Path(top / f"phttpd-{__version__}-py3-none-any.whl")


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.Path) -> Message:
    info = wheel / f"phttpd-{__version__}.dist-info"
    return HeaderParser().parsestr((info / "METADATA").read_text("utf-8"))


def test_wheel_has_the_whole_package_and_nothing_else(wheel: zipfile.Path) -> None:
    assert {each.name for each in wheel.iterdir()} == {
        "httpd",
        f"phttpd-{__version__}.dist-info",
    }
    tree = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "httpd").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {name for name in wheel.root.namelist() if name.startswith("httpd/")}
    assert {name for name in names if not name.endswith("/")} == tree
    assert "httpd/py.typed" in names


def test_wheel_names_its_licence_as_an_expression(wheel: zipfile.Path, metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    licence = wheel / f"phttpd-{__version__}.dist-info" / "licenses" / "LICENSE"
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_wheel_offers_no_extras_and_needs_two_packages(metadata: Message) -> None:
    assert metadata.get_all("Provides-Extra") is None
    assert metadata.get_all("Requires-Dist") == ["python-daemon", "pyyaml"]


def test_wheel_claims_each_python_that_has_bounds(metadata: Message) -> None:
    """The versions that the guard of bytecodes knows, from the oldest supported one on."""
    claimed = {
        value.rpartition(" ")[2]
        for value in metadata.get_all("Classifier", [])
        if value.startswith("Programming Language :: Python :: 3.")
    }
    assert claimed == {"{}.{}".format(*minor) for minor in BOUNDS}
    assert metadata["Requires-Python"] == ">={}.{}".format(*min(BOUNDS))
