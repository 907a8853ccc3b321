"""`make install` into a directory, as for a package; on a whole machine it is tested with
systemd.
"""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from tests.process.launch import ROOT
from tests.support.require import command

FILES, DIRECTORIES = 0o444, 0o555


def test_installed_files_are_readable_whatever_the_umask(tmp_path: Path) -> None:
    """The user who serves is not the one who installs."""
    top = tmp_path / "top"
    top.mkdir(mode=0o755)
    make = command("make", "make")
    done = subprocess.run(
        [make, "install", f"DESTDIR={top}", "PREFIX=/usr"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
    )
    assert done.returncode == 0, done
    assert (top / "etc/phttpd/phttpd.yaml").is_file()
    assert (top / "usr/share/phttpd/httpd/py.typed").is_file()
    assert (top / "usr/share/phttpd/prometheus/phttpd-alerts.yaml").is_file()
    assert (top / "usr/share/phttpd/grafana/phttpd.json").is_file()
    assert (top / "usr/bin/phttpd").stat().st_mode & DIRECTORIES == DIRECTORIES
    for directory, _, names in os.walk(top):
        mode = os.stat(directory).st_mode
        assert mode & DIRECTORIES == DIRECTORIES, (directory, stat.filemode(mode))
        for name in names:
            mode = os.stat(f"{directory}/{name}").st_mode
            assert mode & FILES == FILES, (directory, name, stat.filemode(mode))
